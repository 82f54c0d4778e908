"""Which networks to average, and how often each: greedy selection with replacement."""

from __future__ import annotations

from collections.abc import Callable

import torch

MOST = 50
"""Networks that are taken at most, repeats counted: by then each further one moves the average by 2 %."""
LEAST = 1e-9  # of the loss: smaller gains are rounding


def greedy(count: int, loss: Callable[[torch.Tensor], float], *, most: int = MOST) -> torch.Tensor:
    """Return the shares of `count` networks, float64 `(count,)` of sum 1, that greedy selection finds.

    `loss(shares)` is what the average comes to. Begins with the networks in the order of their own losses, taking those
    of the best ones that are better together than the best alone (sorted initialisation), then adds, again and again,
    the network that lowers the loss most, the same one as often as it helps, and stops where none does.

    Source: Caruana et al. 2004, Ensemble Selection from Libraries of Models.
    """
    alone = [loss(_one(count, place)) for place in range(count)]
    order = sorted(range(count), key=lambda place: (alone[place], place))
    counts, best = _sorted_start(count, order, loss, alone[order[0]])
    while int(counts.sum()) < most:
        tried = []
        for place in range(count):
            more = counts.clone()
            more[place] += 1
            tried.append((loss(more / more.sum()), place))
        value, place = min(tried)
        if not value < best - LEAST * abs(best):
            break
        counts[place] += 1
        best = value
    return counts / counts.sum()


def _sorted_start(
    count: int, order: list[int], loss: Callable[[torch.Tensor], float], alone: float
) -> tuple[torch.Tensor, float]:
    """Return how many of the best networks, one of each, are best together, as counts, and their loss."""
    counts = torch.zeros(count, dtype=torch.float64)
    kept, best = counts.clone(), alone
    kept[order[0]] = 1
    for place in order:
        counts[place] = 1
        value = loss(counts / counts.sum())
        if value < best:
            kept, best = counts.clone(), value
    return kept, best


def _one(count: int, place: int) -> torch.Tensor:
    shares = torch.zeros(count, dtype=torch.float64)
    shares[place] = 1
    return shares
