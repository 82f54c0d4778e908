"""How good the trials are: the validation split, once for all rows of an array, or by one model alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.parts.losses import items
from trainwright.records import Task
from trainwright.stacked.member import TrialArray
from trainwright.training.evaluate import Evaluator
from trainwright.training.metrics import Metrics

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SCORES = ("loss", "error", "rmse")
"""What a trial can be judged by, lower being better: the loss, the share of wrong answers, the root mean square error.
"""
_METRICS = {"error": "accuracy", "rmse": "rmse"}


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores on `feed` by `score`, one of `SCORES`. `target_std` is what each target column was divided by."""

    feed: Feed
    loss: Loss
    score: str
    task: Task
    target_std: Sequence[float] = (1.0,)

    def rows(self, array: TrialArray) -> dict[int, float]:
        """Return the score of each row by its id; NaN for one that has met a number that is not finite."""
        totals = [0.0] * len(array.ids)
        weight = 0.0
        metrics: list[Metrics] = []
        for x, y in self.feed.in_order():
            outputs = array.outputs(x)
            count = float(items(self.loss, y))
            weight += count
            if self.score != "loss":
                if not metrics:
                    metrics = [Metrics(self.task, output, self.target_std) for output in outputs]
                for metric, output in zip(metrics, outputs, strict=True):
                    metric.update(output, y)
            elif count:
                values = torch.stack([self.loss(output, y) for output in outputs])
                for place, value in enumerate(values.tolist()):  # syncs an accelerator, once a batch
                    totals[place] += value * count
        lost = set(array.frozen)
        if self.score == "loss":
            scores = [total / weight if weight else math.nan for total in totals]
        else:
            scores = [self._from(metric.compute()) for metric in metrics]
        return {id: math.nan if id in lost else score for id, score in zip(array.ids, scores, strict=True)}

    def alone(self, model: nn.Module) -> float:
        """Return the score of one model, which keeps its modes and buffers."""
        evaluator = Evaluator(model, self.loss, task=self.task, target_std=self.target_std)
        record = evaluator(self.feed, split="validation", step=0, epoch=0.0)
        return record.loss if self.score == "loss" else self._from(record.metrics)

    def _from(self, metrics: Mapping[str, float]) -> float:
        value = metrics[_METRICS[self.score]]
        return 1.0 - value if self.score == "error" else value
