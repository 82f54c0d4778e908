"""All that a reader of a search is told, gathered: the records, and what was made of them."""

from __future__ import annotations

from dataclasses import dataclass

from trainwright.records.findings import Finding
from trainwright.records.study import Edge, Importance, StudyInfo
from trainwright.records.study_final import FinalRun


@dataclass(frozen=True, kw_only=True)
class StudyReading:
    """A search under its name, with its findings, the edges that its best values hug, what mattered, and its end."""

    info: StudyInfo
    name: str = "search"
    findings: tuple[Finding, ...] = ()
    edges: tuple[Edge, ...] = ()
    importance: tuple[Importance, ...] = ()
    final: FinalRun | None = None
