"""How the outputs of a network are to be read, in one place for all that reads them: rows of logits, or of values."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainwright.records import Task
from trainwright.records.specs import Expects


@dataclass(frozen=True, kw_only=True)
class Form:
    """How outputs are to be read. `expects` is what the loss takes: logits, log-probabilities, probabilities, values.

    Column i of a regression is `output * std[i] + mean[i]` in the targets' own units; () where it is so already.
    """

    task: Task
    expects: Expects = "logits"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


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


def _log(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()
