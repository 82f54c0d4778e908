"""Members that have learnt nothing: no better than what the frequencies of the classes, or the mean, alone say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainwright.ensembles.calibration import temperature_of
from trainwright.ensembles.combine import scaled
from trainwright.ensembles.measures import log_likelihoods, squared_errors
from trainwright.ensembles.pool import Pool

NOISE = 2.0
"""Standard errors by which a member that knows nothing may seem to know something: one in forty does by chance."""
LITTLE = 0.05
"""Share of what the best member knows that is nothing beside it: few samples alone do not make a member useless."""


@dataclass(frozen=True, kw_only=True)
class Skill:
    """The mean loss of a member and of what knows nothing, and by how much the member is better, with its error."""

    own: float
    nothing: float
    gain: float
    error: float

    @property
    def is_within_noise(self) -> bool:
        """Say whether the member is no better than knowing nothing, but for noise."""
        return self.gain <= NOISE * self.error


def skill_of(pool: Pool, place: int) -> Skill:
    """Return how much better the member at `place` is than the frequencies of the classes, or than the mean value.

    A classification is judged by its likelihood after a temperature of its own: one that is right more often than not
    is better than nothing however sure of itself it is. A regression is judged by its squared error.
    """
    truth = pool.truth
    shares = torch.zeros(len(pool.networks), dtype=torch.float64)
    shares[place] = 1
    predicted = pool.predicted(shares)
    if pool.has_classes:
        counts = torch.bincount(truth.y, minlength=predicted.shape[1]).double()
        frequencies = counts / counts.sum()
        nothing = -frequencies.clamp_min(1e-300).log()[truth.y]
        # Frequencies of these very samples suit them better than those of all: by half a nat for each that is free.
        nothing = nothing + (int((counts > 0).sum()) - 1) / (2 * len(truth.y))
        # In units of their own spread, or the hottest temperature would not be enough for one that is very sure.
        even = predicted.clamp_min(-1e4) / predicted.clamp_min(-1e4).std().clamp_min(1e-6)
        own = -log_likelihoods(scaled(even, temperature_of(even, truth)), truth)
    else:
        nothing = squared_errors(truth.y.double().mean(0, keepdim=True).expand_as(predicted), truth)
        own = squared_errors(predicted, truth)
    each = torch.zeros(truth.samples, dtype=torch.float64).index_add_(0, _places(truth.sample), nothing - own)
    rows = len(own) / max(truth.samples, 1)  # of a sample: its questions are not independent
    error = float(each.std()) / rows / max(len(each), 1) ** 0.5 if len(each) > 1 else float("inf")
    return Skill(own=float(own.mean()), nothing=float(nothing.mean()), gain=float((nothing - own).mean()), error=error)


def at_chance(pool: Pool, places: Sequence[int]) -> dict[int, Skill]:
    """Return those of the members that are at chance: within the noise, and far from what the best one knows."""
    skills = {place: skill_of(pool, place) for place in places}
    best = max(skills.values(), key=lambda skill: skill.gain)
    most = LITTLE * best.gain if not best.is_within_noise else float("inf")
    return {place: skill for place, skill in skills.items() if skill.is_within_noise and skill.gain <= most}


def with_skill(pool: Pool, places: Sequence[int]) -> list[int]:
    """Return those of the members that are better than knowing nothing; all of them where none is."""
    useless = at_chance(pool, places)
    return [place for place in places if place not in useless] or list(places)


def chance_notes(pool: Pool, places: Sequence[int]) -> list[str]:
    """Return a sentence for each member that is at chance."""
    what = "NLL after a temperature" if pool.has_classes else "mean squared error"
    known = "the frequencies of the classes" if pool.has_classes else "the mean value"
    return [
        f"'{pool.networks[place].name}' is at chance, and greedy selection passes it over: its {what} is "
        f"{skill.own:.4g}, that of {known} alone {skill.nothing:.4g}"
        for place, skill in at_chance(pool, places).items()
    ]


def _places(sample: torch.Tensor) -> torch.Tensor:
    """Return the samples of rows counted from 0 without gaps: a part of a pool keeps the numbers of the whole."""
    return torch.unique(sample, return_inverse=True)[1]
