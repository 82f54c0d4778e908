"""The learning rate. Sources: G2, chapters 3 and 4.

The thresholds were fitted on half of the runs of a grid over tasks, optimizers, rates and seeds, and are reported on
the other half by `benchmarks/doctor_rules.py`. Both rules rest on probes: the same batch's loss after a tenth, once and
ten times the update made. They compare with the loss of the best constant predictor, so need no other scale.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence

from trainwright.doctor.kinds_rate import LEARNING_RATE_TOO_HIGH, LEARNING_RATE_TOO_LOW
from trainwright.doctor.rate_stillness import weights_stand_still
from trainwright.doctor.remedies import change_rate
from trainwright.doctor.rule import Rule
from trainwright.doctor.series import finite, level, mean, tail
from trainwright.records import Chart, Event, Evidence, Finding, StepProbe, StepRecord

DIVERGED_FACTOR = 3.0
"""A loss this many times that of the start and of a constant guess has diverged, though it may still be finite."""
LOWER_END = 0.1
"""Share of the last batches that may cost less than the first one did: where more do, batches differ, and the first was
a cheap one."""
NO_PROGRESS = 0.95
"""A loss above this share of the constant predictor's has learnt nothing."""
LITTLE_PROGRESS = 0.3
"""A loss above this share of the constant predictor's is far from done."""
OVERSHOOT, LARGE_OVERSHOOT = 0.02, 0.2
"""Rise of a batch's own loss by its own update, as a share of the constant predictor's loss."""
FEWEST_STEPS = 100
"""Before this a run that will recover cannot be told from one that will not."""
FEWEST_AT_THE_END = 20
"""A run that was planned to be short can be told from this on, where an update has shown a large overshoot."""
FEWEST_IN_A_LOOP = 400
"""In a loop whose length nobody has told, a run that ends before may simply be a short one."""
BLOWN_UP, BLOWN_UP_STEPS = 10.0, 5
"""A loss so many times that of a constant guess, over so many steps, was thrown there, however short the run."""
LOST = 2.0
"""A loss this many times its own best, over a tenth of the run each, was lost again."""
STRAIGHT = 7.0
"""A step ten times as long gains at least this many times as much: the loss falls nearly in a straight line."""
STEADY = 0.1
"""Progress for the same sum of rates in the second half of the run, over that in the first."""
STILL_FAR = 0.25
"""A loss below this share of the constant predictor's has come far enough, whatever the rate."""
LATE = 0.75
"""Share of the planned run before which a rate is not called too low."""
CARRIES_OVER = 0.5
"""Share of that progress that the validation loss must have made too: longer steps would not help memorising."""
WALKED, ARRIVED = 0.25, 0.15
"""Steps that gained so much of the constant predictor's loss on their own batches are not short; where less than this
share of it is left in later batches, each batch undoes what the last one taught.
"""


