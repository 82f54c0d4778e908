"""Weights that hardly move: a learning rate that is too low by orders of magnitude. Sources: G2, chapter 3; G3.

The sum of the update ratios |update| / |weight| over a run bounds how far its weights can have come. Where that is next
to nothing, and the loss is still that of a guess, the rate is the reason, whatever the network could learn. What looks
the same and is not: the foot of a warmup (the rate still rises), fine-tuning (the loss begins low), gradients that
vanish (no usual rate would bring the updates to a usual size), and a plateau at the start (its weights do move, or a
step ten times as long gains nothing).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from trainwright.doctor.kinds_rate import LEARNING_RATE_TOO_LOW
from trainwright.doctor.remedies import change_rate
from trainwright.doctor.series import level, mean, tail
from trainwright.records import Chart, Evidence, Finding, StepProbe, StepRecord

STILL = 0.02
"""Weights that moved by less than this share of their size, all updates laid end to end, are those of the start."""
SLOW = 0.2
"""And by less than this, where steps ten times as long were tried and each gained ten times as much."""
STRAIGHT = 9.0
"""Gain of a step ten times as long, in gains of the step made, on a slope without any curve that could be seen."""
RESOLVED = 1e-5
"""Gains below this share of the loss drown in the rounding of float32, and tell nothing."""
FEWEST_PROBES = 4
NO_PROGRESS = 0.95
"""A loss above this share of the constant predictor's has learnt nothing; fine-tuning begins far below."""
FEWEST, FEWEST_AT_THE_END = 200, 100
"""Steps before a run may be called standing: fewer where it is over, and nothing more will come."""
LATE = 0.75
"""Share of the planned run before which a rate that is not constant is not judged."""
USUAL = 1e-3
"""The ratio of update to weight that training is usually at home with."""
SENSIBLE = 1.0
"""Where no rate below this would bring the updates there, it is the gradient that is too small."""


def weights_stand_still(chart: Chart) -> Finding | None:
    """The updates of the whole run add up to next to nothing, and the loss is still that of a guess."""
    constant, steps = chart.info.constant_loss, chart.steps
    known = [record for record in steps if record.update_ratio is not None]
    if constant is None or constant <= 0 or len(known) < FEWEST_PROBES or not _long_enough(chart):
        return None
    ratio = mean([record.update_ratio or 0.0 for record in known])
    path, recent, straight = ratio * len(steps), level(tail(steps, 0.1, 20)), _straight(steps)
    if straight is not None and straight < STRAIGHT:
        return None  # longer steps were tried, and would not have helped
    far = STILL if straight is None else SLOW
    if not 0 < path < far or not recent >= NO_PROGRESS * constant:
        return None
    factor = 10.0 ** max(1, round(math.log10(USUAL / ratio)))
    if known[-1].rate * factor > SENSIBLE:
        return None
    evidence = [
        Evidence(name="mean ratio of an update to the weights", value=ratio, threshold=USUAL),
        Evidence(name="all updates together, in sizes of the weights", value=path, threshold=far),
        Evidence(name="recent training loss", value=recent, threshold=NO_PROGRESS * constant, step=steps[-1].step),
        Evidence(name="loss of a constant guess", value=constant),
    ]
    if straight is not None:
        name = "gain of a step ten times as long, in gains of the step made"
        evidence.insert(2, Evidence(name=name, value=straight, threshold=STRAIGHT))
    return LEARNING_RATE_TOO_LOW.finding(
        because="the updates are so small that the weights are still nearly those of the start, and so is the loss",
        where=chart.info.where("optimizer.lr", "optimizer.name"),
        step=steps[-1].step,
        evidence=tuple(evidence),
        remedies=(change_rate(chart.info, f"raise the learning rate about {factor:,.0f} times", factor=factor),),
        confidence=0.9,
    )


def _long_enough(chart: Chart) -> bool:
    """Say whether the run had its time: a rate that still rises, or has yet to, belongs to a warmup."""
    steps, planned = chart.steps, chart.info.planned_steps or 0
    over = chart.info.loop is not None and chart.info.loop.finished
    if len(steps) < (FEWEST_AT_THE_END if over else FEWEST):
        return False
    rates = [record.rate for record in steps]
    if rates[-1] >= 0.99 * max(rates) > 1.05 * rates[len(rates) // 2]:
        return False
    return len(steps) >= LATE * planned or min(rates) >= 0.99 * max(rates) > 0


def _straight(steps: Sequence[StepRecord]) -> float | None:
    """Return the median gain of a tenfold step in gains of the step made, where rounding lets them be told."""
    known = [_gain(record.probe) for record in steps if record.probe is not None]
    told = [gain for gain in known if gain is not None]
    return statistics.median(told) if len(told) >= FEWEST_PROBES else None


def _gain(probe: StepProbe) -> float | None:
    """Return the gain of a tenfold step in gains of the step made, -1 where that gained nothing."""
    furthest = probe.same if probe.tenfold is None else probe.tenfold
    if not abs(probe.before - furthest) > RESOLVED * probe.before:
        return None
    gained = probe.before - probe.same
    return (probe.before - furthest) / gained if gained > 0 and math.isfinite(furthest) else -1.0
