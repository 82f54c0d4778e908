"""The ways to make one prediction of several networks: each gives shares, fitted on the samples that it may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trainwright.ensembles.greedy import greedy
from trainwright.ensembles.pool import Pool

Choose = Callable[[Pool], torch.Tensor]
"""From the pool of the samples to fit on to the shares of its networks, float64 `(K,)` of sum 1."""
SINGLE = "single best"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method by its name. `note` says what a reader should know of it."""

    name: str
    choose: Choose
    note: str = ""


def single_best(places: Sequence[int]) -> Method:
    """The one network, of those at `places`, with the lowest loss."""

    def choose(pool: Pool) -> torch.Tensor:
        loss = pool.loss()
        return _one(pool, min(places, key=lambda place: (loss(_one(pool, place)), place)))

    return Method(name=SINGLE, choose=choose)


def only(name: str, place: int, note: str = "") -> Method:
    """The network at `place`."""
    return Method(name=name, choose=lambda pool: _one(pool, place), note=note)


def mean_of(name: str, places: Sequence[int], note: str = "") -> Method:
    """All networks at `places` alike."""

    def choose(pool: Pool) -> torch.Tensor:
        shares = torch.zeros(len(pool.networks), dtype=torch.float64)
        shares[list(places)] = 1 / len(places)
        return shares

    return Method(name=name, choose=choose, note=note)


def greedy_of(name: str, places: Sequence[int], note: str = "") -> Method:
    """Those of the networks at `places`, with repeats, that greedy selection finds."""

    def choose(pool: Pool) -> torch.Tensor:
        loss = pool.loss()

        def of_some(some: torch.Tensor) -> torch.Tensor:
            shares = torch.zeros(len(pool.networks), dtype=torch.float64)
            shares[list(places)] = some
            return shares

        return of_some(greedy(len(places), lambda some: loss(of_some(some))))

    return Method(name=name, choose=choose, note=note)


def _one(pool: Pool, place: int) -> torch.Tensor:
    shares = torch.zeros(len(pool.networks), dtype=torch.float64)
    shares[place] = 1
    return shares
