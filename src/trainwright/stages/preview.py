"""What a recipe will do, shown before it is done: the rate of every step, the network and its memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from trainwright.errors import UsageError
from trainwright.parts import schedules
from trainwright.records import to_plain
from trainwright.records.model import MemoryForecast
from trainwright.report.model_text import bytes_text, render_forecast, render_summary
from trainwright.report.numbers import percent
from trainwright.report.schedule_text import render_schedule
from trainwright.stages.memory import step_plan
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO
from trainwright.stages.setup import Setup, asks_for_rate, load_data, prepare
from trainwright.training.auto_batch import trial_steps
from trainwright.training.rates import Rates
from trainwright.vitals.forecast import forecast
from trainwright.vitals.memory import available_memory
from trainwright.vitals.summary import summarise


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


@dataclass(frozen=True, kw_only=True)
class ModelPreview:
    """The network and its memory: as lines, and as a document for programs."""

    text: str
    document: dict[str, Any]


def preview_model(recipe: Recipe, data_root: str | None = None, *, measure: bool = False) -> ModelPreview:
    """Return the network that `recipe` builds, layer by layer, and the memory that a step of its training takes.

    With `measure`, real steps are made on a copy, and their peak is set beside the forecast.
    """
    if asks_for_rate(recipe):  # the rate changes nothing here
        recipe = recipe.changed({"optimizer.lr": AUTO})
    setup = prepare(recipe, load_data(recipe, data_root), data_root)
    settings = setup.recipe.train
    device = torch.device(settings.device)
    train = setup.splits["train"]
    x, y = train.take(2)
    seen = summarise(setup.model, x)
    free = available_memory(device)
    plan = step_plan(setup.recipe, setup.loss)
    foreseen = forecast(setup.model, plan, (x, y), train.batch_size, device)
    lines = [render_summary(seen, foreseen, available_bytes=free)]
    document: dict[str, Any] = {"model": seen, "memory": foreseen, "available_bytes": free}
    if setup.recipe.doctor.repair == "apply":
        kept = _kept_for_repair(setup, foreseen)
        lines.append(f"with doctor.repair = 'apply': {bytes_text(kept)} beside it, two copies of the run's state")
        document["repair_bytes"] = kept
    if not settings.checkpoint_activations:
        other = _with_recomputation(setup, (x, y), device)
        if other is not None:
            lines.append(f"with train.checkpoint_activations = true: most at once {bytes_text(other.total)}")
            document["memory_recomputed"] = other
    else:
        plain = forecast(setup.model, step_plan(setup.recipe, setup.loss, recomputed=False), (x, y), train.batch_size)
        lines.append(f"without recomputation:\n{render_forecast(plain)}")
        document["memory_kept"] = plain
    if measure:
        peak = trial_steps(setup.model, plan, islice(train.epoch(0), 3 * settings.accumulate))
        lines.append(f"measured on real steps: {bytes_text(peak)}, {percent(foreseen.total / peak)} of it foreseen")
        document["measured_bytes"] = peak
    return ModelPreview(text="\n".join(lines), document=to_plain(document, strict=True))


def _kept_for_repair(setup: Setup, foreseen: MemoryForecast) -> int:
    """Return the bytes of the states that a run keeps to go back to."""
    weights = foreseen.parameters + foreseen.buffers
    averaged = weights if setup.recipe.train.ema > 0 else 0
    return 2 * (weights + foreseen.optimizer_state + averaged)


def _with_recomputation(
    setup: Setup, batch: tuple[torch.Tensor, torch.Tensor], device: torch.device
) -> MemoryForecast | None:
    """Return the forecast with activations computed again, None for a model without blocks to do that with."""
    plan = step_plan(setup.recipe, setup.loss, recomputed=True)
    try:
        return forecast(setup.model, plan, batch, setup.splits["train"].batch_size, device)
    except UsageError:
        return None
