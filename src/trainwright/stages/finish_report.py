"""The table of a finished model, read again: what gained and what lost, without the networks."""

from __future__ import annotations

from pathlib import Path

from trainwright.errors import RunError
from trainwright.records import Finding, from_plain
from trainwright.records.ensemble import EnsembleInfo
from trainwright.runs.layout import FINISHED_FACTS
from trainwright.runs.small import read_json

PAGE = "report.html"


def read_report(folder: Path) -> tuple[EnsembleInfo, tuple[Finding, ...]]:
    """Read the table of the finished model in `folder`, and its findings. Raises `RunError` where it is damaged."""
    try:
        plain = read_json(folder / FINISHED_FACTS)
        findings = tuple(from_plain(Finding, one) for one in plain.get("findings", ()))
        return from_plain(EnsembleInfo, plain), findings
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise RunError(
            f"the finished model in {folder} is damaged",
            evidence=f"{FINISHED_FACTS}: {type(problem).__name__}: {problem}",
            remedy="finish its runs again",
        ) from None
