"""What the training loss tells without the training: no longer a number, lost, stuck at a guess, or flat."""

from __future__ import annotations

import math

from trainwright.doctor.curve_shapes import known_evaluations, low, middle, roughness, span
from trainwright.doctor.kinds_generalisation import UNDERFITTING
from trainwright.doctor.kinds_numbers import NON_FINITE_LOSS
from trainwright.doctor.kinds_rate import LEARNING_RATE_TOO_HIGH, PLATEAU
from trainwright.doctor.series import finite, slope
from trainwright.records import Chart, Evidence, Finding, Remedy

DIVERGED = 3.0
"""A loss this many times that of the start has diverged; G2 and the rule of a full chart say the same."""
LOST, LOST_OF_START = 2.0, 0.5
"""A loss back at twice its best level and at half of its start was lost again: a ripple is neither."""
FEWEST_FOR_LOST = 50
FLAT_WITH_RATE, FLAT_WITHOUT = 0.2, 0.5
"""Share of the run without slope that makes a plateau; longer where the rate is not known to be still at work."""
BEGUN, ARRIVED = 0.95, 0.1
"""Shares of the first loss between which a flat loss is a plateau: above it has not begun, below it is done."""
AT_CHANCE, OF_CHANCE = 0.005, 0.05
"""How near to ln(classes) a loss must end, and have begun, to be called that of a guess."""
USUAL_CLASSES = (2, 3, 4, 5, 10, 100, 1000)
"""Without an accuracy only these are thought of: the logarithms of all numbers lie so dense that one is always near."""


def diverged(chart: Chart) -> Finding | None:
    """The loss grew to three times its start, or until it was no number (error), or was lost again (warning)."""
    losses = [record.loss for record in chart.steps]
    bad = next((place for place, loss in enumerate(losses) if not math.isfinite(loss)), None)
    before = losses if bad is None else losses[:bad]
    if not before or before[0] <= 0:
        return None
    recent = before[-span(len(before)) :]
    grown = [loss for loss in before[-3:] if loss > DIVERGED * before[0]]
    if bad is not None and grown:
        record = chart.steps[bad]
        evidence = (
            Evidence(name="the loss was no longer finite, step", value=record.step),
            Evidence(name="training loss before", value=before[-1], threshold=DIVERGED * before[0]),
            Evidence(name="at the start", value=before[0]),
        )
        return _too_high(chart, record.step, evidence, lost=False)
    if bad is not None:
        return None
    held = known_evaluations(chart)
    # The first loss may be low by the luck of its batch: its noise, on the scale of ratios, is allowed for.
    luck = math.exp(2 * roughness([math.log(loss) for loss in before if loss > 0]))
    if min(low(recent), middle(recent)) > DIVERGED * luck * before[0]:
        if held and held[-1].loss <= DIVERGED * before[0]:
            return None  # data it has not seen contradict: the training loss was changed on the way, or is a sum
        step = next(record.step for record in chart.steps if record.loss > DIVERGED * before[0])
        evidence = (
            Evidence(name="training loss at the end", value=middle(recent), threshold=DIVERGED * before[0]),
            Evidence(name="at the start", value=before[0]),
        )
        return _too_high(chart, step, evidence, lost=False)
    return _lost_again(chart, losses)


def _lost_again(chart: Chart, losses: list[float]) -> Finding | None:
    size = span(len(losses))
    if len(losses) < FEWEST_FOR_LOST:
        return None
    levels = {start: middle(losses[start : start + size]) for start in range(0, len(losses) - size + 1, size)}
    best = min(levels, key=lambda start: levels[start])
    recent, start = losses[-size:], middle(losses[:size])
    if not (low(recent) > LOST * levels[best] and middle(recent) >= LOST_OF_START * start):
        return None
    rates = chart.steps[best].rate, chart.steps[-1].rate
    if all(map(math.isfinite, rates)) and rates[1] > 1.05 * rates[0]:
        return None  # a cycle on its way up: it will come down again
    evidence = (
        Evidence(name="training loss at the end", value=middle(recent), threshold=LOST * levels[best]),
        Evidence(name="at its lowest", value=levels[best], step=chart.steps[best].step),
        Evidence(name="at the start", value=start),
    )
    return _too_high(chart, chart.steps[-size].step, evidence, lost=True)


def _too_high(chart: Chart, step: int, evidence: tuple[Evidence, ...], *, lost: bool) -> Finding:
    rate = chart.info.setting("optimizer.lr")
    known = f": {rate:g} to {rate / 10:.2g}" if isinstance(rate, int | float) and rate > 0 else ""
    return LEARNING_RATE_TOO_HIGH.finding(
        severity="warning" if lost else "error",
        title="what was learnt is lost again" if lost else "the learning rate is too high: training diverged",
        because="a loss that falls and then rises for good has mostly met steps that are too long for where it is; a "
        "change of data or of the loss on the way would look the same"
        if lost
        else LEARNING_RATE_TOO_HIGH.because,
        where=chart.info.where("optimizer.lr"),
        step=step,
        evidence=evidence,
        remedies=(Remedy(text=f"lower the learning rate tenfold{known}; or clip the gradient, and warm up"),),
        confidence=0.6 if lost else 0.9,
    )