def learning_rate_too_high(chart: Chart) -> Finding | None:
    """Diverged (error); hovering at a constant guess, thrown about far above the minimum, or back up (warning)."""
    steps = chart.steps
    worst = _overshoot(steps)
    bad = next((record for record in steps if not _is_finite(record)), None)
    reference = max(steps[0].loss, chart.info.constant_loss or steps[0].loss)
    repaired = next((event for event in chart.events if _went_back(event)), None)
    if repaired is not None and repaired.detail.get("grown"):
        cause = Evidence(name=str(repaired.detail.get("cause")), value=True, step=repaired.step)
        title = "the learning rate is too high: training diverged"
        return _too_high(chart, title, repaired.step, [cause, *_grew(chart, _loss_before(steps, repaired.step))], worst)
    if bad is not None:
        before = [record for record in steps if record.step < bad.step]
        grown = max((abs(record.loss) for record in before[-20:]), default=0.0)
        jumped = worst is not None and not worst[1] < reference
        if not math.isfinite(reference) or not before or not (grown > DIVERGED_FACTOR * abs(reference) or jumped):
            return None  # nothing grew: some operation made the number, and that has a rule of its own
        return _too_high(
            chart,
            "the learning rate is too high: training diverged",
            bad.step,
            [
                Evidence(name="the loss or the gradient was no longer finite, step", value=bad.step),
                *_grew(chart, grown),
            ],
            worst,
        )
    recent = level(tail(steps, 0.1, 20))
    # What a loss that nobody knows grows with may be its targets, as returns do: then an update must have shown it.
    own = chart.info.loop is None or bool(chart.info.loss) or (worst is not None and not worst[1] < reference)
    grown = reference > 0 and recent > DIVERGED_FACTOR * reference and _lower_end(steps) > reference
    if own and len(steps) >= FEWEST_STEPS // 2 and grown:
        title = "the learning rate is too high: training diverged"
        return _too_high(chart, title, steps[-1].step, _grew(chart, recent), worst)
    constant = chart.info.constant_loss
    if constant is None or constant <= 0 or worst is None:
        return None
    highest = _highest_level(steps)
    if highest > BLOWN_UP * constant and recent >= NO_PROGRESS * constant and worst[1] >= LARGE_OVERSHOOT * constant:
        evidence = [
            Evidence(name="training loss at its highest", value=highest, threshold=BLOWN_UP * constant),
            Evidence(name="recent training loss", value=recent, threshold=NO_PROGRESS * constant, step=steps[-1].step),
            Evidence(name="loss of a constant guess", value=constant),
        ]
        return _too_high(chart, LEARNING_RATE_TOO_HIGH.title, worst[0].step, evidence, worst)
    over = len(steps) >= (chart.info.planned_steps or math.inf)  # a short run that has ended will not recover any more
    least = LARGE_OVERSHOOT if len(steps) < FEWEST_STEPS else OVERSHOOT
    if len(steps) < FEWEST_STEPS and not (over and len(steps) >= FEWEST_AT_THE_END):
        return None
    lowest = _best_level(steps)
    lost = recent >= LOST * lowest
    spiky = mean(finite([record.loss for record in tail(steps, 0.1, 20)]))  # a median does not see single leaps
    hovers = recent >= NO_PROGRESS * constant and worst[1] >= least * constant
    thrown = spiky >= LITTLE_PROGRESS * constant and worst[1] >= LARGE_OVERSHOOT * constant
    fallen_back = lost and recent >= LITTLE_PROGRESS * constant and worst[1] >= OVERSHOOT * constant
    if not (hovers or thrown or fallen_back):
        return None
    share = NO_PROGRESS if hovers else LITTLE_PROGRESS
    evidence = [
        Evidence(
            name="recent training loss",
            value=spiky if thrown and not hovers else recent,
            threshold=share * constant,
            step=steps[-1].step,
        ),
        Evidence(name="loss of a constant guess", value=constant),
    ]
    if lost:
        evidence.append(Evidence(name="training loss at its lowest", value=lowest))
    return _too_high(chart, LEARNING_RATE_TOO_HIGH.title, worst[0].step, evidence, worst)


def _lower_end(steps: Sequence[StepRecord]) -> float:
    """Return the loss that nearly all of the last batches exceed."""
    losses = sorted(finite([record.loss for record in tail(steps, 0.1, 20)]))
    return losses[int(LOWER_END * len(losses))] if losses else math.inf


