"""A search that has ended, as who asked for it gets it: its trials, its best, what was found, and the final run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from trainwright.doctor.search import edges, judge
from trainwright.errors import UsageError
from trainwright.records import Finding
from trainwright.records.findings import Scalar
from trainwright.records.study import Edge, Importance, Move, StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import Alone, StudyReading
from trainwright.report.notebook import bundle
from trainwright.report.numbers import number, plural
from trainwright.report.study_facts import values_phrase
from trainwright.report.study_json import study_json
from trainwright.report.study_text import render_study
from trainwright.runs import durable
from trainwright.runs.writer import check_free
from trainwright.search.importance import importance
from trainwright.stages.entrants import alone
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.sections import SECTIONS
from trainwright.stages.setup import Setup
from trainwright.stages.study_work import StudyWork
from trainwright.stages.train import carry_out

BEST = "best.toml"
"""The recipe of the best trial, in the folder of a search of a recipe."""


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
            alone=self._told_alone(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        return study_json(self.reading()) | {"folder": None if self.folder is None else str(self.folder)}

    def recipe(self, number: int) -> Recipe:
        """Return the recipe that trains one trial by itself, its two seeds among the settings: with the first weights
        of the trial it has the losses that the trial had in the search, as `repeat` shows.

        Raises `UsageError` where there is no such trial.
        """
        return self._setup(number).recipe

    def model(self, number: int) -> torch.nn.Module:
        """Return a new model with the weights that a trial began with. Raises `UsageError` where there is none."""
        return self._setup(number).model

    def repeat(self, number: int, *, folder: str | Path | None = None) -> Run:
        """Train one trial by itself, to the end, and return the run: the same losses as in the search, up to rounding,
        whatever was trained beside it there. With `folder` the run is kept.

        Raises `UsageError` where there is no such trial, and as `fit` does.
        """
        if folder is not None:
            check_free(Path(folder))
        return carry_out(self._setup(number), None if folder is None else Path(folder))

    def write_best(self) -> None:
        """Write the recipe of the best trial into the study's folder, where it has one and trials are recipes."""
        if self.folder is None or self.best is None or self.work is None or self.work.base.given:
            return
        sections = [name for name in SECTIONS if name != "tune"]
        text = f"# Trial {self.best.number} of the search, by itself.\n\n"
        durable.replace(self.folder / BEST, text + self.recipe(self.best.number).to_toml(sections=sections))

    def _told_alone(self) -> Alone | None:
        if self.best is None or self.work is None:
            return None
        number = self.best.number
        call = f"study.repeat({number})"
        if self.folder is not None and (self.folder / BEST).is_file():
            call = f"trainwright train {shlex.quote(str(self.folder / BEST))}"
        recipe = self.work.recipe
        settings = alone(recipe)
        if not self.work.base.given:
            settings["data.split_seed"] = recipe.data.split_seed
        return Alone(number=number, call=call, settings=settings)

    def _setup(self, number: int) -> Setup:
        if self.work is None:
            raise UsageError(
                "only the process that searched can build its trials again",
                remedy=f"train the best one by its recipe, {BEST} in the study's folder",
            )
        found = next((trial for trial in self.trials if trial.number == number), None)
        if found is None:
            raise UsageError(
                f"there is no trial {number}",
                evidence=f"they are numbered from 0 to {len(self.trials) - 1}" if self.trials else "there are none yet",
                remedy="take a number of study.trials",
            )
        return self.work.alone(found)

    def report(self, *, color: bool = False, width: int = 100) -> str:
        """Return the search as text: the best, what each round found, what failed, what mattered, the final run."""
        return render_study(self.reading(), color=color, width=width)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.report(color=True))

    @cached_property
    def importance(self) -> tuple[Importance, ...]:
        """How much each parameter mattered, with error bars; () from too few trials."""
        return importance(self.info)
