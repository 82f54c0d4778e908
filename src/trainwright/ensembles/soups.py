"""One network from the weights of several: only where they share their start, and no hill lies between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trainwright.data.feed import Feed
from trainwright.ensembles.averages import mean_of
from trainwright.ensembles.measures import log_likelihoods, squared_errors
from trainwright.ensembles.network import Network
from trainwright.ensembles.pool import Pool

NOISE = 2.0
"""Standard errors of the paired difference by which the midpoint may lie above the worse end: one time in forty by
chance alone."""


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """The straight line between the weights of two networks: the mean losses of both ends and of its middle.

    `rise` is by how much the middle lies above the worse end, and `error` the standard error of that.
    """

    names: tuple[str, str]
    ends: tuple[float, float]
    middle: float
    rise: float
    error: float

    @property
    def passes(self) -> bool:
        """Say whether the middle is no higher than the worse end, but for noise."""
        return self.rise <= NOISE * self.error

    @property
    def text(self) -> str:
        """Return what was found, as words."""
        low, high = sorted(self.ends)
        one, two = self.names
        return f"between {one} and {two} the loss is {self.middle:.4g}, at the ends {low:.4g} and {high:.4g}"


@dataclass(frozen=True, kw_only=True)
class Soups:
    """The soups that are legal, the ingredients of each by name, and what was told of those that are not."""

    networks: tuple[Network, ...]
    ingredients: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


Judge = Callable[[Sequence[Network]], Pool]
"""The answers of networks to the validation data."""


def barrier(one: Network, two: Network, judge: Judge, train: Feed) -> Barrier:
    """Return the barrier between two networks of one shape: its middle has statistics gathered anew."""
    middle = Network(name="middle", model=mean_of([one.model, two.model], train), order=one.order)
    pool = judge([one, two, middle])
    shares = torch.eye(3, dtype=torch.float64)
    first, second, between = (_losses(pool, shares[place]) for place in range(3))
    worse = first if first.mean() >= second.mean() else second
    rise = between - worse
    return Barrier(
        names=(one.name, two.name),
        ends=(float(first.mean()), float(second.mean())),
        middle=float(between.mean()),
        rise=float(rise.mean()),
        error=float(rise.std()) / math.sqrt(len(rise)) if len(rise) > 1 else math.inf,
    )


def soups(networks: Sequence[Network], judge: Judge, train: Feed) -> Soups:
    """Return the uniform and the greedy soup of networks that share their start.

    Those on the other side of a hill from the best one are left out. The greedy soup takes the others from best to
    worst, each where the loss of the soup on validation gets lower by it. Source: Wortsman et al. 2022, Model Soups.
    """
    pool = judge(networks)
    shares = torch.eye(len(networks), dtype=torch.float64)
    losses = [float(_losses(pool, share).mean()) for share in shares]
    order = sorted(range(len(networks)), key=lambda place: (losses[place], place))
    best = networks[order[0]]
    kept, notes = [best], []
    for place in order[1:]:
        found = barrier(best, networks[place], judge, train)
        if found.passes:
            kept.append(networks[place])
        else:
            notes.append(f"{networks[place].name} is in no soup: {found.text}")
    if len(kept) == 1:
        return Soups(networks=(), ingredients=(), notes=(*notes, "no soup: nothing lies in one valley with the best"))
    uniform = _soup("uniform soup", kept, train)
    chosen, lowest = [best], losses[order[0]]
    for other in kept[1:]:
        value = float(_losses(judge([_soup("", [*chosen, other], train)]), torch.ones(1, dtype=torch.float64)).mean())
        if value < lowest:
            chosen, lowest = [*chosen, other], value
    made, ingredients = [uniform], [tuple(one.name for one in kept)]
    if len(chosen) > 1 and len(chosen) < len(kept):
        made.append(_soup("greedy soup", chosen, train))
        ingredients.append(tuple(one.name for one in chosen))
    elif len(chosen) == 1:
        notes.append("the greedy soup is the best single network: no other one lowers its loss")
    return Soups(networks=tuple(made), ingredients=tuple(ingredients), notes=tuple(notes))


def _soup(name: str, networks: Sequence[Network], train: Feed) -> Network:
    trained = {run: steps for network in networks for run, steps in network.trained.items()}
    first = networks[0]
    model = mean_of([network.model for network in networks], train)
    return Network(name=name, model=model, origin="average", trained=trained, classes=first.classes, order=first.order)


def _losses(pool: Pool, shares: torch.Tensor) -> torch.Tensor:
    """Return the loss of each row: negative log-likelihoods, or squared errors."""
    predicted = pool.predicted(shares)
    return -log_likelihoods(predicted, pool.truth) if pool.has_classes else squared_errors(predicted, pool.truth)
