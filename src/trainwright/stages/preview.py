"""What a recipe will do, shown before it is done: the rate of every step, the network and its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainwright.parts import schedules
from trainwright.records import to_plain
from trainwright.report.schedule_text import render_schedule
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import load_data, prepare
from trainwright.training.rates import Rates


@dataclass(frozen=True, kw_only=True)
class SchedulePreview:
    """The rate of every step of a run, and its momentum where the schedule moves it."""

    name: str
    rates: list[float]
    momenta: list[float] | None
    steps_per_epoch: int
    marks: list[tuple[int, str]]
    notes: tuple[str, ...]

    def render(self, *, color: bool = False, width: int = 100) -> str:
        """Return the plot and the table."""
        shown = render_schedule(
            self.rates,
            momentum=self.momenta,
            steps_per_epoch=self.steps_per_epoch,
            marks=self.marks,
            color=color,
            width=width,
        )
        head = f"{self.name} over {len(self.rates):,} steps, {self.steps_per_epoch:,} to an epoch"
        return "\n".join([head, shown, *(f"note: {note}" for note in self.notes)])

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: the rate of every step."""
        document = {
            "schedule": self.name,
            "steps": len(self.rates),
            "steps_per_epoch": self.steps_per_epoch,
            "rates": self.rates,
            "momenta": self.momenta,
            "marks": [{"step": step, "what": what} for step, what in self.marks],
            "notes": self.notes,
        }
        return to_plain(document, strict=True)


def preview_schedule(recipe: Recipe, data_root: str | None = None) -> SchedulePreview:
    """Return the rates that training `recipe` would use. Reads the data, to know how many steps an epoch has."""
    setup = prepare(recipe, load_data(recipe, data_root), data_root)
    planned = setup.info.planned_steps or 1
    base = Rates(setup.optimizer, setup.schedule, planned_steps=planned).base_rate
    notes = []
    if setup.schedule.plateau is not None:
        notes.append("plateau: drops come with evaluations that bring nothing better, which nobody can know before")
    if setup.recipe.train.patience:
        notes.append("train.patience may end the run before the schedule does")
    return SchedulePreview(
        name=setup.info.schedule,
        rates=schedules.rates(setup.schedule, planned, base),
        momenta=schedules.momenta(setup.schedule, planned),
        steps_per_epoch=setup.info.steps_per_epoch or 1,
        marks=schedules.mark_steps(setup.schedule, planned),
        notes=tuple(notes),
    )