def not_finite(chart: Chart) -> Finding | None:
    """Exact: a logged loss is NaN or infinite; or the norm of the gradient is, and stays so."""
    for record in chart.steps:
        if not math.isfinite(record.loss):
            evidence = [Evidence(name="loss", value=record.loss, step=record.step)]
            after = [later.loss for later in chart.steps if later.step > record.step]
            if after:
                healed = len(finite(after))
                evidence.append(Evidence(name="losses logged after it that are numbers", value=healed))
            return _not_finite("loss", record.step, tuple(evidence))
    norms = [record for record in chart.steps if record.gradient_norm is not None]
    lost = [record for record in norms if not math.isfinite(record.gradient_norm or 0.0)]
    # A scaler that looks for its scale leaves single infinities: those that stay are meant.
    if len(norms) < 3 or any(math.isfinite(record.gradient_norm or 0.0) for record in norms[-3:]):
        return None
    evidence = (Evidence(name="gradient norm", value=norms[-1].gradient_norm or 0.0, step=norms[-1].step),)
    return _not_finite("gradient", lost[0].step, evidence)


def _not_finite(what: str, step: int, evidence: tuple[Evidence, ...]) -> Finding:
    return NON_FINITE_LOSS.finding(
        title=f"the {what} is not finite",
        because="once a weight is NaN it stays NaN, and everything computed from it",
        step=step,
        evidence=evidence,
        remedies=(
            Remedy(text="run the script again as `trainwright run SCRIPT`: it names the operation, and file and line"),
        ),
    )


def plateau(chart: Chart) -> Finding | None:
    """No slope that its noise would let one see, over a fifth of the run; over half where the rate is not known."""
    losses = [record.loss for record in chart.steps]
    rates = finite([record.rate for record in chart.steps])
    size = int((FLAT_WITH_RATE if rates else FLAT_WITHOUT) * len(losses))
    start, window = middle(losses[: span(len(losses))]), losses[-size:]
    if size < 8 or len(finite(window)) < size or (rates and rates[-1] < 0.5 * max(rates)):
        return None
    now, (change, error) = middle(window), slope(window)
    if not ARRIVED * start < now < BEGUN * start or change < -max(2 * error, 0.01 * now):
        return None
    return PLATEAU.finding(
        because="over this part of the run the loss has no slope that its noise would let one see",
        step=chart.steps[-size].step,
        evidence=(
            Evidence(name=f"change of the training loss over the last {size} points", value=change),
            Evidence(name="noise of that change", value=error),
            Evidence(name="training loss", value=now, step=chart.steps[-1].step),
        ),
        remedies=(Remedy(text="lower the learning rate tenfold, or let it decay; or else stop earlier"),),
        confidence=0.6,
    )


def stuck_at_chance(chart: Chart) -> Finding | None:
    """The loss stands, from start to end, at the logarithm of a number of classes: it answers by guessing."""
    losses = [record.loss for record in chart.steps]
    size = span(len(losses))
    late = losses[-max(size, len(losses) // 2) :]
    start, now = middle(losses[:size]), middle(late)
    right = [record.metrics["accuracy"] for record in chart.evals if "accuracy" in record.metrics]
    if len(losses) < 8 or not 0.5 < now < 8:
        return None
    classes = round(math.exp(now))
    tolerance = AT_CHANCE * 2 if right else AT_CHANCE
    chance = math.log(classes)
    # Of noisy losses the median itself is not known so well, and would be near to something by luck.
    if roughness(late) * 1.25 / math.sqrt(len(late)) > tolerance * chance:
        return None
    if abs(now - chance) > tolerance * chance or abs(start - chance) > OF_CHANCE * chance:
        return None
    if right:
        known = finite(right[-3:])
        if not known or any(abs(share - 1 / classes) > max(0.02, 0.3 / classes) for share in known):
            return None
    elif classes not in USUAL_CLASSES:
        return None
    evidence = [
        Evidence(name="training loss", value=now, step=chart.steps[-1].step),
        Evidence(name=f"loss of a guess among {classes} equal classes", value=chance),
    ]
    if right:
        evidence.append(Evidence(name="accuracy", value=right[-1], threshold=1 / classes))
    return UNDERFITTING.finding(
        title="the network guesses: its loss is that of equal chances, from start to end",
        because="a classifier that ignores its input, and spreads its bets evenly, has exactly this loss",
        where=chart.info.where("optimizer.lr"),
        step=chart.steps[-1].step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="make five samples be memorised first: `trainwright verify`, or `trainwright run SCRIPT`"),
        ),
        confidence=0.8,
    )
