"""Linear models in closed form, or as good as: ridge regression, and logistic regression, in double precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch

PENALTIES = tuple(10.0**power for power in range(-6, 3))
"""Ridge penalties that are tried, as multiples of the number of samples, on standardised features."""
_ITERATIONS = 60  # of L-BFGS: more change the third digit of a loss at most


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
    count, width = x.shape
    share = y.mean(0).clamp(1e-6, 1 - 1e-6)
    start = share.log() if classes else share.log() - (1 - share).log()
    weights = torch.zeros(width, y.shape[1], dtype=x.dtype)
    bias = start.clone()
    solver = torch.optim.LBFGS(
        [weights, bias],
        max_iter=_ITERATIONS,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        """Return the objective and set its gradient, which is known in closed form."""
        output = x @ weights + bias
        if classes:
            log_shares = output.log_softmax(1)
            predicted, loss = log_shares.exp(), -(y * log_shares).sum(1).mean()
        else:
            predicted = output.sigmoid()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(output, y, reduction="none").sum(1).mean()
        wrong = (predicted - y) / count
        weights.grad, bias.grad = x.T @ wrong + weights / count, wrong.sum(0)
        return float(loss + weights.square().sum() / (2 * count))

    with torch.no_grad():
        solver.step(closure)
    return Linear(weights=weights, bias=bias)
