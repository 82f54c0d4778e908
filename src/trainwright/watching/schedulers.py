"""The schedulers of a loop: how long their curves are, and how often they were called beside steps and epochs."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import lr_scheduler

from trainwright.records import SchedulerFacts
from trainwright.watching.places import Place, caller, location
from trainwright.watching.sightings import Sightings

_HORIZONS: Mapping[str, str] = {
    "CosineAnnealingLR": "T_max",
    "OneCycleLR": "total_steps",
    "LinearLR": "total_iters",
    "ConstantLR": "total_iters",
    "PolynomialLR": "total_iters",
    "StepLR": "step_size",
    "CosineAnnealingWarmRestarts": "T_0",
    "CyclicLR": "total_size",
}
_CYCLIC = ("CosineAnnealingWarmRestarts", "CyclicLR")
_FORMATIVE = 64  # calls whose lines are looked for
_WATCHED = 4  # numbers that are the same bit by bit; of a loss two never are
_PLACES = 4  # lines that step a scheduler, kept


@dataclass(eq=False, slots=True)
class _Kept:
    scheduler: weakref.ref[Any]
    optimizer: weakref.ref[Any] | None
    name: str
    made: Place | None
    steps_before: int
    epochs_before: int
    inner: bool = False  # another scheduler steps it
    horizon: int | None = None
    horizon_name: str = ""
    calls: int = 0
    calls_before_first_step: int = 0
    calls_in_first_epoch: int | None = None
    places: dict[Place | None, int] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)  # first, last, lowest, highest
    loaded: bool = False
    watched: list[float] = field(default_factory=list)  # what a plateau scheduler was given: first, last
    same: int = 0  # calls in a row, from the first on, with one and the same number


class SchedulerBooks:
    """Counts the calls of every scheduler that was made, or stepped."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._kept: dict[int, _Kept] = {}
        self._lines: dict[tuple[int, Place | None], tuple[int, int, int]] = {}  # last step, epochs, times made again
        self.epochs = 0
        self.steps_per_epoch: int | None = None

    def made(self, scheduler: Any, place: Place | None) -> None:
        """A scheduler was constructed."""
        self._again(scheduler, place)
        kept = self._keep(scheduler, place)
        kept.made = place
        parts = getattr(scheduler, "_schedulers", None) or ()
        for part in parts:  # of a sequence or a chain, which steps them itself
            self._keep(part, None).inner = True

    def _again(self, scheduler: Any, place: Place | None) -> None:
        """Count the schedulers that were made on one line, for one optimizer that had stepped, in one epoch each."""
        optimizer = getattr(scheduler, "optimizer", None)
        line = (id(optimizer), place)
        known = self._lines.get(line)
        if known is None or place is None:
            self._lines[line] = (self._sightings.step, self.epochs, 0)
            return
        step, epochs, times = known
        if self._sightings.step > step:
            # Cycles of several epochs are meant to begin anew: snapshots, or restarts that are written by hand.
            each = self.epochs - epochs <= 1
            times = times + 1 if each else 0
            self._lines[line] = (self._sightings.step, self.epochs, times)
            if each and self.epochs:
                facts = {"scheduler": type(scheduler).__name__, "epochs": self.epochs}
                self._sightings.note("scheduler-recreated", place, facts, count=times)
            else:
                self._sightings.forget("scheduler-recreated")

    def stepped(self, scheduler: Any, watched: Any = None) -> None:
        """A scheduler was called, one that waits for a plateau with the number that it watches."""
        kept = self._keep(scheduler, None)
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            self._watches(kept, scheduler, watched)
        kept.calls += 1
        place = caller() if kept.calls <= _FORMATIVE else None
        if self._sightings.step == kept.steps_before == 0:
            kept.calls_before_first_step += 1
            if kept.calls_before_first_step == 1:
                self._sightings.note("scheduler-before-optimizer", place, {"scheduler": kept.name})
        if place is not None and (len(kept.places) < _PLACES or place in kept.places):
            kept.places[place] = kept.places.get(place, 0) + 1
        rate, rates = _rate(scheduler), kept.rates
        if rate is not None and rates:
            rates[1] = rate
            if rate < rates[2]:
                rates[2] = rate
            elif rate > rates[3]:
                rates[3] = rate

    def _watches(self, kept: _Kept, scheduler: lr_scheduler.ReduceLROnPlateau, watched: Any) -> None:
        """See whether what a scheduler watches has ever been another number; what cannot get better may well stay."""
        number = float(watched) if isinstance(watched, int | float) or getattr(watched, "is_cpu", False) else math.nan
        if kept.same == kept.calls and (not kept.watched or number == kept.watched[0]):
            kept.watched, kept.same = [number], kept.same + 1
        elif kept.same > 0:
            kept.same = 0
            self._sightings.forget("plateau-of-constant")
        best = number in ((1.0, 100.0) if scheduler.mode == "max" else (0.0,))
        if kept.same >= _WATCHED and not best:
            facts = {"scheduler": kept.name, "number": number, "calls": kept.same}
            self._sightings.note("plateau-of-constant", caller(), facts, count=kept.same)

    def called(self, scheduler: Any, count: int, rates: Sequence[float]) -> None:
        """A scheduler was called so often; `rates` are those of the steps meanwhile."""
        kept = self._keep(scheduler, None)
        kept.calls += count
        rate = _rate(scheduler)
        if rate is not None and kept.rates and rates:
            kept.rates[1:] = rate, min(kept.rates[2], rate, *rates), max(kept.rates[3], rate, *rates)

    def loaded(self, scheduler: Any) -> None:
        """A saved state was loaded into a scheduler."""
        self._keep(scheduler, None).loaded = True

    def resumed(self, optimizer: torch.optim.Optimizer) -> bool:
        """Say whether a schedule of `optimizer` goes on where an earlier run stopped."""
        return any(
            kept.loaded and kept.optimizer is not None and kept.optimizer() is optimizer for kept in self._kept.values()
        )

    def horizon(self) -> int | None:
        """Return how many optimizer steps the run will take by its schedules, None where they do not tell."""
        known = [
            kept.horizon
            for kept in self._kept.values()
            if kept.horizon and kept.horizon_name in ("T_max", "total_steps") and kept.calls > 0.5 * self._made(kept)
        ]
        return max(known, default=None)

    def epoch_over(self, steps: int) -> None:
        """A pass over the training data has ended after `steps` steps of its own."""
        self.epochs += 1
        self.steps_per_epoch = steps
        for kept in self._kept.values():
            if kept.calls_in_first_epoch is None and kept.epochs_before == self.epochs - 1:
                kept.calls_in_first_epoch = kept.calls

    def records(self) -> tuple[SchedulerFacts, ...]:
        """Return the facts of all schedulers that no other one steps."""
        return tuple(
            SchedulerFacts(
                name=kept.name,
                where=location(kept.made),
                horizon=kept.horizon,
                horizon_name=kept.horizon_name,
                cyclic=kept.name in _CYCLIC,
                calls=kept.calls,
                calls_before_first_step=kept.calls_before_first_step,
                calls_in_first_epoch=kept.calls_in_first_epoch,
                call_places=tuple(location(place) for place in kept.places),
                optimizer_steps=self._made(kept),
                epochs=self.epochs - kept.epochs_before,
                steps_per_epoch=self.steps_per_epoch,
                **dict(zip(("first_rate", "last_rate", "low", "high"), kept.rates, strict=False)),
            )
            for kept in self._kept.values()
            if not kept.inner
        )

    def _made(self, kept: _Kept) -> int:
        return self._sightings.step - kept.steps_before

    def _keep(self, scheduler: Any, place: Place | None) -> _Kept:
        kept = self._kept.get(id(scheduler))
        if kept is None or kept.scheduler() is not scheduler:
            optimizer = getattr(scheduler, "optimizer", None)
            horizon, name = _horizon(scheduler)
            kept = self._kept[id(scheduler)] = _Kept(
                scheduler=weakref.ref(scheduler),
                optimizer=None if optimizer is None else weakref.ref(optimizer),
                name=type(scheduler).__name__,
                made=place,
                steps_before=self._sightings.step,
                epochs_before=self.epochs,
                horizon=horizon,
                horizon_name=name,
            )
            rate = _rate(scheduler)
            kept.rates = [] if rate is None else [rate] * 4
        return kept


def _horizon(scheduler: Any) -> tuple[int | None, str]:
    """Return how many calls a scheduler's curve takes, and by which argument it was told."""
    if isinstance(scheduler, lr_scheduler.MultiStepLR):
        return max(scheduler.milestones, default=None), "milestones"
    name = _HORIZONS.get(type(scheduler).__name__, "")
    value = getattr(scheduler, name, None) if name else None
    return (int(value), name) if isinstance(value, int | float) and value > 0 else (None, "")


def _rate(scheduler: Any) -> float | None:
    optimizer = getattr(scheduler, "optimizer", None)
    groups = getattr(optimizer, "param_groups", None)
    rate = groups[0].get("lr") if groups else None
    return float(rate) if isinstance(rate, int | float) else None
