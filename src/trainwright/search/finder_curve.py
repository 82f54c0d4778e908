"""Reading the curve of losses over rates: the best rate, where the repeats put it, or why there is none. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FLAT = 0.005
"""A rate has done something where it brings the loss down by this share of its start: less is what one batch's loss
differs from the next one's by."""
APART = 1.0
"""Decades by which the best rates of the repeats may differ ..."""
WORSE = 0.05
"""... unless what is best for all costs none of them more than this share, beyond what chance does: then the curve is
broad, and none wrong. The lowest of many noisy losses lies low by two to three times their usual distance."""
SOLVED = 0.001
"""Share of its start below which one loss of classes is as good as another. Where all samples lie on their side, the
loss falls on with every step and every rate, to 0 in float32, and one lucky 0 would outweigh what all others came to on
a logarithmic scale. Cross-entropy at this share is a mean probability of 0.998 for the right one of ten classes."""
SAFE = 10.0
"""Times the lowest rate that does as well as any: far enough from what is too low."""
_TIE = 1e-6  # of the logarithm of a loss: rounding in the smoothing
_FEWEST = 5  # rates with a finite loss, below which a curve has no shape
_WIDTH = 0.2  # decades: the kernel averages a rate with its neighbours at six to a decade, and hardly with the next
_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a curve says: the best rate with its interval, or None with the reason.

    `edge` is -1 or 1 where the lowest loss stands at the lower or upper end of what was tried, else 0. `smoothed` are
    the losses after smoothing, in the order of the rates. `solved` says that all rates of the interval bring the loss
    as far down as counts; the best is then one in their middle, and no more than a decade above what is too low.
    """

    best: float | None
    interval: tuple[float, float] | None
    reason: str
    edge: int = 0
    smoothed: tuple[float, ...] = ()
    solved: bool = False


def read(rates: Sequence[float], losses: Sequence[Sequence[float]], start: float, *, solved: float = 0.0) -> Reading:
    """Return what the losses of each repeat, `losses[repeat][place]`, say of the rising `rates`.

    `start` is the loss before training; a loss above it, or not finite, counts as no better than it. The losses are
    smoothed along the logarithm of the rate, and the mean over the repeats decides. Losses below the share `solved` of
    a start above 0 count as equal, and what costs a repeat no more than `FLAT` is then no disagreement.
    """
    enough = solved * start if solved > 0 and start > 0 else -math.inf
    held = [[max(_held(loss, start), enough) for loss in row] for row in losses]
    healthy = [place for place in range(len(rates)) if all(row[place] < start for row in held)]
    if all(not math.isfinite(loss) for row in losses for loss in row):
        return Reading(best=None, interval=None, reason="the training diverges at every rate that was tried")
    lowest = min(min(row) for row in held)
    if start - lowest <= FLAT * max(abs(start), _FLOOR):
        return Reading(best=None, interval=None, reason=_flat(rates, start, lowest))
    if len(healthy) < _FEWEST:
        return Reading(
            best=None,
            interval=None,
            reason=f"too few rates bring the loss down to tell a shape: {len(healthy)}, and it takes {_FEWEST}",
        )
    raw = [[_scaled(loss, start, lowest) for loss in row] for row in held]
    bottom = _scaled(enough, start, lowest) if lowest == enough else -math.inf
    scaled = [[max(value, bottom) for value in smoothed(rates, medians(row))] for row in raw]
    mean = [sum(column) / len(column) for column in zip(*scaled, strict=True)]
    tie = math.log1p(WORSE) if lowest == enough else _TIE
    ties = _ties(mean, tie)
    place = _inside(rates, ties)
    bests = [_inside(rates, _ties(row, tie)) for row in scaled]
    shown = tuple(_unscaled(value, start, lowest) for value in mean)
    edge = -1 if place == 0 else 1 if place == len(rates) - 1 else 0
    is_solved = len(ties) > 1 and mean[ties[0]] <= bottom + tie
    interval = (rates[ties[0]], rates[ties[-1]]) if is_solved else _interval(rates, [place, *bests])
    best = rates[place] if is_solved else _vertex(rates, mean, place)
    apart = math.log10(rates[max(bests)] / rates[min(bests)])
    costs = (
        row[place] - row[own] - 3 * _noise(values, row)
        for values, row, own in zip(raw, scaled, bests, strict=True)
        if not solved or math.exp(row[place]) - math.exp(row[own]) > FLAT * start
    )
    if apart > APART and max(costs, default=0.0) > math.log1p(WORSE):
        return Reading(
            best=None,
            interval=interval,
            reason=f"the repeats disagree: their best rates lie {apart:.1f} decades apart, from "
            f"{rates[min(bests)]:.2g} to {rates[max(bests)]:.2g}",
            edge=edge,
            smoothed=shown,
        )
    return Reading(best=best, interval=interval, reason="", edge=edge, smoothed=shown, solved=is_solved)


def smoothed(rates: Sequence[float], values: Sequence[float]) -> list[float]:
    """Return `values` averaged along the logarithm of `rates`, each with its neighbours by a normal curve.

    A local line is fitted, not a local mean: at the ends, and where the rates stand unevenly, a mean would tilt.
    """
    places = [math.log10(rate) for rate in rates]
    result = []
    for centre in places:
        weights = [math.exp(-0.5 * ((place - centre) / _WIDTH) ** 2) for place in places]
        total = sum(weights)
        offset = sum(w * (p - centre) for w, p in zip(weights, places, strict=True)) / total
        level = sum(w * v for w, v in zip(weights, values, strict=True)) / total
        spread = sum(w * (p - centre - offset) ** 2 for w, p in zip(weights, places, strict=True))
        lean = sum(w * (p - centre - offset) * v for w, p, v in zip(weights, places, values, strict=True))
        result.append(level - (offset * lean / spread if spread > _FLOOR else 0.0))
    return result


def medians(values: Sequence[float]) -> list[float]:
    """Return the median of each value and its two neighbours: where training is chaotic, a single rate may be lucky."""
    inner = [sorted(values[place - 1 : place + 2])[1] for place in range(1, len(values) - 1)]
    return [values[0], *inner, values[-1]]


def _held(loss: float, start: float) -> float:
    return loss if loss < start else start


def _scaled(loss: float, start: float, lowest: float) -> float:
    """Return the loss on a scale on which equal ratios are equal distances, also where losses may be negative."""
    return math.log(loss) if lowest > 0 else math.log((loss - lowest) / (start - lowest) + WORSE)


def _unscaled(value: float, start: float, lowest: float) -> float:
    return math.exp(value) if lowest > 0 else lowest + (math.exp(value) - WORSE) * (start - lowest)


def _ties(curve: Sequence[float], tie: float) -> list[int]:
    """Return the places around a lowest one, without a gap, that are as low up to `tie`."""
    low = high = min(range(len(curve)), key=curve.__getitem__)
    top = curve[low] + tie
    while high + 1 < len(curve) and curve[high + 1] <= top:
        high += 1
    while low > 0 and curve[low - 1] <= top:
        low -= 1
    return list(range(low, high + 1))


def _inside(rates: Sequence[float], ties: Sequence[int]) -> int:
    """Return the place among equals that is furthest from both ends, and within `SAFE` of the lower one.

    How high one can go says little where nothing more can be gained.
    """
    return [place for place in ties[: len(ties) // 2 + 1] if rates[place] <= SAFE * rates[ties[0]] * (1 + _TIE)][-1]


def _noise(values: Sequence[float], curve: Sequence[float]) -> float:
    """Return by how much single values lie off the smooth curve: their median distance, which a cliff does not move."""
    distances = sorted(abs(value - level) for value, level in zip(values, curve, strict=True))
    return distances[len(distances) // 2]


def _interval(rates: Sequence[float], places: Sequence[int]) -> tuple[float, float]:
    """Return from where to where the best rates lie: half-way to the neighbours that are worse for all repeats."""
    first, last = min(places), max(places)
    low = math.sqrt(rates[first] * rates[first - 1]) if first > 0 else rates[first]
    high = math.sqrt(rates[last] * rates[last + 1]) if last < len(rates) - 1 else rates[last]
    return low, high


def _vertex(rates: Sequence[float], mean: Sequence[float], place: int) -> float:
    """Return the lowest place of the parabola through the lowest point and its neighbours, no further than half-way."""
    if not 0 < place < len(rates) - 1:
        return rates[place]
    x0, x1, x2 = (math.log10(rate) for rate in rates[place - 1 : place + 2])
    y0, y1, y2 = mean[place - 1 : place + 2]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    if right - left <= _FLOOR:
        return rates[place]
    vertex = (x0 + x1) / 2 - left * (x2 - x0) / 2 / (right - left)
    return 10 ** min(max(vertex, (x0 + x1) / 2), (x1 + x2) / 2)


def _flat(rates: Sequence[float], start: float, lowest: float) -> str:
    return (
        f"the loss is flat: no rate from {rates[0]:.2g} to {rates[-1]:.2g} brings it down from {start:.4g} "
        f"by more than {100 * (start - lowest) / max(abs(start), _FLOOR):.2g} %"
    )
