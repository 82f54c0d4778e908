"""Findings as workflow commands of GitHub Actions, which show them beside the lines of a pull request.

The format and what must be escaped: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from trainwright.records import Finding, Severity
from trainwright.report.phrases import evidence_phrase
from trainwright.report.safe import prose, visible
from trainwright.report.summary import worst_first

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


def github_annotations(findings: Iterable[Finding], *, folder: str) -> str:
    """Return one command a line, worst first. `folder` is where the repository lies: paths inside are shortened."""
    return "\n".join(_command(finding, folder) for finding in worst_first(findings))


def _command(finding: Finding, folder: str) -> str:
    properties = {"title": prose(f"{finding.code} {finding.title}")}
    if finding.where.file is not None:
        place = {"file": inside(finding.where.file, folder)}
        line = {} if finding.where.line is None else {"line": str(finding.where.line)}
        properties = place | line | properties
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {written}::{_data(explanation(finding))}"


def explanation(finding: Finding) -> str:
    """Return everything but the title as lines: evidence, cause, remedies, and where to read more."""
    lines: Sequence[str] = [
        *(f"evidence: {evidence_phrase(evidence)}" for evidence in finding.evidence),
        *([f"because: {prose(finding.because)}"] if finding.because else []),
        *(f"remedy: {prose(remedy.text)}" for remedy in finding.remedies),
        f"more: trainwright explain {prose(finding.code)}",
    ]
    return "\n".join(lines)


def inside(file: str, folder: str) -> str:
    """Return a path relative to `folder`, with slashes, where it lies inside; else as it is."""
    if os.path.isabs(file):
        try:
            relative = os.path.relpath(file, folder)
        except ValueError:  # another drive
            return file
        file = file if relative.split(os.sep)[0] == os.pardir else relative
    return PurePath(file).as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
