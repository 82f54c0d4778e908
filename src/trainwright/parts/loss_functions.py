"""The losses that compare each output with its own target: values, and yes or no from a logit.

All take targets of the output's shape, (N,) for (N, 1) too, and are means over samples and columns together. Options
are the fields; `count(target)` is what the mean divides by.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.parts.loss_shapes import aligned, vector


@dataclass(frozen=True, kw_only=True)
class SquaredError:
    """Mean of e^2, e the error (G4)."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over samples and target columns; raises `ModelError` where the shapes do not fit."""
        return F.mse_loss(*aligned("mse", output, target))

    def count(self, target: torch.Tensor) -> float:
        """Return the number of values that the mean is over."""
        return float(target.numel())


@dataclass(frozen=True, kw_only=True)
class AbsoluteError:
    """Mean of |e|, e the error; its gradient at 0 is taken as 0 (G4)."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over samples and target columns; raises `ModelError` where the shapes do not fit."""
        return F.l1_loss(*aligned("mae", output, target))

    def count(self, target: torch.Tensor) -> float:
        """Return the number of values that the mean is over."""
        return float(target.numel())


@dataclass(frozen=True, kw_only=True)
class Huber:
    """Mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2).

    G4 writes the whole square inside; with it the loss would jump at delta. With the half it is smooth there, and its
    gradient is the error clipped to delta (Huber 1964).
    """

    delta: float = defaults.HUBER_DELTA.value

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over samples and target columns; raises `ModelError` where the shapes do not fit."""
        return F.huber_loss(*aligned("huber", output, target), delta=self.delta)

    def count(self, target: torch.Tensor) -> float:
        """Return the number of values that the mean is over."""
        return float(target.numel())


@dataclass(frozen=True, kw_only=True)
class SmoothL1:
    """Mean of e^2 / (2 beta) where |e| < beta, else |e| - beta / 2 (G3).

    It is Huber's loss over beta, equal to it at 1 alone; its gradient is at most 1, where Huber's is at most delta.
    """

    beta: float = defaults.SMOOTH_L1_BETA.value

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over samples and target columns; raises `ModelError` where the shapes do not fit."""
        return F.smooth_l1_loss(*aligned("smooth_l1", output, target), beta=self.beta)

    def count(self, target: torch.Tensor) -> float:
        """Return the number of values that the mean is over."""
        return float(target.numel())


@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropy:
    """Mean of -[w y log s(z) + (1 - y) log(1 - s(z))], s the sigmoid of the logit z, w the weight of yes (G3, G4).

    Targets are 0 or 1, or a probability between, for one output unit or for each of several labels. The mean is over
    samples and labels; as in torch it does not divide by the weights.
    """

    pos_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be a weight."""
        if isinstance(self.pos_weight, str) or not 0 < self.pos_weight < float("inf"):
            raise UsageError(
                "bce_with_logits needs a finite pos_weight above 0", evidence=f"pos_weight = {self.pos_weight!r}"
            )

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over samples and labels; raises `ModelError` where the shapes do not fit."""
        logits, wanted = aligned("bce_with_logits", output, target)
        weight = None if self.pos_weight == 1 else vector((self.pos_weight,), logits.dtype, logits.device)
        return F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)

    def count(self, target: torch.Tensor) -> float:
        """Return the number of labels that the mean is over."""
        return float(target.numel())
