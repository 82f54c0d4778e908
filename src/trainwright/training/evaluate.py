"""Evaluation: one pass over a split, weighted by sample, in evaluation mode, leaving no trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright.data.batches import Batches, StreamBatches
from trainwright.errors import ModelError
from trainwright.randomness import isolated
from trainwright.records import EvalRecord, Task
from trainwright.tensors import buffers_restored, evaluating

if TYPE_CHECKING:
    from torchmetrics import Metric

_PIECES = 64  # parts that a split is cut into, about, for the standard error of its loss


class Evaluator:
    """Measures a model: its loss, and the task's metric ("accuracy" or "rmse") through torchmetrics.

    `target_std` is the standard deviation that the targets were divided by: errors are reported in the user's units.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        *,
        task: Task,
        target_std: float = 1.0,
    ) -> None:
        self.model = model
        self.loss = loss
        self.task: Task = task
        self.target_std = target_std

    @property
    def metric(self) -> str:
        """The name of the metric."""
        return "accuracy" if self.task == "classification" else "rmse"

    def __call__(self, batches: Batches | StreamBatches, *, split: str, step: int, epoch: float) -> EvalRecord:
        """Evaluate on every sample of `batches` once; `step` and `epoch` say how far training had come.

        The loss is the mean over samples, whatever the batch size; a model in training mode, one with frozen parts in
        evaluation mode, and torch's random state are as before afterwards.
        """
        started = time.perf_counter()
        metric: Metric | None = None
        total, squares, pieces, samples = 0.0, 0.0, 0, 0
        size = min(max(1, batches.samples // _PIECES), 32)
        # Not inference mode: what a model keeps from this pass (a table of positions) must be usable in training.
        with isolated(), evaluating(self.model), buffers_restored(self.model), torch.no_grad():
            for x, y in batches.in_order():
                output = self.model(x)
                if metric is None:
                    metric = self._new_metric(output)
                self._update(metric, output, y)
                for part, wanted in zip(output.split(size), y.split(size), strict=True):
                    value = float(self.loss(part, wanted))
                    total += value * len(part)
                    squares += value * value * len(part)
                    pieces += 1
                samples += len(x)
        if metric is None:
            raise ModelError("there is nothing to evaluate on", evidence=f"the {split} split is empty")
        mean = total / samples
        variance = max(squares / samples - mean * mean, 0.0)
        score = float(metric.compute()) * (self.target_std if self.task == "regression" else 1.0)
        return EvalRecord(
            step=step,
            epoch=epoch,
            split=split,
            loss=mean,
            loss_error=math.sqrt(variance / (pieces - 1)) if pieces > 1 else math.nan,
            metrics={self.metric: score},
            samples=samples,
            seconds=time.perf_counter() - started,
        )

    def _new_metric(self, output: torch.Tensor) -> Metric:
        # Imported here: torchmetrics takes about a second to import, and a dry command has no use for it.
        from torchmetrics import MeanSquaredError
        from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

        if self.task == "regression":
            metric: Metric = MeanSquaredError(squared=False)
        elif _is_binary(output):
            metric = BinaryAccuracy(threshold=0.5)
        else:
            metric = MulticlassAccuracy(num_classes=output.shape[1], average="micro")
        return metric.to(output.device)

    def _update(self, metric: Metric, output: torch.Tensor, y: torch.Tensor) -> None:
        if self.task == "regression":
            metric.update(output.reshape(-1), y.reshape(-1))
        elif _is_binary(output):
            metric.update((output.reshape(-1) > 0).float(), y.reshape(-1).long())  # a logit above 0 is a yes
        else:
            metric.update(output, y.argmax(1) if y.shape == output.shape else y)


def _is_binary(output: torch.Tensor) -> bool:
    return output.dim() == 1 or output.shape[1] == 1
