"""Linear models in closed form, or as good as: ridge regression, and logistic regression, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

PENALTIES = tuple(10.0**power for power in range(-6, 3))
"""Ridge penalties that are tried, as multiples of the number of samples, on standardised features."""
_ITERATIONS = 80  # of L-BFGS: more change the third digit of a loss at most
_MEMORY = 10
_FLAT = 1e-6  # a slope below which nothing is left to gain
_HALVINGS = 30


@dataclass(frozen=True, kw_only=True)
class Linear:
    """`x @ weights + bias`: weights `(features, outputs)`, bias `(outputs,)`."""

    weights: torch.Tensor
    bias: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs `(n, outputs)` for `x` `(n, features)`."""
        return x @ self.weights + self.bias


def ridge(x: torch.Tensor, y: torch.Tensor) -> Linear:
    """Return the ridge regression of `y` `(n, outputs)` on standardised `x` `(n, features)`, the bias not penalised.

    The penalty is the one of `PENALTIES` with the least error on samples left out one at a time, which has a closed
    form (Golub, Heath and Wahba 1979, as generalised cross-validation), one for all outputs.
    """
    count = len(x)
    at, centre = x.mean(0), y.mean(0)
    design, wanted = x - at, y - centre
    tall = count >= x.shape[1]
    values, vectors = torch.linalg.eigh(design.T @ design if tall else design @ design.T)
    values = values.clamp_min(0.0)
    rotated = vectors.T @ (design.T @ wanted if tall else wanted)
    best: tuple[float, torch.Tensor] | None = None
    for penalty in PENALTIES:
        solved = vectors @ (rotated / (values + penalty * count)[:, None])
        weights = solved if tall else design.T @ solved
        # One more is fitted than the features tell: the mean.
        freedom = float((values / (values + penalty * count)).sum()) + 1
        left = max(1 - freedom / count, 1e-3)
        score = float((wanted - design @ weights).square().mean()) / left**2
        if best is None or score < best[0]:
            best = score, weights
    weights = torch.zeros(x.shape[1], y.shape[1], dtype=x.dtype) if best is None else best[1]
    return Linear(weights=weights, bias=centre - at @ weights)


def logistic(x: torch.Tensor, y: torch.Tensor, *, classes: bool) -> Linear:
    """Return the logistic regression of `y` on standardised `x` `(n, features)`.

    With `classes`, rows of `y` `(n, C)` are the shares of the classes, and the outputs enter a softmax; without, each
    column is a yes or no of its own, and they enter sigmoids. Least is the mean loss plus |weights|^2 / 2n, the bias
    not penalised, which is scikit-learn's default (C = 1); found by L-BFGS from zero weights.
    """
    count, (width, outputs) = len(x), (x.shape[1], y.shape[1])
    share = y.mean(0).clamp(1e-6, 1 - 1e-6)
    start = share.log() if classes else share.log() - (1 - share).log()

    def objective(flat: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Return the value and the gradient, both in closed form, for weights and bias in a row."""
        weights, bias = flat[:-outputs].reshape(width, outputs), flat[-outputs:]
        output = x @ weights + bias
        if classes:
            log_shares = output.log_softmax(1)
            predicted, loss = log_shares.exp(), -(y * log_shares).sum(1).mean()
        else:
            predicted = output.sigmoid()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(output, y, reduction="none").sum(1).mean()
        wrong = (predicted - y) / count
        slope = torch.cat([(x.T @ wrong + weights / count).reshape(-1), wrong.sum(0)])
        return float(loss + weights.square().sum() / (2 * count)), slope

    flat = _least(objective, torch.cat([torch.zeros(width * outputs, dtype=x.dtype), start]))
    return Linear(weights=flat[:-outputs].reshape(width, outputs), bias=flat[-outputs:])


def _least(objective: Callable[[torch.Tensor], tuple[float, torch.Tensor]], point: torch.Tensor) -> torch.Tensor:
    """Return where a smooth convex function is least: L-BFGS (Nocedal 1980) that halves steps until they lead down.

    torch's own L-BFGS would do, but making any of torch's optimizers imports its compiler, which takes a second.
    """
    value, slope = objective(point)
    pairs: list[tuple[torch.Tensor, torch.Tensor, float]] = []  # change of the point, of the slope, their product
    for _ in range(_ITERATIONS):
        if float(slope.abs().max()) < _FLAT:
            break
        direction = -_scaled(slope, pairs)
        along = float(direction @ slope)
        if along >= 0:  # rounding has spoilt the memory
            pairs, direction, along = [], -slope, -float(slope @ slope)
        step = 1.0 if pairs else min(1.0, 1.0 / float(slope.abs().sum()))
        for _ in range(_HALVINGS):
            new_value, new_slope = objective(point + step * direction)
            if new_value <= value + 1e-4 * step * along:
                break
            step /= 2
        else:
            break  # no step leads down: as low as double precision goes
        moved, turned = step * direction, new_slope - slope
        product = float(moved @ turned)
        if product > 1e-12 * float(turned @ turned):
            pairs = [*pairs[1 - _MEMORY :], (moved, turned, product)]
        point, value, slope = point + moved, new_value, new_slope
    return point


def _scaled(slope: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor, float]]) -> torch.Tensor:
    """Return the slope times the inverse curvature that the last steps have shown (the two-loop recursion)."""
    result, shares = slope.clone(), []
    for moved, turned, product in reversed(pairs):
        shares.append(float(moved @ result) / product)
        result -= shares[-1] * turned
    if pairs:
        _, turned, product = pairs[-1]
        result *= product / float(turned @ turned)
    for (moved, turned, product), share in zip(pairs, reversed(shares), strict=True):
        result += moved * (share - float(turned @ result) / product)
    return result
