"""The training loop, as a generator: `for record in training.steps(): ...`.

`stages.train.fit` is this loop plus evaluation and saving. Someone with a stranger need copies it: it is short.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from torch import nn

from trainwright.data.batches import Batches, StreamBatches
from trainwright.records import StepRecord
from trainwright.training.history import History
from trainwright.training.step import TrainStep
from trainwright.vitals.monitor import Monitor
from trainwright.vitals.non_finite import locate


class Training:
    """One model being trained: the batches, the step, what watches it, and what it has seen so far."""

    def __init__(
        self,
        model: nn.Module,
        batches: Batches | StreamBatches,
        step: TrainStep,
        *,
        epochs: int,
        monitor: Monitor,
        history: History | None = None,
    ) -> None:
        self.model = model
        self.batches = batches
        self.step = step
        self.epochs = epochs
        self.monitor = monitor
        self.history = History() if history is None else history
        self.diverged: str | None = None  # "loss" or "gradient", once it was not finite

    @property
    def planned_steps(self) -> int:
        """The optimizer steps of the whole run."""
        return self.epochs * self.batches.steps_per_epoch

    def steps(self) -> Iterator[StepRecord]:
        """Make every step of the run, yielding its record. Ends early, with `diverged` set, on a non-finite number."""
        number = 0
        if not self.model.training:
            self.model.train()  # the root alone decides: a part that was put into eval mode on purpose stays in it
        for epoch in range(self.epochs):
            for x, y in self.batches.epoch(epoch):
                started = time.perf_counter()
                if self.monitor.samples_layers(number):
                    for layer in self.monitor.layers(number):
                        self.history.append(layer)

                before = self.monitor.before(number)
                result = self.step(x, y, number)
                loss = float(result.loss)  # syncs an accelerator
                if result.refused is None:
                    measured = self.monitor.after(before, number, x, y, loss)
                else:
                    measured = self.monitor.after(None, number, x, y, loss)

                record = StepRecord(
                    step=number,
                    epoch=epoch,
                    loss=loss,
                    rate=result.rate,
                    samples=len(x),
                    gradient_norm=None if result.gradient_norm is None else float(result.gradient_norm),
                    clipped=result.clipped,
                    update_ratio=measured.update_ratio,
                    probe=measured.probe,
                    seconds=time.perf_counter() - started,
                )
                self.history.append(record)
                if result.refused is not None:
                    self.diverged = result.refused
                    self.history.append(locate(self.model, self.step.loss, x, y, step=number, seed=self.step.seed))
                yield record
                if self.diverged is not None:
                    return
                number += 1
