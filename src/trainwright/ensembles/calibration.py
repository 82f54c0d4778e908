"""Probabilities that mean what they say: one temperature, the noise of a regression, and a threshold for costs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from trainwright.ensembles.answers import Truth
from trainwright.ensembles.measures import gaussian, log_likelihoods
from trainwright.errors import UsageError
from trainwright.records.ensemble import Threshold

COOLEST, HOTTEST = 0.05, 20.0
"""Temperatures beyond which nothing is learnt: where every validation sample is right, the best one is 0."""
_STEPS = 50
_CLOSE = 1e-7  # of b: the loss is flat at its minimum


def temperature_of(log_probabilities: torch.Tensor, truth: Truth) -> float:
    """Return the T > 0 for which softmax(log p / T) makes the right classes of `(M, C)` most likely.

    One number between `COOLEST` and `HOTTEST`; the most probable class of a sample stays what it is. The loss is convex
    in b = 1 / T, so that Newton's method within a bracket finds its one minimum. Source: Guo et al. 2017.
    """
    return cooled(log_probabilities, truth)[0]


def cooled(log_probabilities: torch.Tensor, truth: Truth, *, most: int = _STEPS) -> tuple[float, float]:
    """Return the best temperature of `(M, C)`, and the mean NLL after it, in `most` steps of Newton at most."""
    scores = log_probabilities.detach().double().clamp_min(-1e4)  # minus infinity has no gradient
    right = log_likelihoods(scores, truth)
    low, high, b, value = 1 / HOTTEST, 1 / COOLEST, 1.0, math.inf
    if not len(scores):
        return 1.0, value
    for _ in range(most):
        log_p = torch.log_softmax(b * scores, 1)
        p = log_p.exp()
        mean = (p * scores).sum(1)
        value = -float(log_p.gather(1, truth.y.unsqueeze(1)).mean())
        slope = float((mean - right).mean())
        bend = float(((p * scores.square()).sum(1) - mean.square()).mean())
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / bend if bend > 1e-300 else math.inf
        # Within the bracket by Newton; else, or where it has closed upon a bound, by halves.
        nearer = step if low < step < high else (low * high) ** 0.5
        if abs(nearer - b) <= _CLOSE * b:
            break
        b = nearer
    return 1 / b, value


def noise_of(values: torch.Tensor, spread: torch.Tensor, truth: Truth) -> torch.Tensor:
    """Return the s of each column, float64 `(D,)`, for which N(value, spread^2 + s^2) makes the targets most likely.

    `values` and `spread` are `(M, D)`: how far the networks are apart is not how far all of them may be off.
    """
    errors = (values.double() - truth.y).square()
    least = errors.mean(0).clamp_min(1e-24)
    if not bool(spread.any()):
        return least.sqrt()
    log_s = (0.5 * least.log()).detach().clone().requires_grad_()

    def loss() -> torch.Tensor:
        return gaussian(values, total_deviation(spread, log_s.exp()), truth).mean()

    _minimise(loss, log_s)
    found = log_s.detach().exp()
    return torch.where(found.isfinite(), found, least.sqrt())


def total_deviation(spread: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return how far a value is expected to be off: sqrt(spread^2 + noise^2)."""
    return (spread.double().square() + noise.square()).sqrt()


def threshold_of(log_probabilities: torch.Tensor, truth: Truth, costs: tuple[float, float]) -> Threshold:
    """Return from which probability of class 1 on to decide for it. `costs` are of a false alarm and of a miss.

    If the probabilities are right, alarm / (alarm + miss): there both decisions cost the same on average. The threshold
    that cost least on `truth` lies beside it as far as they are not. Raises `UsageError` for other than two classes or
    costs that are no positive numbers.
    """
    alarm, miss = check_costs(costs)
    if log_probabilities.shape[1] != 2:
        raise not_two(log_probabilities.shape[1])
    probability = log_probabilities[:, 1].double().exp()
    order = probability.argsort()
    ones = (truth.y[order] == 1).double()
    count = len(ones)
    # With the first i samples (of rising probability) taken for 0: misses among them, false alarms among the rest.
    misses = torch.cat([ones.new_zeros(1), ones.cumsum(0)])
    alarms = (count - ones.sum()) - torch.cat([ones.new_zeros(1), (1 - ones).cumsum(0)])
    totals = (alarm * alarms + miss * misses) / count
    sorted_p = probability[order]
    edges = torch.cat([sorted_p.new_zeros(1), (sorted_p[:-1] + sorted_p[1:]) / 2, sorted_p.new_ones(1)])
    distinct = torch.cat([sorted_p.new_ones(1), (sorted_p[1:] > sorted_p[:-1]).double(), sorted_p.new_ones(1)]) > 0
    exact = alarm / (alarm + miss)
    totals = torch.where(distinct, totals, torch.inf)
    best = totals <= totals.min() * (1 + 1e-12)
    place = int(torch.where(best, (edges - exact).abs(), torch.inf).argmin())  # of equal ones the nearest to the exact
    half, there = int((sorted_p < 0.5).sum()), int((sorted_p < exact).sum())
    return Threshold(
        costs=(alarm, miss),
        exact=exact,
        value=float(edges[place]),
        expected=float(totals[place]),
        halved=float((alarm * alarms[half] + miss * misses[half]) / count),
        at_exact=float((alarm * alarms[there] + miss * misses[there]) / count),
    )


def check_costs(costs: tuple[float, float]) -> tuple[float, float]:
    """Return the costs of a false alarm and of a miss; raises `UsageError` where they are no positive numbers."""
    alarm, miss = (float(cost) for cost in costs)
    if not (alarm > 0 and miss > 0 and math.isfinite(alarm + miss)):
        raise UsageError(
            "costs must be two positive numbers", evidence=f"they are {costs}", remedy="costs=(false alarm, miss)"
        )
    return alarm, miss


def not_two(classes: int) -> UsageError:
    """Return the error that says that a threshold has nothing to divide."""
    return UsageError("a threshold divides two classes", evidence=f"there are {classes}", remedy="leave costs out")


def _minimise(loss: Callable[[], torch.Tensor], variable: torch.Tensor) -> None:
    optimizer = torch.optim.LBFGS([variable], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
