"""A search that has ended, as who asked for it gets it: its trials, its best, what was found, and the final run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trainwright.doctor.search import edges, judge
from trainwright.records import Finding
from trainwright.records.findings import Scalar
from trainwright.records.study import Edge, Importance, Move, StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.notebook import bundle
from trainwright.report.numbers import number, plural
from trainwright.report.study_facts import values_phrase
from trainwright.report.study_json import study_json
from trainwright.report.study_text import render_study
from trainwright.search.importance import importance
from trainwright.stages.run import Run
from trainwright.stages.study_work import StudyWork


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best trial: its score (lower is better), and the values that it was trained with."""

    value: float
    parameters: Mapping[str, Scalar]
    number: int
    steps: int

    @property
    def score(self) -> float:
        """The value, under the name that it has in a trial."""
        return self.value

    @property
    def values(self) -> Mapping[str, Scalar]:
        """The parameters, under the name that they have in a trial."""
        return self.parameters


@dataclass(frozen=True, kw_only=True, repr=False)
class Study:
    """A search that has ended, or was stopped. `final` is the run of the best configuration under a fresh seed, and
    `confirmation` what further fresh seeds said of it; None where no final run was asked for, or there is no best.
    `work` is what was searched: with it `finish` trains further members. Scores are losses, error rates in [0, 1] or
    root mean squared errors in the units of the targets; lower is better.
    """

    info: StudyInfo
    final: Run | None
    confirmation: FinalRun | None
    folder: Path | None
    notes: tuple[str, ...] = ()
    work: StudyWork | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Return the study on one line; `report()` tells the whole."""
        best = self.best
        told = "no trial has a score"
        if best is not None:
            told = f"best score {number(best.value)} with {values_phrase(best.parameters)}"
        return f"Study({self.info.status}, {plural(len(self.trials), 'trial')}, {told})"

    @property
    def best(self) -> Best | None:
        """The best trial of those that came furthest, None where all failed."""
        trial = self.info.best
        if trial is None or trial.score is None:
            return None
        return Best(value=trial.score, parameters=trial.values, number=trial.number, steps=trial.steps)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial, in the order of their numbers."""
        return self.info.trials

    @property
    def moves(self) -> tuple[Move, ...]:
        """What became of each range after each round, and why."""
        return self.info.moves

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The ends of the ranges that the best values hug."""
        return edges(self.info)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the search, worst first."""
        return list(judge(self.info))

    def reading(self, name: str = "search") -> StudyReading:
        """Return all that a report is made of, under this name."""
        return StudyReading(
            info=self.info,
            name=name,
            findings=tuple(self.findings),
            edges=self.edges,
            importance=self.importance,
            final=self.confirmation,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        return study_json(self.reading()) | {"folder": None if self.folder is None else str(self.folder)}

    def report(self, *, color: bool = False, width: int = 100) -> str:
        """Return the search as text: the best, what each round found, what failed, what mattered, the final run."""
        return render_study(self.reading(), color=color, width=width)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.report(color=True))

    @cached_property
    def importance(self) -> tuple[Importance, ...]:
        """How much each parameter mattered, with error bars; () from too few trials."""
        return importance(self.info)
