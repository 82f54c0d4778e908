"""What networks answer and what was right, in one form for all tasks: rows of log-probabilities, or of values."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainwright.errors import ModelError
from trainwright.parts.losses import IGNORED
from trainwright.records import Task


@dataclass(frozen=True, kw_only=True)
class Form:
    """How outputs are to be read. `expects` is what the loss takes: logits, log-probabilities, probabilities, values.

    Column i of a regression is `output * std[i] + mean[i]` in the targets' own units; () where it is so already.
    """

    task: Task
    expects: str = "logits"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


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


def scores_of(output: torch.Tensor, form: Form) -> torch.Tensor:
    """Return an output `(N, ...)` as `(N, P, C)` logits in float32, or values `(N, 1, D)` in the targets' own units.

    P counts the questions of a sample: its labels, the places of a text, else one. A single logit becomes two.
    """
    if form.task == "regression":
        values = output.detach().double().reshape(len(output), 1, -1)
        if form.std:
            std, mean = (
                torch.tensor(part, dtype=torch.float64, device=values.device) for part in (form.std, form.mean)
            )
            values = values * std + mean
        return values
    scores = output.detach().float()
    if form.task == "classification" and scores.dim() > 1 and scores.shape[1] > 1:
        scores = scores.movedim(1, -1).reshape(len(scores), -1, scores.shape[1])
        return _log(scores) if form.expects == "probabilities" else scores
    if form.task == "classification":
        scores = scores.reshape(len(scores), -1)
    if form.expects == "probabilities":
        return torch.stack([_log(1 - scores), _log(scores)], -1)
    return torch.stack([torch.zeros_like(scores), scores], -1)  # of yes against no


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


def _log(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()
