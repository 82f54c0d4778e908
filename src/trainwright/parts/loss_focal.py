"""Focal loss (Lin et al. 2017): what is answered well weighs little, so that the rare and the hard are heard."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from trainwright import defaults
from trainwright.errors import ModelError
from trainwright.parts.loss_classes import counted, item_weights, mean, wide_sum
from trainwright.parts.loss_shapes import (
    IGNORED,
    aligned,
    check_number_of_weights,
    checked_weights,
    fits,
    rows_of_classes,
)


@dataclass(frozen=True, kw_only=True)
class Focal:
    """Mean of -(1 - p)^gamma log p, p the probability given to the truth, from raw logits.

    Targets of the output's own shape, (N,) for (N, 1) too, are a yes or no for each unit, through a sigmoid: one unit,
    or several labels. Class ids `(N, ...)` for outputs `(N, C, ...)` are one class out of several, through a softmax,
    and -100 does not count. At gamma 0 it is bce_with_logits, or cross_entropy.

    `alpha` weighs yes, and 1 - alpha weighs no, as in the paper: factors, which the mean does not divide by; 0 is off.
    `weights` holds a weight for each class (no and yes, for yes or no), which the mean does divide by.
    """

    gamma: float = defaults.FOCAL_GAMMA.value
    alpha: float = 0.0
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be weights."""
        object.__setattr__(self, "weights", checked_weights("focal", self.weights))

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean; raises `ModelError` where shapes, types or options cannot be right."""
        return self._of_answers(output, target) if fits(output, target) else self._of_classes(output, target)

    def count(self, target: torch.Tensor) -> float | torch.Tensor:
        """Return the sum of the weights of what counts, as a scalar tensor; a number where everything counts alike."""
        if not target.is_floating_point():
            return counted(target, self.weights)
        return wide_sum(_answer_weights(target, self.weights)) if self.weights else float(target.numel())

    def _of_answers(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits, yes = aligned("focal", output, target)
        if self.weights:
            check_number_of_weights("focal", self.weights, 2)
        log_yes, log_no = F.logsigmoid(logits), F.logsigmoid(-logits)
        # (1 - p)^gamma as an exponential: its gradient is finite where 1 - p rounds to 0, whatever gamma is.
        if_yes = yes * torch.exp(self.gamma * log_no) * log_yes
        if_no = (1 - yes) * torch.exp(self.gamma * log_yes) * log_no
        each = -(self.alpha * if_yes + (1 - self.alpha) * if_no) if self.alpha else -(if_yes + if_no)
        each = each * _answer_weights(target, self.weights).reshape(each.shape).to(each.dtype)
        return mean(each.sum(), self.count(target))

    def _of_classes(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits, ids = rows_of_classes("focal", output, target)
        if self.alpha:
            raise ModelError(
                f"focal's alpha weighs yes against no, and here is one class out of {logits.shape[1]}",
                evidence=f"alpha = {self.alpha:g}",
                remedy="leave alpha at 0, and give weights, a number for each class",
            )
        if self.weights:
            check_number_of_weights("focal", self.weights, logits.shape[1])
        log_p = F.log_softmax(logits, 1)
        log_truth = -F.nll_loss(log_p, ids, ignore_index=IGNORED, reduction="none")
        kept = (ids != IGNORED)[:, None]
        # log(1 - p) as the sum of the other classes: 1 - p itself rounds to 0 for a confident answer.
        others = log_p.scatter(1, torch.where(kept, ids[:, None], 0), -torch.inf)
        each = -torch.exp(self.gamma * others.logsumexp(1)) * log_truth
        return mean((each * item_weights(ids, self.weights).to(each.dtype)).sum(), self.count(ids))


def _answer_weights(target: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """Return what each yes or no counts, `weights` being those of no and of yes; between them for a probability."""
    if not target.is_floating_point():
        return item_weights(target, weights)
    if not weights:
        return torch.ones_like(target)
    no, yes = weights
    return no + (yes - no) * target
