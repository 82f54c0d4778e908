"""The losses over classes: cross entropy, negative log-likelihood, and Kullback-Leibler divergence.

Outputs are `(N, C)`, or `(N, C, ...)` for samples with many places, such as the tokens of a text `(N, C, L)`. Targets
are class ids `(N, ...)`, of which -100 does not count, or class probabilities in the output's own shape (mixup, a
teacher's).

An item counts by the weight of its class; one with a soft target by its classes' mean weight under that target. The
weights never enter a target: the best answer to an item stays its own (smoothed) target. In torch the weights multiply
what label smoothing gives to each class, so that a rare class of a large weight draws the answers for all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from trainwright.parts.loss_shapes import IGNORED, checked_weights, rows_of_classes, vector, weights_tensor


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Mean of -sum_c q_c log softmax(z)_c, q the target (G3, G4), over what counts, each item by its class's weight.

    With `label_smoothing` e the target is (1 - e) q + e / C (Szegedy et al. 2016). A batch in which nothing counts
    gives 0 and no gradient, but without weights NaN, as torch does, where samples have a single class each.
    """

    weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be weights."""
        object.__setattr__(self, "weights", checked_weights("cross_entropy", self.weights))

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean from raw logits; raises `ModelError` where shapes or types cannot be right."""
        logits, wanted = rows_of_classes("cross_entropy", output, target)
        if target.dim() == 1 and not self.weights:
            # The usual case, in one call of torch: what follows would add a tenth to the step of a small network.
            return F.cross_entropy(logits, wanted, ignore_index=IGNORED, label_smoothing=self.label_smoothing)
        log_p = F.log_softmax(logits, 1)
        total = surprise("cross_entropy", log_p, wanted, self.weights)
        if self.label_smoothing:
            flat = -(item_weights(wanted, self.weights).to(log_p.dtype) * log_p.mean(1)).sum()
            total = (1 - self.label_smoothing) * total + self.label_smoothing * flat
        return mean(total, self.count(wanted))

    def count(self, target: torch.Tensor) -> float | torch.Tensor:
        """Return the sum of the weights of what counts, as a scalar tensor; a number where everything counts alike."""
        return counted(target, self.weights)


@dataclass(frozen=True, kw_only=True)
class NegativeLogLikelihood:
    """Mean of -sum_c q_c log p_c from log-probabilities: cross entropy behind a log-softmax (G4)."""

    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be weights."""
        object.__setattr__(self, "weights", checked_weights("nll", self.weights))

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean from log-probabilities; raises `ModelError` where shapes or types cannot be right."""
        log_p, wanted = rows_of_classes("nll", output, target)
        return mean(surprise("nll", log_p, wanted, self.weights), self.count(wanted))

    def count(self, target: torch.Tensor) -> float | torch.Tensor:
        """Return the sum of the weights of what counts, as a scalar tensor; a number where everything counts alike."""
        return counted(target, self.weights)


@dataclass(frozen=True, kw_only=True)
class KullbackLeibler:
    """Mean of D(P || Q) = sum_c P_c log(P_c / Q_c), P the target and Q the model's, from log-probabilities (G3, G4).

    The sum is over classes and the mean over distributions (torch's "batchmean" for outputs `(N, C)`; its "mean"
    divides by C as well). A class id stands for the distribution that is certain of it.
    """

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean from log-probabilities; raises `ModelError` where shapes or types cannot be right."""
        log_q, wanted = rows_of_classes("kl_div", output, target)
        soft = wanted.is_floating_point()
        total = F.kl_div(log_q, wanted, reduction="sum") if soft else surprise("kl_div", log_q, wanted, ())
        return mean(total, self.count(wanted))

    def count(self, target: torch.Tensor) -> float | torch.Tensor:
        """Return the number of distributions; of class ids, as a scalar tensor, that of those which count."""
        return counted(target, ())


def surprise(name: str, log_p: torch.Tensor, wanted: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """Return the weighted sum over rows `(M, C)` of -log p of the wanted class, or of its mean under soft targets."""
    weight = weights_tensor(name, weights, log_p) if weights else None
    if not wanted.is_floating_point():
        return F.nll_loss(log_p, wanted, weight=weight, ignore_index=IGNORED, reduction="sum")
    return -(item_weights(wanted, weights) * (wanted * log_p).sum(1)).sum()


def item_weights(target: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """Return what each item of a target counts: its class's weight, 1 where there are none, 0 where it is ignored.

    Floating-point targets hold class probabilities along dimension 1, and count by the mean weight under them.
    """
    if target.is_floating_point():
        if not weights:
            return target.new_ones((len(target), *target.shape[2:]))
        return target.movedim(1, -1) @ vector(weights, target.dtype, target.device)
    ids = target.long()  # an unsigned byte takes -100 for 156
    kept = ids != IGNORED
    return vector(weights, _wide(ids), ids.device)[ids * kept] * kept if weights else kept


def counted(target: torch.Tensor, weights: tuple[float, ...]) -> float | torch.Tensor:
    """Return the sum of `item_weights`: a number where the shape tells it, else a scalar tensor on the device."""
    if target.is_floating_point() and not weights:
        return target.numel() / target.shape[1]
    return wide_sum(item_weights(target, weights))


def wide_sum(weights: torch.Tensor) -> torch.Tensor:
    """Return the sum in float64, wherever there is one: counts add up over the batches of a step."""
    return weights.sum(dtype=_wide(weights))


def _wide(tensor: torch.Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def mean(total: torch.Tensor, count: float | torch.Tensor) -> torch.Tensor:
    """Return total / count in the total's dtype, and 0 with no gradient where nothing counts."""
    if isinstance(count, torch.Tensor):  # not asked whether it is 0, which would wait for the device
        return total / count.to(total.dtype).clamp_min(torch.finfo(total.dtype).tiny)
    return total / (count or 1.0)
