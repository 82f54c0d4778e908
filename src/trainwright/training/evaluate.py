"""Evaluation: one pass over a split, weighted by what each mean stands for, in evaluation mode, leaving no trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.errors import ModelError
from trainwright.parts.losses import items
from trainwright.randomness import isolated
from trainwright.records import EvalRecord, Task
from trainwright.tensors import buffers_restored, evaluating
from trainwright.training.bad_samples import sound_rows
from trainwright.training.metrics import Metrics, metric_name
from trainwright.training.precision import Precision

MOST_TRAINING_TARGETS = 100_000
"""Targets of the training split that are measured at the end: an accuracy is then known to within 0.2 %."""
_PIECES = 64  # parts that a split is cut into, about, for the standard error of its loss


class Evaluator:
    """Measures a model: its loss, and the task's metrics ("accuracy", or "rmse" in the user's units).

    `target_std` holds the standard deviation that each target column was divided by. The loss is the one of training
    without what belongs to training alone (label smoothing). With `finite_only`, samples with an input or a target that
    is NaN or infinite are left out; a record's `samples` counts those that were measured.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        *,
        task: Task,
        target_std: Sequence[float] = (1.0,),
        precision: Precision | None = None,
        finite_only: bool = False,
    ) -> None:
        self.model = model
        self.loss = loss
        self.task: Task = task
        self.target_std = target_std
        self.precision = Precision() if precision is None else precision
        self.finite_only = finite_only

    @property
    def metric(self) -> str:
        """The name of the first metric."""
        return metric_name(self.task)

    def __call__(
        self, batches: Feed, *, split: str, step: int, epoch: float, most_targets: int | None = None
    ) -> EvalRecord:
        """Evaluate on every sample of `batches` once; `step` and `epoch` say how far training had come.

        Where the samples have more than `most_targets` targets in all, every second batch is measured, or every third,
        and so on: as many as are needed to come to about that number, from the whole of the split.

        The loss is the mean over samples, whatever the batch size; a model in training mode, one with frozen parts in
        evaluation mode, and torch's random state are as before afterwards.
        """
        started = time.perf_counter()
        metrics: Metrics | None = None
        total, squares, weight, pieces, samples = 0.0, 0.0, 0.0, 0, 0
        size = min(max(1, batches.samples // _PIECES), 32)
        every = 1
        # Not inference mode: what a model keeps from this pass (a table of positions) must be usable in training.
        with isolated(), evaluating(self.model), buffers_restored(self.model), torch.no_grad():
            for place, (x, y) in enumerate(batches.in_order()):
                if place == 0 and most_targets is not None:
                    every = -(-batches.samples * y[:1].numel() // most_targets)
                if place % every != 0:
                    continue
                if self.finite_only:
                    sound = sound_rows(x) & sound_rows(y)
                    if not bool(sound.all()):  # syncs an accelerator
                        x, y = x[sound], y[sound]
                    if len(x) == 0:
                        continue
                with self.precision.autocast():
                    output = self.model(x)
                output = self.precision.full(output)
                if metrics is None:
                    metrics = Metrics(self.task, output, self.target_std)
                metrics.update(output, y)
                for part, wanted in zip(output.split(size), y.split(size), strict=True):
                    count = float(items(self.loss, wanted))
                    if count == 0:  # every token of the piece is one to ignore
                        continue
                    value = float(self.loss(part, wanted))
                    total += value * count
                    squares += value * value * count
                    weight += count
                    pieces += 1
                samples += len(x)
        if metrics is None or weight == 0:
            raise ModelError("there is nothing to evaluate on", evidence=f"the {split} split is empty")
        mean = total / weight
        variance = max(squares / weight - mean * mean, 0.0)
        return EvalRecord(
            step=step,
            epoch=epoch,
            split=split,
            loss=mean,
            loss_error=math.sqrt(variance / (pieces - 1)) if pieces > 1 else math.nan,
            metrics=metrics.compute(),
            samples=samples,
            seconds=time.perf_counter() - started,
        )
