"""From losses around a point to a verdict on each entry: relative error, rounding, and kinks that excuse nothing else.

The derivative of the loss by one number t is compared at four steps, h to h/1000. With f's rounding error s, a centred
difference at h carries about s / h, which is taken off before errors are judged: where both gradients are near zero
that is the absolute floor. A kink at a distance below h shows in two ways: the one-sided derivatives disagree by more
than curvature explains, or the differences at h and h/10 do. A backward that is wrong shows in neither: at a smooth
point all differences agree with one another, and not with it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch

from trainwright.checks.gradcheck_differences import Differences, LossAt, difference, differences, relative
from trainwright.records.gradcheck import BANDS

FINER = (0.1, 0.01, 0.001)
"""Multiples of h at which a suspicious entry is looked at again."""
EXAMINED = 256
"""Suspicious entries of a tensor that are looked at again: where more are wrong, these show it."""
_SOUND, _ACCEPTABLE = BANDS[0][1], BANDS[1][1]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a comparison goes by: the loss at the point, the step, the loss's rounding, and how much wider bands are."""

    base: float
    h: float
    rounding: float
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Probes:
    """What came of some probes, each an entry or a direction: columns of one length."""

    error: torch.Tensor  # relative, rounding taken off
    analytic: torch.Tensor
    numeric: torch.Tensor
    kink: torch.Tensor  # set aside
    unsure: torch.Tensor  # set aside, and not confirmed by a finer step either
    tiny: torch.Tensor  # both gradients below rounding


def judge(loss: LossAt, around: torch.Tensor, analytic: torch.Tensor, terms: Terms) -> Probes:
    """Compare `analytic` `(n,)` with differences of a loss at each of n probes.

    `around` `(2, n)` has the losses with each probe displaced by h and by -h; `loss` gives those at finer steps.
    """
    base, h, rounding, scale = terms.base, terms.h, terms.rounding, terms.scale
    count = len(analytic)
    at_h = difference(around[0], around[1], base, h, rounding)
    error = relative(analytic, at_h.centred, at_h.bar)
    numeric = at_h.centred.clone()
    kink, unsure = torch.zeros(2, count, dtype=torch.bool)
    suspicious = torch.nonzero(error > _SOUND * scale).flatten()
    if len(suspicious) > EXAMINED:
        order = suspicious[error[suspicious].argsort(descending=True, stable=True)]
        stride = max(1, (len(order) - EXAMINED // 2) // (EXAMINED // 2))
        chosen = torch.cat([order[: EXAMINED // 2], order[EXAMINED // 2 :: stride][: EXAMINED // 2]])
        left = torch.ones(count, dtype=torch.bool)
        left[chosen] = False
        left[error <= _SOUND * scale] = False
        error[left] = 0.0  # more of the same, and not looked at again
        suspicious = chosen
    if len(suspicious):
        again = _Again(analytic[suspicious], at_h, suspicious)
        found = again.judged(loss, base, h, rounding, scale)
        error[suspicious], numeric[suspicious], kink[suspicious], unsure[suspicious] = found
    tiny = torch.maximum(analytic.abs(), numeric.abs()) <= at_h.bar
    return Probes(error=error, analytic=analytic, numeric=numeric, kink=kink, unsure=unsure, tiny=tiny)


def along_directions(loss: LossAt, analytic: torch.Tensor, terms: Terms) -> tuple[float, float, float]:
    """Return the greatest error of any direction, and the derivative along it by backward and by differences.

    A direction across many units crosses kinks at any step, fewer the smaller it is. A fault is there at every step: of
    a direction the least error over h, h/10 and h/100 counts.
    """
    steps = [terms.h, terms.h / 10, terms.h / 100]
    levels = differences(loss, torch.arange(len(analytic)), terms.base, steps, terms.rounding)
    errors = torch.stack([relative(analytic, level.centred, level.bar) for level in levels])
    least, step = errors.min(0)
    place = int(least.argmax())
    return float(least[place]), float(analytic[place]), float(levels[int(step[place])].centred[place])


class _Again:
    """Suspicious probes at h, h/10, h/100 and h/1000."""

    def __init__(self, analytic: torch.Tensor, at_h: Differences, probes: torch.Tensor) -> None:
        self.analytic, self.probes = analytic, probes
        self.first = Differences(
            centred=at_h.centred[probes], right=at_h.right[probes], left=at_h.left[probes], bar=at_h.bar
        )

    def judged(
        self, loss: LossAt, base: float, h: float, rounding: float, scale: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return error, numeric value, what is set aside, and what of that no finer step confirms."""
        a, first = self.analytic, self.first
        levels = [first, *differences(loss, self.probes, base, [h * part for part in FINER], rounding)]
        error = relative(a, first.centred, first.bar)
        numeric = first.centred.clone()
        agree = [
            (one.centred - two.centred).abs() <= one.bar + two.bar + _SOUND * one.centred.abs()
            for one, two in _pairs(levels)
        ]
        # The first step from which on a finer one changes nothing but rounding.
        stable = torch.full(a.shape, len(levels) - 1)
        for place in (2, 1, 0):
            stable = torch.where(agree[place], place, stable)
        settled = agree[0] | agree[1] | agree[2]
        values = torch.stack([level.centred for level in levels])
        bars = torch.tensor([level.bar for level in levels], dtype=torch.float64)
        chosen = values.gather(0, stable[None])[0]
        at_chosen = torch.stack([relative(a, chosen, float(bar)) for bar in bars]).gather(0, stable[None])[0]

        # Curvature makes one-sided derivatives differ in proportion to h; a kink does not.
        at_point = self._kink_at_point(levels)
        curved = (10 * levels[1].jump - first.jump).abs() <= 0.5 * first.jump.abs() + 20 * levels[1].bar
        moved = ~agree[0]
        error = torch.where(moved, at_chosen, error)
        numeric = torch.where(moved, chosen, numeric)
        crossed = moved & ~curved & ((error <= _ACCEPTABLE * scale) | ~settled)
        # The finer step cannot tell them apart, and the gradient lies between the one-sided derivatives: a kink, or
        # rounding. Elsewhere a smooth point leaves a wrong gradient outside of this interval.
        hidden = ~moved & ((a - levels[1].centred).abs() <= levels[1].bar) & _between(a, first, 0.0)
        aside = crossed | hidden | (at_point & _between(a, levels[1], _ACCEPTABLE * scale))
        aside |= ~torch.isfinite(values).all(0) & torch.isfinite(a)
        confirmed = moved & settled & (error <= _ACCEPTABLE * scale)
        return torch.where(aside, torch.zeros_like(error), error), numeric, aside, aside & ~confirmed

    @staticmethod
    def _kink_at_point(levels: list[Differences]) -> torch.Tensor:
        """Say where the one-sided derivatives differ by as much at finer steps as at h."""
        size = levels[0].jump.abs()
        stays = (levels[1].jump.abs() > 0.5 * size) & (levels[2].jump.abs() > 0.5 * size)
        return stays & (size > 3 * levels[1].bar) & (levels[1].jump.abs() > 3 * levels[1].bar)


def _pairs(levels: list[Differences]) -> list[tuple[Differences, Differences]]:
    return list(itertools.pairwise(levels))


def _between(analytic: torch.Tensor, at: Differences, slack: float) -> torch.Tensor:
    low, high = torch.minimum(at.left, at.right), torch.maximum(at.left, at.right)
    room = 2 * at.bar + slack * torch.maximum(low.abs(), high.abs())
    return (analytic >= low - room) & (analytic <= high + room)
