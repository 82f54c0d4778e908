"""What each task is scored by, through torchmetrics, one pass over a split at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainwright.records import Task
from trainwright.training.distributed import Ranks

if TYPE_CHECKING:
    from torchmetrics import Metric

_FIRST: dict[Task, str] = {"classification": "accuracy", "multi-label": "accuracy", "regression": "rmse"}


def metric_name(task: Task) -> str:
    """Return the name of the metric that a task is told by."""
    return _FIRST[task]


class Metrics:
    """The metrics of one pass. `output` is the model's first: its shape says how classes are told.

    Classification: "accuracy". Multi-label: "accuracy", the share of right yes and no over all labels, and "f1", the
    mean over labels. Regression: "rmse" in the targets' own units (`target_std` for each column; over several columns
    the root of the mean over all of them), and with several columns "rmse_0", "rmse_1", ... for each.
    """

    def __init__(self, task: Task, output: torch.Tensor, target_std: Sequence[float]) -> None:
        # Imported here: torchmetrics takes about a second to import, and a dry command has no use for it.
        from torchmetrics import MeanSquaredError
        from torchmetrics.classification import (
            BinaryAccuracy,
            MulticlassAccuracy,
            MultilabelAccuracy,
            MultilabelF1Score,
        )

        # Arguments are not validated: that would wait for the device in each batch, and the loss has seen them.
        self.task: Task = task
        self.binary = output.dim() == 1 or output.shape[1] == 1
        self.std = torch.tensor(tuple(target_std), dtype=torch.float64)
        columns = 1 if output.dim() == 1 else output.shape[1]
        made: dict[str, Metric]
        alone: Any = {"validate_args": False, "sync_on_compute": False}  # `add_up` is asked where all ranks are there
        if task == "regression":
            made = {"rmse": MeanSquaredError(squared=False, num_outputs=columns, sync_on_compute=False)}
        elif task == "multi-label":
            made = {
                "accuracy": MultilabelAccuracy(columns, average="micro", **alone),
                "f1": MultilabelF1Score(columns, **alone),
            }
        elif self.binary:
            made = {"accuracy": BinaryAccuracy(**alone)}
        else:
            made = {"accuracy": MulticlassAccuracy(num_classes=columns, average="micro", ignore_index=-100, **alone)}
        self.metrics = {name: metric.to(output.device) for name, metric in made.items()}

    def update(self, output: torch.Tensor, y: torch.Tensor) -> None:
        """Count a batch."""
        if self.task == "regression":
            rows = len(output)
            arguments = output.reshape(rows, -1).squeeze(1), y.reshape(rows, -1).squeeze(1)
        elif self.task == "multi-label":
            arguments = (output > 0).float(), y.round().long()  # a logit above 0 is a yes
        elif self.binary:
            arguments = (output.reshape(-1) > 0).float(), y.reshape(-1).round().long()
        else:
            arguments = output, y.argmax(1) if y.shape == output.shape else y
        for metric in self.metrics.values():
            metric.update(*arguments)

    def add_up(self, ranks: Ranks) -> None:
        """Add what all ranks have counted."""
        if not ranks.many:
            return
        for metric in self.metrics.values():
            kept: dict[str, Any] = metric.metric_state  # sums and counts, all of them
            states = [(name, state.detach().cpu().double()) for name, state in kept.items()]
            ranks.total([state for _, state in states])
            for name, state in states:
                own = getattr(metric, name)
                setattr(metric, name, state.to(own.device, own.dtype))

    def compute(self) -> dict[str, float]:
        """Return every metric over all batches."""
        if self.task != "regression":
            return {name: float(metric.compute()) for name, metric in self.metrics.items()}
        errors = self.metrics["rmse"].compute().double().cpu().reshape(-1) * self.std
        named = {f"rmse_{place}": float(error) for place, error in enumerate(errors)} if len(errors) > 1 else {}
        return {"rmse": float(errors.square().mean().sqrt()), **named}
