"""All that a reader of a search is told, gathered: the records, and what was made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.records.findings import Finding, Scalar
from trainwright.records.study import Edge, Importance, StudyInfo
from trainwright.records.study_final import FinalRun


@dataclass(frozen=True, kw_only=True)
class Alone:
    """How a trial is trained by itself, with the losses that it had in the search: by `call`, for the trial `number`.

    Of any other trial it takes its values, its seed as `train.seed`, and these `settings`, which all of them share.
    """

    number: int
    call: str
    settings: Mapping[str, Scalar]


@dataclass(frozen=True, kw_only=True)
class StudyReading:
    """A search under its name, with its findings, the edges that its best values hug, what mattered, its end, and how
    its best trial is trained alone.
    """

    info: StudyInfo
    name: str = "search"
    findings: tuple[Finding, ...] = ()
    edges: tuple[Edge, ...] = ()
    importance: tuple[Importance, ...] = ()
    final: FinalRun | None = None
    alone: Alone | None = None
