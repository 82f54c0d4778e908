"""What the targets' values tell: none that counts, all the same, padding among them, far from unit scale."""

from __future__ import annotations

import math
import statistics

from trainwright.doctor.kinds_labels import CONSTANT_TARGETS, NO_VALID_TARGETS, PADDING_COUNTED, TARGETS_NOT_SCALED
from trainwright.doctor.loss_entering import (
    CLASSES,
    DISTANCES,
    YES_OR_NO,
    calls_of,
    place_of_call,
    place_of_targets,
)
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall, LossTarget

MANY_SAMPLES = 1024
"""Samples of one value that make it an error whatever the task: a class of 1 % is missed once in 30 000 such looks."""
SOME_SAMPLES = 240
"""From here an error for three classes and more, and a warning for a yes or no and for zeros: a class of 2 % is missed
once in 125 looks at so many."""
FEW_SAMPLES = 64
"""From here a warning for three classes and more; an error for whole numbers other than 0 that are no class ids."""
REPEATED = 16
"""Enough where the one value is no whole number: a quantity that varies does not repeat itself."""
PADDING_SHARE = 0.05
"""Share of padding among the targets from which it is worth a word."""
SCALE = 1e3
"""Standard deviation of the targets, or their |mean| in standard deviations, from which a network's first outputs,
about 1 in size, are nowhere near."""
STEPS, BEHIND = 100, 2.0
"""Steps after which a loss still so many times that of a constant guess says that the way to the targets is long."""
CLOSE_TO_MEAN, SHARE_OF_SPREAD = 3.0, 0.02
"""A head has been set to the targets' mean where its first outputs are centred this near to it, in standard deviations,
and to their scale where they are spread over at least this share of one; a plain head reaches 0.003 at most."""


def no_valid_targets(chart: Chart) -> Finding | None:
    """Exact: every target that was looked at is the id that the loss ignores."""
    for call in calls_of(chart, CLASSES):
        target = call.target
        stats = chart.info.targets
        if target is None or target.total == 0 or target.counted > 0 or target.ignored is None:
            continue
        ends = (stats.minimum, stats.maximum) if stats is not None else ()
        if chart.info.loss in ("cross_entropy", "nll") and any(end != target.ignored for end in ends):
            continue  # some count among further samples
        return NO_VALID_TARGETS.finding(
            where=place_of_targets(chart),
            step=0,
            evidence=(
                Evidence(name="targets that count", value=0, threshold=1),
                Evidence(name="targets that were looked at", value=target.total),
                Evidence(name="the id that the loss leaves out", value=target.ignored),
            ),
            remedies=(Remedy(text=f"look at how the targets are masked: every one of them is {target.ignored}"),),
        )
    return None


def constant_targets(chart: Chart) -> Finding | None:
    """One value among all targets; how many must be seen follows from how rare another one may be."""
    stats = chart.info.targets
    if stats is None or stats.distinct != 1 or not math.isfinite(stats.minimum):
        return None
    for call in calls_of(chart, (*CLASSES, *YES_OR_NO, *DISTANCES)):
        if call.input.judged:
            continue  # what another network thinks of the output: a generator's targets are all "real"
        target = call.target
        if target is None or not target.minimum == target.maximum == stats.minimum:  # a loss may not use its targets
            continue
        warned, failed = _samples_needed(call, target)
        if stats.samples < warned:
            continue
        certain = stats.samples >= failed
        return CONSTANT_TARGETS.finding(
            where=place_of_targets(chart),
            step=0,
            severity="error" if certain else "warning",
            confidence=1.0 if certain else 0.9,
            evidence=(
                Evidence(name="different targets", value=1, threshold=2),
                Evidence(name="samples that were looked at", value=stats.samples),
                Evidence(name="the target of all of them", value=stats.minimum),
            ),
            remedies=(
                Remedy(text="look at how the targets are read: the column, the comparison, the mask, the order"),
            ),
        )
    return None


def _samples_needed(call: LossCall, target: LossTarget) -> tuple[int, int]:
    """Return how many samples of one value are worth a warning, and how many an error."""
    if not target.whole:
        return REPEATED, REPEATED
    if call.function in DISTANCES and target.minimum != 0:
        return FEW_SAMPLES, FEW_SAMPLES
    if call.function in CLASSES and len(call.input.shape) >= 2 and call.input.shape[1] > 2:
        return FEW_SAMPLES, SOME_SAMPLES
    return SOME_SAMPLES, MANY_SAMPLES


