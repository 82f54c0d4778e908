"""The training loop, as a generator: `for record in training.steps(): ...`.

`stages.fit.fit` is this loop plus evaluation and saving. Someone with a stranger need copies it: it is short.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from torch import nn

from trainwright.data.feed import Feed, epoch_from
from trainwright.records import StepRecord
from trainwright.training.averaging import Average, NoAverage
from trainwright.training.history import History
from trainwright.training.rank_books import RankBooks
from trainwright.training.repair import Repair
from trainwright.training.result import Batch
from trainwright.training.step import TrainStep
from trainwright.training.stillness import Stillness
from trainwright.vitals.monitor import Monitor
from trainwright.vitals.non_finite import locate


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run stands: the number of its next step, the epoch of that, and the batch of the epoch, all from 0."""

    step: int = 0
    epoch: int = 0
    batch: int = 0


class Training:
    """One model being trained: the batches, the step, what watches it, and what it has seen so far.

    Each update is made on `accumulate` batches together; the last update of an epoch takes what is left. `steps`, where
    it is given, ends the run after so many updates, in the middle of an epoch if need be. `repair` says what is done
    about numbers that are not finite, and a loss that grows; without it the first such number ends the run. `stillness`
    keeps what is frozen as it is.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Feed,
        step: TrainStep,
        *,
        epochs: int,
        monitor: Monitor,
        history: History | None = None,
        accumulate: int = 1,
        steps: int | None = None,
        average: Average | None = None,
        repair: Repair | None = None,
        stillness: Stillness | None = None,
    ) -> None:
        self.model = model
        self.batches = batches
        self.step = step
        self.epochs = epochs
        self.monitor = monitor
        self.history = History() if history is None else history
        self.accumulate = accumulate
        self.steps_limit = steps
        self.average = NoAverage() if average is None else average
        self.repair = repair
        self.stillness = stillness
        self.place = Place()
        self._underway = False  # in a step, and no longer or not yet at `place`
        self._ranks = RankBooks(step.team.ranks)
        self.refused: list[int] = []  # the steps whose loss or gradient was not finite
        self.diverged: str | None = None  # why the run ended before its time, in words

    @property
    def steps_per_epoch(self) -> int:
        """The optimizer steps of one epoch."""
        return updates_per_epoch(self.batches.steps_per_epoch, self.accumulate)

    @property
    def planned_steps(self) -> int:
        """The optimizer steps of the whole run."""
        return self.steps_limit or self.epochs * self.steps_per_epoch

    def steps(self) -> Iterator[StepRecord]:
        """Make every step from `place` on, yielding its record. Ends early, with `diverged` set, where it must."""
        if not self.model.training:
            self.model.train()  # the root alone decides: a part that was put into eval mode on purpose stays in it
        if self.repair is not None and self.place.step == 0:
            self.repair.begin(self)
        for epoch in range(self.place.epoch, self.epochs):
            if self.place.step >= self.planned_steps:
                return  # in the middle of an epoch if need be, which is where a longer run goes on
            first = self.place.batch if epoch == self.place.epoch else 0
            batches = epoch_from(self.batches, epoch, first)
            self.place = Place(step=self.place.step, epoch=epoch, batch=first)
            while (number := self.place.step) < self.planned_steps:
                self.step.clock.lap("evaluation")  # and whatever else the caller did since the last step
                began = time.perf_counter()
                taken = list(islice(batches, self.accumulate))
                self.step.team.seconds += time.perf_counter() - began
                self.step.clock.lap("data")
                if not taken:
                    break
                if self.repair is not None:
                    self.repair.before(self, number)
                if self.stillness is not None:
                    self.stillness.before(number)
                self._underway = True
                record = self._one(taken, number, epoch)
                self.place = Place(step=number + 1, epoch=epoch, batch=self.place.batch + len(taken))
                self._underway = False
                yield record
                if self.diverged is not None:
                    return

    def undo(self) -> bool:
        """After an error, go back to `place`, where the step before had ended; say whether that could be done."""
        if not self._underway:
            return True
        step = self.place.step
        ahead = self.monitor.samples_layers(step) or (self.repair is not None and self.repair.looks(self, step))
        return not ahead and self.step.undo()

    def _one(self, batches: list[Batch], number: int, epoch: int) -> StepRecord:
        """Make step `number`, let the monitor look before and after, and record it."""
        started = time.perf_counter()
        if self.monitor.samples_layers(number):
            for layer in self.monitor.layers(number):
                self.history.append(layer)
        before = self.monitor.before(number)
        self.step.clock.lap("doctor")

        result = self.step(batches, number)
        moved = result.refused is None and not result.skipped
        if moved:
            self.average.update()

        objective = result.loss + (result.penalty or 0.0)
        measured = self.monitor.after(before if moved else None, number, batches, objective)
        record = StepRecord(
            step=number,
            epoch=epoch,
            loss=result.loss,
            rate=result.rate,
            samples=sum(len(x) for x, _ in batches),
            penalty=result.penalty,
            gradient_norm=result.gradient_norm,
            clipped_norm=result.clipped_norm,
            clipped=result.clipped,
            skipped=result.skipped,
            update_ratio=measured.update_ratio,
            probe=measured.probe,
            seconds=time.perf_counter() - started,
        )
        self.history.append(record)
        for event in self._ranks.events(number, self.step.team.notes):
            self.history.append(event)
        if result.refused is not None:
            self.refused.append(number)
            x, y = batches[result.batch]
            self.history.append(locate(self.model, self.step.loss, x, y, step=number, seed=self.step.seed))
            self.diverged = f"the {result.refused} was not finite"
        if self.repair is not None:
            self.diverged = self.repair.after(self, record, batches, result.refused)
        self.step.clock.lap("doctor")
        return record


def updates_per_epoch(batches: int, accumulate: int) -> int:
    """Return the updates of an epoch of `batches`, `accumulate` to an update; what is left at its end makes one too."""
    return -(-batches // accumulate)
