"""The classic learning-rate test (Smith 2017): one training in which the rate rises, and where its loss falls fastest.

It confounds the rate with time and with the weights that lower rates have made, so that it gives a rough answer. What
the usual versions get wrong is avoided: the loss is smoothed on both sides, so that it does not lag behind the rate,
and the slope is taken against the logarithm of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from trainwright.interruption import poll
from trainwright.randomness import isolated
from trainwright.records.learning_rate import LearningRate, RatePoint
from trainwright.search.finder_curve import APART, FLAT
from trainwright.search.finder_trials import Question, at_rate
from trainwright.stacked.loop_array import LoopArray

LOW, HIGH = 1e-7, 1e2
STEPS = 200
"""Updates of a sweep: twenty and more for each decade."""
FEWEST = 50
"""Updates below which a sweep tells nothing: between two of them the rate would jump by more than half again."""
BLOWN = 4.0
"""The sweep ends where the loss is so many times as far above its start as it has fallen, and above twice its start."""
EDGE = 0.1
"""The first and the last tenth of the fall are left out: there a single batch may look like a cliff."""
_WIDTH = 0.15  # decades: the half-width of the smoothing
_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The losses of one sweep, raw, and where they fall fastest, None with the reason where they do not."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    steepest: float | None
    reason: str = ""


def sweep(question: Question, *, repeats: int, steps: int | None = None) -> LearningRate:
    """Return the rate at which the loss falls fastest while the rate rises, or none, with the reason."""
    count = STEPS if steps is None else steps
    swept = [_swept(question, repeat, count) for repeat in range(repeats)]
    found = [each.steepest for each in swept if each.steepest is not None]
    start = swept[0].losses[0]
    suggestion: float | None = None
    interval = (min(found), max(found)) if found else None
    if len(found) < len(swept):
        reason = next(each.reason for each in swept if each.steepest is None)
    elif math.log10(max(found) / min(found)) > APART:
        reason = (
            f"the repeats disagree: the loss falls fastest at {min(found):.2g} in one, at {max(found):.2g} in another"
        )
    else:
        suggestion, reason = math.exp(sum(map(math.log, found)) / len(found)), ""
    rates = max((each.rates for each in swept), key=len)
    return LearningRate(
        suggestion=suggestion,
        interval=interval,
        curve=tuple(_point(swept, place, rate) for place, rate in enumerate(rates)),
        reason=reason,
        method="sweep",
        optimizer=question.optimizer,
        judged_by="the training loss while the rate rises",
        loss_at_start=start,
        steps=count,
        planned_steps=question.planned_steps,
        repeats=repeats,
        seed=question.seed,
        notes=question.notes,
    )


def _point(swept: Sequence[Swept], place: int, rate: float) -> RatePoint:
    losses = [each.losses[place] if place < len(each.losses) else math.inf for each in swept]
    return RatePoint(rate=rate, loss=sum(losses) / len(losses), losses=tuple(losses))


def _swept(question: Question, repeat: int, steps: int) -> Swept:
    """Train once while the rate rises from `LOW` to `HIGH`, by the same factor from step to step."""
    rates = [LOW * (HIGH / LOW) ** (step / max(steps - 1, 1)) for step in range(steps)]
    member = replace(
        at_rate(question.member(repeat), 1.0),
        rate=lambda step: rates[min(step, steps - 1)],
        seed=question.seed + repeat,
    )
    losses: list[float] = []
    with isolated(), torch.enable_grad():
        array = LoopArray([member])
        for _, (x, y) in zip(range(steps), question.batches(repeat), strict=False):
            poll()
            losses.append(float(array.step(x, y)))
            if array.frozen or _blown(losses):
                break
    return judged(rates[: len(losses)], losses, steps)


def judged(rates: Sequence[float], losses: Sequence[float], steps: int) -> Swept:
    """Return where the losses of a sweep of `steps` updates fall fastest in the logarithm of the rate, or why nowhere.

    A sweep that ended early, since the loss blew up, has fewer losses than `steps`.
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    raw = Swept(rates=tuple(rates), losses=tuple(losses), steepest=None)
    if steps < FEWEST or len(finite) < FEWEST // 2:
        return replace(
            raw, reason=f"too few points: {len(finite)} finite losses of {steps} steps, and it takes {FEWEST}"
        )
    places = [math.log10(rate) for rate in rates[: len(finite)]]
    smooth = [_centred(places, finite, centre) for centre in places]
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    calm = places[0] + 1.0  # in the first decade nothing has moved yet: its losses say how loud the batches are
    quiet = [value for place, value in zip(places, finite, strict=True) if place <= calm]
    level = sum(quiet) / len(quiet)
    noise = (sum((value - level) ** 2 for value in quiet) / max(len(quiet) - 1, 1)) ** 0.5
    if level - smooth[lowest] <= max(FLAT * max(abs(level), _FLOOR), noise):
        return replace(
            raw, reason=f"the loss never falls below what its batches differ by, {noise:.2g} around {level:.4g}"
        )
    slopes = [_slope(places, finite, centre) for centre in places]
    fall = level - smooth[lowest]
    within = [place for place in range(lowest + 1) if EDGE * fall <= level - smooth[place] <= (1 - EDGE) * fall]
    steepest = min(within or [lowest], key=slopes.__getitem__)
    if steepest in (0, len(places) - 1):
        return replace(raw, reason=f"the loss falls fastest at the end of what was tried, {rates[steepest]:.2g}")
    return replace(raw, steepest=rates[steepest])


def _blown(losses: Sequence[float]) -> bool:
    """Say whether the loss has left for good; three in a row, since one batch may be an odd one."""
    if len(losses) < 5:
        return False
    start, lowest = losses[0], min(losses)
    limit = start + max(BLOWN * (start - lowest), abs(start))
    return min(losses[-3:]) > limit


def _centred(places: Sequence[float], values: Sequence[float], centre: float) -> float:
    weights = [max(0.0, 1 - abs(place - centre) / (2 * _WIDTH)) for place in places]
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def _slope(places: Sequence[float], values: Sequence[float], centre: float) -> float:
    """Return the slope of the line through the losses near `centre`, weighted by how near they are."""
    weights = [max(0.0, 1 - abs(place - centre) / (3 * _WIDTH)) for place in places]
    total = sum(weights)
    mean = sum(w * p for w, p in zip(weights, places, strict=True)) / total
    spread = sum(w * (p - mean) ** 2 for w, p in zip(weights, places, strict=True))
    lean = sum(w * (p - mean) * v for w, p, v in zip(weights, places, values, strict=True))
    return lean / spread if spread > _FLOOR else 0.0
