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


def temperature_of(log_probabilities: torch.Tensor, truth: Truth) -> float:
    """Return the T > 0 for which softmax(log p / T) makes the right classes of `(M, C)` most likely.

    One number, found by L-BFGS over log T in float64; the most probable class of a sample stays what it is.
    Source: Guo et al. 2017.
    """
    scores = log_probabilities.detach().double().clamp_min(-1e4)  # minus infinity has no gradient
    log_t = torch.zeros((), dtype=torch.float64, device=scores.device, requires_grad=True)

    def loss() -> torch.Tensor:
        return -log_likelihoods(torch.log_softmax(scores / log_t.exp(), 1), truth).mean()

    _minimise(loss, log_t)
    found = math.exp(float(log_t.detach()))
    return min(max(found, COOLEST), HOTTEST) if math.isfinite(found) else 1.0


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
    half = int((sorted_p < 0.5).sum())
    return Threshold(
        costs=(alarm, miss),
        exact=exact,
        value=float(edges[place]),
        expected=float(totals[place]),
        halved=float((alarm * alarms[half] + miss * misses[half]) / count),
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