def padding_counted(chart: Chart) -> Finding | None:
    """Exact in its facts: the targets end in padding, the model's own or the inputs', and the loss counts it."""
    for call in calls_of(chart, CLASSES):
        target = call.target
        if target is None or target.padding is None or target.padding_id is None or target.padding <= PADDING_SHARE:
            continue
        return PADDING_COUNTED.finding(
            where=place_of_call(chart, call),
            step=0,
            evidence=(
                Evidence(name="share of the targets that is padding", value=target.padding, threshold=PADDING_SHARE),
                Evidence(name="id of the padding among the targets", value=target.padding_id),
                Evidence(
                    name="id that the loss leaves out", value=target.ignored if target.ignored is not None else "none"
                ),
            ),
            remedies=(Remedy(text=f"pass ignore_index={target.padding_id} to the loss"),),
        )
    return None


def targets_not_scaled(chart: Chart) -> Finding | None:
    """By magnitude a note, a warning where it keeps the loss up or broke it. Silent where the head is scaled too."""
    stats = chart.info.targets
    if stats is None or stats.mean is None or stats.std is None:
        return None
    if not (math.isfinite(stats.mean) and math.isfinite(stats.std)) or stats.std <= 0:
        return None
    offset = abs(stats.mean) / stats.std
    for call in calls_of(chart, DISTANCES):
        centred, spread = _head(call, stats.mean, stats.std)
        if (offset <= SCALE or centred) and (stats.std <= SCALE or spread):
            continue
        evidence = [
            Evidence(
                name="standard deviation of the targets",
                value=stats.std,
                threshold=SCALE if stats.std > SCALE else None,
            ),
            Evidence(
                name="|mean| of the targets in standard deviations",
                value=offset,
                threshold=SCALE if offset > SCALE else None,
            ),
        ]
        if call.input.minimum is not None and call.input.maximum is not None:
            first = f"{call.input.minimum:.4g} to {call.input.maximum:.4g}"
            evidence.append(Evidence(name="range of the untrained model's outputs", value=first))
        broken = any(not math.isfinite(record.loss) for record in chart.steps)
        if broken:
            evidence.append(Evidence(name="steps with a loss that is not finite", value=True))
        behind = _still_behind(chart)
        if behind is not None:
            evidence.append(behind)
        harmed = broken or behind is not None
        return TARGETS_NOT_SCALED.finding(
            where=place_of_targets(chart),
            step=0,
            severity="warning" if harmed else "note",
            evidence=tuple(evidence),
            remedies=(
                Remedy(text="standardise the targets by the training split's mean and standard deviation"),
                Remedy(text="or scale the output in the model, and start its bias at the mean"),
            ),
        )
    return None


def _still_behind(chart: Chart) -> Evidence | None:
    """Return the loss of the last steps where many have not brought it down to that of a constant guess."""
    constant, last = chart.info.constant_loss, chart.steps[-STEPS // 5 :]
    if constant is None or constant <= 0 or not chart.steps or chart.steps[-1].step < STEPS:
        return None
    loss = statistics.median(record.loss for record in last)
    if not math.isfinite(loss) or loss <= BEHIND * constant:
        return None
    name = f"loss after {chart.steps[-1].step + 1} steps, in losses of the best constant guess"
    return Evidence(name=name, value=loss / constant, threshold=BEHIND)


def _head(call: LossCall, mean: float, std: float) -> tuple[bool, bool]:
    """Return whether the first outputs are centred on the targets' mean, and whether they have their scale."""
    low, high = call.input.minimum, call.input.maximum
    if low is None or high is None:
        return False, False
    return abs((low + high) / 2 - mean) <= CLOSE_TO_MEAN * std, high - low >= SHARE_OF_SPREAD * std


RULES = (
    Rule(kind=NO_VALID_TARGETS, needs=("output",), judge=no_valid_targets),
    Rule(kind=CONSTANT_TARGETS, needs=("targets", "output"), judge=constant_targets),
    Rule(kind=PADDING_COUNTED, needs=("output",), judge=padding_counted),
    Rule(kind=TARGETS_NOT_SCALED, needs=("targets", "output"), judge=targets_not_scaled),
)