def learning_rate_too_low(chart: Chart) -> Finding | None:
    """Every step could have been ten times as long, and the run is still on its way down at its first pace.

    Or the weights stand still, which is seen earlier.
    """
    still = weights_stand_still(chart)
    if still is not None:
        return still
    constant, steps = chart.info.constant_loss, chart.steps
    probed = [record for record in steps if record.probe is not None]
    late = probed[-max(8, len(probed) // 2) :]
    fewest = 2 * FEWEST_STEPS if chart.info.loop is None else FEWEST_IN_A_LOOP
    if constant is None or constant <= 0 or len(steps) < fewest or len(late) < 8:
        return None
    if len(steps) < LATE * (chart.info.planned_steps or 0):
        return None  # a warmup is allowed to be slow, and noisy data look as if they were still being learnt
    straight = statistics.median(_straightness(record.probe) for record in late if record.probe is not None)
    start, middle, end = (_at_rate(steps, share) for share in (0.05, 0.5, 0.95))
    if not (straight >= STRAIGHT and end >= STILL_FAR * constant):
        return None
    gained, gaining = start - middle, middle - end
    moved = gained > 0.02 * constant
    if moved and (gaining < STEADY * gained or not _validation_follows(chart, gaining)):
        return None  # it slows down by itself, or learns what does not carry over: it is arriving
    walked = _walked(steps)
    if walked > WALKED * constant and gaining < ARRIVED * walked:
        return None  # the steps are long enough: what is left is noise, or cannot be learnt this way
    if not moved and (abs(start - end) > 0.1 * constant or abs(end - constant) > 0.15 * constant):
        return None
    if _validation_rise(chart) > 0.02 * constant:
        return None  # something moved the network, and for the worse
    evidence = [
        Evidence(
            name="gain of a step ten times as long, in gains of the step made", value=straight, threshold=STRAIGHT
        ),
        Evidence(name="recent training loss", value=end, threshold=STILL_FAR * constant, step=steps[-1].step),
        Evidence(name="loss of a constant guess", value=constant),
    ]
    if moved:
        name = "gain in the second half of the run, in gains of the first"
        evidence.insert(1, Evidence(name=name, value=gaining / gained, threshold=STEADY))
    return LEARNING_RATE_TOO_LOW.finding(
        where=chart.info.where("optimizer.lr", "optimizer.name"),
        step=steps[-1].step,
        evidence=tuple(evidence),
        remedies=(change_rate(chart.info, "raise the learning rate", factor=10),),
        confidence=0.8,
    )


def _validation_follows(chart: Chart, gaining: float) -> bool:
    """Say whether the validation loss fell as well in the second half."""
    records = chart.evaluations("validation")
    if len(records) < 4:
        return True
    middle = _middle(chart.steps)
    then = min(records, key=lambda record: abs(record.step - middle))
    return then.loss - records[-1].loss >= CARRIES_OVER * gaining


def _validation_rise(chart: Chart) -> float:
    """Return by how much the validation loss rose from the first evaluation to the last."""
    records = chart.evaluations("validation")
    return records[-1].loss - records[0].loss if records else 0.0


def _walked(steps: Sequence[StepRecord]) -> float:
    """Return the sum of what the updates of the second half gained on their own batches, as far as they were probed."""
    middle = _middle(steps)
    second = [record for record in steps if record.step >= middle]
    gains = finite([record.probe.before - record.probe.same for record in second if record.probe is not None])
    return mean(gains) * len(second)


def _middle(steps: Sequence[StepRecord]) -> int:
    """Return the step by which half of the sum of all rates is spent: schedules cancel out."""
    half = sum(record.rate for record in steps) / 2
    spent = itertools.accumulate(record.rate for record in steps)
    return next((record.step for record, sofar in zip(steps, spent, strict=True) if sofar >= half), 0)


def _too_high(
    chart: Chart, title: str, step: int, evidence: list[Evidence], worst: tuple[StepRecord, float] | None
) -> Finding:
    diverged = title != LEARNING_RATE_TOO_HIGH.title
    info = chart.info
    if worst is not None and worst[1] > 0:
        record, rise = worst
        name = "an update raised the loss of its own batch by"
        evidence.append(Evidence(name=name, value=rise, step=record.step))
        tenth = None if record.probe is None else record.probe.tenth
        if record.probe is not None and tenth is not None and tenth < record.probe.before:
            name = "a tenth of that update would have lowered it by"
            evidence.append(Evidence(name=name, value=record.probe.before - tenth, step=record.step))
    return LEARNING_RATE_TOO_HIGH.finding(
        severity="error" if diverged else "warning",
        title=title,
        where=info.where("optimizer.lr", "optimizer.name"),
        step=step,
        evidence=tuple(evidence),
        remedies=(change_rate(info, "lower the learning rate", factor=0.1 if diverged else 1 / 3),),
        confidence=0.95 if diverged else 0.8,
    )


def _went_back(event: Event) -> bool:
    """Say whether the run went back to earlier weights: what had grown does not show at its end any more."""
    return event.name == "repair" and event.detail.get("action") == "go back" and bool(event.detail.get("applied"))


def _loss_before(steps: Sequence[StepRecord], step: int) -> float:
    return level([record for record in steps if record.step <= step][-20:])


def _grew(chart: Chart, loss: float) -> list[Evidence]:
    evidence = [
        Evidence(name="training loss before the end", value=loss),
        Evidence(name="at the start", value=chart.steps[0].loss),
    ]
    constant = chart.info.constant_loss
    return evidence if constant is None else [*evidence, Evidence(name="loss of a constant guess", value=constant)]


def _is_finite(record: StepRecord) -> bool:
    return math.isfinite(record.loss) and (record.gradient_norm is None or math.isfinite(record.gradient_norm))


def _overshoot(steps: Sequence[StepRecord]) -> tuple[StepRecord, float] | None:
    """Return the probed step whose update raised its own batch's loss the most, and by how much; NaN counts as most."""
    rises = [
        (record, record.probe.same - record.probe.before if math.isfinite(record.probe.same) else math.inf)
        for record in steps
        if record.probe is not None and math.isfinite(record.probe.before)  # else nothing was raised by the update
    ]
    return max(rises, key=lambda item: item[1]) if rises else None


def _highest_level(steps: Sequence[StepRecord]) -> float:
    """Return the highest level of the training loss over a few steps: a single leap is none."""
    size = BLOWN_UP_STEPS
    return max(
        finite([level(steps[start : start + size]) for start in range(0, len(steps) - size + 1, size)]),
        default=-math.inf,
    )


def _best_level(steps: Sequence[StepRecord]) -> float:
    """Return the lowest level of the training loss over a tenth of the run."""
    size = max(20, len(steps) // 10)
    return min(
        finite([level(steps[start : start + size]) for start in range(0, len(steps) - size + 1, size)]),
        default=math.inf,
    )


def _straightness(probe: StepProbe) -> float:
    """Return what ten times the update gains over what the update gains; 10 on a straight slope, below 0 past it."""
    gain = probe.before - probe.same
    if not gain > 0 or probe.tenfold is None or not math.isfinite(probe.tenfold):
        return -1.0
    return (probe.before - probe.tenfold) / gain


def _at_rate(steps: Sequence[StepRecord], share: float) -> float:
    """Return the mean loss around the place where `share` of the sum of all rates is spent: schedules cancel out."""
    total = sum(record.rate for record in steps)
    spent, near = 0.0, []
    for record in steps:
        spent += record.rate
        if abs(spent - share * total) <= 0.05 * total and math.isfinite(record.loss):
            near.append(record.loss)
    return mean(near)


RULES = (
    Rule(kind=LEARNING_RATE_TOO_HIGH, needs=("steps",), judge=learning_rate_too_high, fewest_steps=FEWEST_STEPS),
    Rule(
        kind=LEARNING_RATE_TOO_LOW,
        needs=("steps", "probes"),
        judge=learning_rate_too_low,
        fewest_steps=2 * FEWEST_STEPS,
    ),
    Rule(kind=LEARNING_RATE_TOO_LOW, needs=("loop", "steps"), judge=weights_stand_still),  # which needs no probes
)
