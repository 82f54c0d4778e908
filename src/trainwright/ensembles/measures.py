"""Accuracy, likelihood, calibration and Brier score of predicted probabilities, and what values are measured by."""

from __future__ import annotations

import math

import torch

from trainwright.ensembles.answers import Truth
from trainwright.records.ensemble import Bin, Scores

BINS = 15
"""Bins of confidence, all of one width: what Guo et al. 2017 and most figures since then use."""


def log_likelihoods(log_probabilities: torch.Tensor, truth: Truth) -> torch.Tensor:
    """Return log p of the right class for each row of `log_probabilities` `(M, C)`: `(M,)`."""
    return log_probabilities.gather(1, truth.y.unsqueeze(1)).squeeze(1)


def right(log_probabilities: torch.Tensor, truth: Truth) -> torch.Tensor:
    """Return 1 for each row whose most probable class is the right one, else 0: float64 `(M,)`."""
    return (log_probabilities.argmax(1) == truth.y).double()


def brier(log_probabilities: torch.Tensor, truth: Truth) -> float:
    """Return the mean over rows of sum_c (p_c - [c is right])^2, between 0 and 2. Source: Brier 1950."""
    probabilities = log_probabilities.double().exp()
    of_right = probabilities.gather(1, truth.y.unsqueeze(1)).squeeze(1)
    return float((probabilities.square().sum(1) - 2 * of_right + 1).mean())


def reliability(log_probabilities: torch.Tensor, truth: Truth, count: int = BINS) -> tuple[Bin, ...]:
    """Return the predictions by the confidence in their most probable class, in `count` bins (low, high] of [0, 1]."""
    confidence = log_probabilities.double().max(1).values.exp().clamp(0, 1)
    hits = right(log_probabilities, truth)
    places = (torch.ceil(confidence * count).long() - 1).clamp(0, count - 1)
    counts, confidences, accuracies = (
        torch.zeros(count, dtype=torch.float64, device=places.device).index_add_(0, places, values).tolist()
        for values in (torch.ones_like(hits), confidence, hits)
    )
    return tuple(
        Bin(
            low=place / count,
            high=(place + 1) / count,
            count=int(counts[place]),
            confidence=confidences[place] / counts[place] if counts[place] else None,
            accuracy=accuracies[place] / counts[place] if counts[place] else None,
        )
        for place in range(count)
    )


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return sum_b n_b / n |accuracy_b - confidence_b|. Source: Naeini et al. 2015; Guo et al. 2017."""
    whole = sum(one.count for one in bins)
    told = [(one, one.accuracy, one.confidence) for one in bins]
    gaps = [one.count * abs(hit - sure) for one, hit, sure in told if hit is not None and sure is not None]
    return sum(gaps) / whole if whole else 0.0


def of_classes(log_probabilities: torch.Tensor, truth: Truth) -> Scores:
    """Return the scores of log-probabilities `(M, C)`."""
    return Scores(
        samples=truth.samples,
        accuracy=float(right(log_probabilities, truth).mean()),
        nll=-float(log_likelihoods(log_probabilities.double(), truth).mean()),
        ece=calibration_error(reliability(log_probabilities, truth)),
        brier=brier(log_probabilities, truth),
    )


def squared_errors(values: torch.Tensor, truth: Truth) -> torch.Tensor:
    """Return the squared error of each row of values `(M, D)`, the mean over its columns: float64 `(M,)`."""
    return (values.double() - truth.y).square().mean(1)


def gaussian(values: torch.Tensor, deviation: torch.Tensor, truth: Truth) -> torch.Tensor:
    """Return -log N(y; value, deviation^2), the mean over the columns, for each row: float64 `(M,)`."""
    variance = deviation.double().square()
    errors = (values.double() - truth.y).square()
    return 0.5 * (torch.log(2 * math.pi * variance) + errors / variance).mean(1)


def of_values(values: torch.Tensor, truth: Truth, deviation: torch.Tensor | None = None) -> Scores:
    """Return the scores of values `(M, D)`; `deviation`, of the same shape, is how far they are expected to be off."""
    return Scores(
        samples=truth.samples,
        rmse=math.sqrt(float(squared_errors(values, truth).mean())),
        nll=None if deviation is None else float(gaussian(values, deviation, truth).mean()),
    )
