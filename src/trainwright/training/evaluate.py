"""Evaluation: one pass over a split, weighted by what each mean stands for, in evaluation mode, leaving no trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.errors import ModelError
from trainwright.interruption import poll
from trainwright.parts.losses import items
from trainwright.randomness import isolated
from trainwright.records import EvalRecord, Task
from trainwright.tensors import buffers_restored, evaluating
from trainwright.training.bad_samples import sound_rows
from trainwright.training.distributed import ALONE, Ranks
from trainwright.training.metrics import Metrics, metric_name
from trainwright.training.precision import Precision
from trainwright.training.team import rows_of

MOST_TRAINING_TARGETS = 100_000
"""Targets of the training split that are measured at the end: an accuracy is then known to within 0.2 %."""
_PIECES = 64  # parts that a split is cut into, about, for the standard error of its loss


class Evaluator:
    """Measures a model: its loss, and the task's metrics ("accuracy", or "rmse" in the user's units).

    `target_std` holds the standard deviation that each target column was divided by. The loss is the one of training
    without what belongs to training alone (label smoothing). With `finite_only`, samples with an input or a target that
    is NaN or infinite are left out; a record's `samples` counts those that were measured. Of several `ranks` each
    measures its part of every batch, and all get the same record.
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
        ranks: Ranks = ALONE,
    ) -> None:
        self.model = model
        self.loss = loss
        self.task: Task = task
        self.target_std = target_std
        self.precision = Precision() if precision is None else precision
        self.finite_only = finite_only
        self.ranks = ranks

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
        losses: list[torch.Tensor] = []  # of the pieces, on the device, where nothing waits for them
        counts: list[torch.Tensor] = []  # what the mean of each piece divides by
        samples = 0
        size = min(max(1, batches.samples // _PIECES), 32)
        every = 1
        # Not inference mode: what a model keeps from this pass (a table of positions) must be usable in training.
        with isolated(), evaluating(self.model), buffers_restored(self.model), torch.no_grad():
            for place, (x, y) in enumerate(batches.in_order()):
                if not self.ranks.many:  # together they are asked between steps
                    poll()
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
                samples += len(x)
                wanted = y.split(size)
                own = rows_of(len(wanted), self.ranks)
                x, y = _pieces(x, own, size), _pieces(y, own, size)
                with self.precision.autocast():
                    output = self.model(x)
                output = self.precision.full(output)
                if metrics is None:
                    metrics = Metrics(self.task, output, self.target_std)
                measured = own.stop > own.start
                if measured:
                    metrics.update(output, y)
                zero = output.new_zeros(())
                losses += [zero] * own.start
                if measured:
                    losses += [self.loss(*pair) for pair in zip(output.split(size), y.split(size), strict=True)]
                losses += [zero] * (len(wanted) - own.stop)
                counts += [torch.as_tensor(items(self.loss, each), device=zero.device) for each in wanted]
        if metrics is None:
            raise ModelError("there is nothing to evaluate on", evidence=f"the {split} split is empty")
        metrics.add_up(self.ranks)
        loss, error = _mean_and_error(losses, counts, self.ranks)
        if math.isnan(loss) and not any(map(bool, counts)):
            raise ModelError("there is nothing to evaluate on", evidence=f"nothing in the {split} split counts")
        return EvalRecord(
            step=step,
            epoch=epoch,
            split=split,
            loss=loss,
            loss_error=error,
            metrics=metrics.compute(),
            samples=samples,
            seconds=time.perf_counter() - started,
        )


def _pieces(values: torch.Tensor, own: slice, size: int) -> torch.Tensor:
    """Return the rows of some pieces of a batch; of none the first row, so that the model is run on every rank."""
    return values[own.start * size : own.stop * size] if own.stop > own.start else values[:1]


def _mean_and_error(
    losses: list[torch.Tensor], counts: list[torch.Tensor], ranks: Ranks = ALONE
) -> tuple[float, float]:
    """Return the mean over what counts, and its standard error from the spread of the pieces; NaN where there is none.

    The one place of an evaluation that waits for an accelerator: everything comes over at once.
    """
    wide = torch.float64 if losses[0].device.type != "mps" else torch.float32
    values, weights = torch.stack([torch.stack(each).to(wide) for each in (losses, counts)]).cpu()
    ranks.total([values])  # what another rank measured is zero here
    values, weights = values[weights > 0], weights[weights > 0]  # a piece whose tokens are all ignored has no mean
    if not len(values):
        return math.nan, math.nan
    mean = float((values * weights).sum() / weights.sum())
    variance = float((values.square() * weights).sum() / weights.sum()) - mean * mean
    return mean, math.sqrt(max(variance, 0.0) / (len(values) - 1)) if len(values) > 1 else math.nan
