"""Findings and runs as text for a terminal, in the manner of a good compiler."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Chart, CheckResult, Finding, Outcome, RunInfo
from trainwright.report.checks_text import render_checks
from trainwright.report.findings_text import finding_lines
from trainwright.report.numbers import plural
from trainwright.report.run_text import best_table, head_lines, loss_curve, repair_lines
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, HEALTHY, SIGNS, paint
from trainwright.report.summary import severity_counts, verdict, worst_first
from trainwright.report.wrapping import clip

__all__ = ["render_finding", "render_findings", "render_run", "severity_counts"]


def render_finding(finding: Finding, *, color: bool = False, width: int = 100) -> str:
    """Return one finding: what, where with the line of source, evidence, cause, remedy, and where to read more."""
    return "\n".join(finding_lines(finding, color=color, width=width))


def render_findings(findings: Sequence[Finding], *, color: bool = False, width: int = 100) -> str:
    """Return all findings, worst first, and a closing line that counts them."""
    if not findings:
        return f"{paint(HEALTHY.shape, HEALTHY.ansi, color=color)} no findings"
    ordered = worst_first(findings)
    closing = paint(severity_counts(ordered), BOLD, SIGNS[ordered[0].severity].ansi, color=color)
    return "\n\n".join([*(render_finding(finding, color=color, width=width) for finding in ordered), closing])


def render_headlines(findings: Sequence[Finding], *, color: bool = False, width: int = 100) -> str:
    """Return one line for each finding, worst first: what remains to be said once they have been shown in full."""
    lines = []
    for finding in worst_first(findings):
        sign = SIGNS[finding.severity]
        step = "" if finding.step is None else f" (step {finding.step:,})"
        text = clip(f"{prose(finding.title)}{step}", max(width - 16, 20))
        lines.append(f"{paint(f'{finding.severity}[{finding.code}]', sign.ansi, color=color)}: {text}")
    return "\n".join(lines)


def _closing(findings: Sequence[Finding], *, healthy: bool, brief: bool, color: bool, width: int) -> str:
    if not findings and not healthy:
        return severity_counts([])  # where the run itself did badly, finding nothing is no sign of health
    render = render_headlines if brief and findings else render_findings
    return render(findings, color=color, width=width)


def render_run(
    info: RunInfo,
    outcome: Outcome | None,
    chart: Chart,
    findings: Sequence[Finding],
    *,
    checks: Sequence[CheckResult] = (),
    brief: bool = False,
    color: bool = False,
    width: int = 100,
) -> str:
    """Return the report of a run: what it was, how it ended, its best values, its loss curve, and the findings.

    With `brief` the findings are one line each: for a reader who has just seen them in full.
    """
    sign, sentence = verdict(outcome, chart, findings)
    name = paint(clip(prose(info.name), max(width // 2, 20)), BOLD, color=color)
    blocks = [
        [f"{name}: {paint(f'{sign.shape} {sentence}', sign.ansi, color=color)}"],
        head_lines(info, outcome, chart, color=color, width=width),
        best_table(info, outcome, chart, color=color),
        loss_curve(chart, findings, color=color, width=width),
        repair_lines(chart, color=color, width=width),
        [_closing(findings, healthy=sign is HEALTHY, brief=brief, color=color, width=width)],
    ]
    if checks:
        judged = [check for check in checks if check.status != "skipped"]
        title = f"{plural(len(judged), 'check')} judged, {len(checks) - len(judged)} not"
        blocks.append([paint(title, BOLD, color=color), render_checks(checks, color=color, width=width)])
    return "\n\n".join("\n".join(block) for block in blocks if block)
