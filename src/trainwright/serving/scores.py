"""How well predictions agree with targets that came with the data: the same figures as a run's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from trainwright.parts.losses import items
from trainwright.records import Task
from trainwright.training.metrics import Metrics

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Scores:
    """Counts outputs and targets batch by batch. `loss` is that of the run's evaluations, None where it is not known.

    `target_std` are the deviations that each target column was divided by.
    """

    def __init__(self, task: Task, loss: Loss | None, target_std: Sequence[float]) -> None:
        self.task: Task = task
        self.loss = loss
        self.target_std = target_std or (1.0,)
        self.samples = 0
        self._metrics: Metrics | None = None
        self._total = self._weight = 0.0

    def update(self, output: torch.Tensor, y: torch.Tensor) -> None:
        """Count a batch: outputs `(n, ...)` as the network gives them, targets as the loss takes them."""
        if self._metrics is None:
            self._metrics = Metrics(self.task, output, self.target_std)
        self._metrics.update(output, y)
        self.samples += len(y)
        if self.loss is not None:
            count = float(items(self.loss, y))
            self._total += float(self.loss(output, y)) * count
            self._weight += count

    def compute(self) -> dict[str, float]:
        """Return the loss, where it is known, and the task's metrics; {} where nothing had a target."""
        if self._metrics is None:
            return {}
        loss = {"loss": self._total / self._weight} if self._weight > 0 else {}
        return {**loss, **self._metrics.compute()}
