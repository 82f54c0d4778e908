"""Several answers to one: probabilities or logits averaged, values with how far the networks are apart."""

from __future__ import annotations

import torch

from trainwright.records.ensemble import Averaging


def combined(scores: torch.Tensor, shares: torch.Tensor, average: Averaging = "probabilities") -> torch.Tensor:
    """Return log-probabilities, float64 `(..., C)`, of logits `(K, ..., C)` that count by `shares` `(K,)`, of sum 1.

    "probabilities": log sum_k w_k softmax(z_k), a mixture; "logits": log softmax(sum_k w_k z_k), which is the geometric
    mean of the probabilities. Networks of share 0 are left out.
    """
    used = shares > 0
    weights = shares[used].double().to(scores.device)
    logits = scores[used.to(scores.device)].double()
    shape = (-1, *[1] * (logits.dim() - 1))
    if average == "logits":
        return torch.log_softmax((weights.view(shape) * logits).sum(0), -1)
    return torch.logsumexp(torch.log_softmax(logits, -1) + weights.log().view(shape), 0)


def mean_and_spread(values: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean `(..., D)` of values `(K, ..., D)` that count by `shares` `(K,)`, and their standard deviation.

    The deviation is that of the networks around their mean, sum_k w_k (v_k - mean)^2, 0 of a single one: it says where
    they disagree, not how far all of them may be off.
    """
    weights = shares.double().to(values.device).view(-1, *[1] * (values.dim() - 1))
    mean = (weights * values.double()).sum(0)
    return mean, (weights * (values.double() - mean).square()).sum(0).sqrt()


def scaled(log_probabilities: torch.Tensor, temperature: float | None) -> torch.Tensor:
    """Return log softmax(log p / T), the same for no temperature."""
    if temperature is None:
        return log_probabilities
    return torch.log_softmax(log_probabilities.double() / temperature, -1)
