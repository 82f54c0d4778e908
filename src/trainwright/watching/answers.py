"""What a classifier answers in an evaluation, beside how many are right: how sure it is, and which classes it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

_CLASSES = 64
"""Classes beyond which single ones are not counted."""
_FEWEST = 5
"""Samples of a class below which its recall is no number."""


@dataclass(eq=False, slots=True)
class Answers:
    """One batch: the mean of the largest probability, how many of each class there are, and how many were found."""

    sure: torch.Tensor
    there: torch.Tensor | None = None
    found: torch.Tensor | None = None

    @classmethod
    def of(cls, logits: torch.Tensor, target: torch.Tensor) -> Answers:
        """Return what logits `(n, classes, ...)` or logarithms of probabilities answer to labels `(n, ...)`."""
        values = logits.detach().float()
        chosen = values.argmax(1)
        sure = values.softmax(1).amax(1).double().mean()
        classes = logits.shape[1]
        if classes > _CLASSES:
            return cls(sure)
        known = (target >= 0) & (target < classes)
        labels = target.clamp(0, classes - 1).reshape(-1)
        blank = torch.zeros(classes, dtype=torch.float64, device=logits.device)
        weights = known.reshape(-1).double()
        right = weights * (chosen == target).reshape(-1)
        return cls(sure, blank.scatter_add(0, labels, weights), blank.scatter_add(0, labels, right))


def numbers_of(batches: Sequence[Answers]) -> list[torch.Tensor]:
    """Return what is to be read of the batches of an evaluation: for each how sure, then counts and finds by class."""
    counted = [part for part in batches if part.there is not None and part.found is not None]
    same = len({part.there.shape for part in counted if part.there is not None}) == 1 and len(counted) == len(batches)
    if not same:
        return [part.sure for part in batches]
    there = torch.stack([part.there for part in counted if part.there is not None]).sum(0)
    found = torch.stack([part.found for part in counted if part.found is not None]).sum(0)
    return [*(part.sure for part in batches), *there, *found]


def metrics_of(numbers: Sequence[float], weights: Sequence[int]) -> Mapping[str, float]:
    """Return the metrics that `numbers_of` batches with these `weights` (samples) amount to."""
    count = len(weights)
    sure = sum(number * weight for number, weight in zip(numbers, weights, strict=False)) / max(sum(weights), 1)
    metrics = {"confidence": sure}
    classes = (len(numbers) - count) // 2
    there, found = numbers[count : count + classes], numbers[count + classes :]
    recalls = [(right / of, place) for place, (right, of) in enumerate(zip(found, there, strict=True)) if of >= _FEWEST]
    if len(recalls) > 1:
        metrics["least_recall"], metrics["least_recall_class"] = min(recalls)
    return metrics
