"""Shows: findings and runs as text for a terminal and as one HTML document. Reads records, and nothing else."""

from trainwright.report.html import render_html
from trainwright.report.text import render_checks, render_finding, render_findings, render_run, severity_counts

__all__ = ["render_checks", "render_finding", "render_findings", "render_html", "render_run", "severity_counts"]
