"""The ways to make one prediction of several networks: each gives shares, fitted on the samples that it may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trainwright.ensembles.chance import with_skill
from trainwright.ensembles.greedy import greedy
from trainwright.ensembles.pool import Pool

Choose = Callable[[Pool], torch.Tensor]
"""From the pool of the samples to fit on to the shares of its networks, float64 `(K,)` of sum 1."""
SINGLE = "single best"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method by its name. `note` says what a reader should know of it.

    `library` are the places of the networks that it chooses from: all of them had to be trained, whichever it takes.
    """

    name: str
    choose: Choose
    note: str = ""
    library: tuple[int, ...] = ()


def single_best(places: Sequence[int], *, calibrate: bool = False) -> Method:
    """The one network, of those at `places`, with the lowest loss, with `calibrate` after a temperature of its own."""

    def choose(pool: Pool) -> torch.Tensor:
        loss = pool.loss(calibrate=calibrate)
        return _one(pool, min(places, key=lambda place: (loss(_one(pool, place)), place)))

    return Method(name=SINGLE, choose=choose, library=tuple(places))


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


def greedy_of(name: str, places: Sequence[int], note: str = "", *, calibrate: bool = False) -> Method:
    """Those of the networks at `places`, with repeats, that greedy selection finds; members at chance are passed over.

    With `calibrate` it selects by the loss after the average's own temperature, which is what methods are compared by:
    or a network that knows nothing would be taken for making the others less sure of themselves.
    """

    def choose(pool: Pool) -> torch.Tensor:
        loss, some = pool.loss(calibrate=calibrate), with_skill(pool, list(places))

        def spread_out(shares: torch.Tensor) -> torch.Tensor:
            whole = torch.zeros(len(pool.networks), dtype=torch.float64)
            whole[some] = shares
            return whole

        return spread_out(greedy(len(some), lambda shares: loss(spread_out(shares))))

    return Method(name=name, choose=choose, note=note, library=tuple(places))


def _one(pool: Pool, place: int) -> torch.Tensor:
    shares = torch.zeros(len(pool.networks), dtype=torch.float64)
    shares[place] = 1
    return shares
