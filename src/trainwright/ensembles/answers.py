"""What was right, in one form for all tasks: rows of class ids, or of values."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainwright.errors import ModelError
from trainwright.parts.losses import IGNORED
from trainwright.parts.outputs import Form, scores_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What was right: class ids int64 `(M,)`, or values float64 `(M, D)`, and the sample of each row, int64 `(M,)`.

    A sample has several rows where each of its places or labels is a question of its own.
    """

    y: torch.Tensor
    sample: torch.Tensor
    samples: int

    def taken(self, samples: torch.Tensor) -> torch.Tensor:
        """Return which rows belong to `samples`, a boolean `(samples,)`: boolean `(M,)`."""
        return samples[self.sample]


def truth_of(y: torch.Tensor, columns: int, form: Form) -> torch.Tensor:
    """Return targets `(N, ...)` as `(N, P)` class ids, or values `(N, 1, D)` in their own units.

    `columns` is the C of the scores. Targets in one-hot form or as probabilities become the most probable class.
    """
    if form.task == "regression":
        return scores_of(y, form)
    if form.task == "multi-label":
        return y.round().long()
    if y.is_floating_point() and y.dim() > 1 and y.shape[1] == columns and columns > 1:
        return y.argmax(1).reshape(len(y), -1)
    return y.round().long().reshape(len(y), -1) if y.is_floating_point() else y.long().reshape(len(y), -1)


def gathered(targets: torch.Tensor, form: Form) -> tuple[Truth, torch.Tensor]:
    """Return all targets `(N, P)` or `(N, 1, D)` as a `Truth`, and which of the N x P rows count, boolean.

    Class ids that losses are told to ignore do not count.
    """
    places = targets.shape[1]
    sample = torch.arange(len(targets)).repeat_interleave(places)
    if form.task == "regression":
        rows = torch.ones(len(sample), dtype=torch.bool)
        return Truth(y=targets.reshape(len(sample), -1), sample=sample, samples=len(targets)), rows
    flat = targets.reshape(-1)
    rows = flat != IGNORED
    return Truth(y=flat[rows], sample=sample[rows], samples=len(targets)), rows


def check_classes(truth: Truth, columns: int) -> None:
    """Raise `ModelError` where a target is a class that the networks do not tell."""
    if truth.y.is_floating_point() or not len(truth.y):
        return
    low, high = int(truth.y.min()), int(truth.y.max())
    if low < 0 or high >= columns:
        raise ModelError(
            "the targets name classes that the networks do not tell",
            evidence=f"class ids from {low} to {high}, and {columns} outputs",
            remedy="give the data that the networks were trained for, with class ids from 0",
        )
