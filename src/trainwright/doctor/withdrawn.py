"""What was said while a loop ran and no longer holds at its end: nothing that was told is dropped without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trainwright.doctor.diagnose import Examination
from trainwright.doctor.kinds import find_kind
from trainwright.records import Finding, Severity


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """A finding that was told at `step` and is none any more, and `why`."""

    code: str
    kind: str
    severity: Severity
    title: str
    step: int | None
    why: str


def withdrawn(told: Iterable[Finding], over: Examination) -> Iterator[Withdrawn]:
    """Yield what was `told` and is not among the findings of the last examination."""
    left = {finding.kind for finding in over.findings}
    for finding in told:
        if finding.kind not in left:
            yield Withdrawn(
                code=finding.code,
                kind=finding.kind,
                severity=finding.severity,
                title=finding.title,
                step=finding.step,
                why=_why(finding.kind, over),
            )


def _why(kind: str, over: Examination) -> str:
    if kind in over.symptoms:
        causes = [finding for finding in over.findings if _explains(finding, kind)]
        if causes:
            named = " and ".join(f"{finding.code} {finding.title}" for finding in causes[:2])
            return f"explained by {named}"
        return "explained by what was found since"
    if kind in over.not_judged:
        return f"it cannot be judged at the end, because {over.not_judged[kind]}"
    return "the run as a whole does not show it any more"


def _explains(finding: Finding, kind: str) -> bool:
    cause = find_kind(finding.kind)
    return kind in (*cause.causes, *cause.causes_as_error, *cause.refutes)
