"""Class ids and answers of yes or no in a form that the loss cannot mean. Source: G2, chapter 2 (wrong label encoding).

All exact: by shape, type and range of the targets as they enter the loss.
"""

from __future__ import annotations

import math

from trainwright.doctor.kinds_labels import LABELS_OUT_OF_RANGE
from trainwright.doctor.loop_seen import number, often, word
from trainwright.doctor.loss_entering import (
    CLASSES,
    YES_OR_NO,
    calls_of,
    entering,
    place_of_call,
    place_of_targets,
    written,
)
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall, LossTarget

_ONE_BYTE = 1 / 255
EXPECTED = 12.0
"""Labels of class 0 that would have been seen, were it as frequent as the rarest of the others: of so many expected,
none comes once in 160 000 times."""


def labels_out_of_range(chart: Chart) -> Finding | None:
    """Judge each loss of classes, or of yes or no, by the targets that enter it."""
    if chart.info.targets is None:
        return None
    for call in entering(chart):
        finding = None
        if call.function in CLASSES:
            finding = _wrong_form(chart, call) or _without_a_unit(chart, call)
        elif call.function in YES_OR_NO:
            finding = _no_answer(chart, call)
        if finding is not None:
            return finding
    return _from_one(chart)


def _without_a_unit(chart: Chart, call: LossCall) -> Finding | None:
    """The smallest or the largest label has no output unit."""
    ends = _ends(chart, call)
    if ends is None or len(call.input.shape) < 2:
        return None
    lowest, highest = ends
    classes = call.input.shape[1]
    if lowest >= 0 and highest < classes:
        return None
    evidence = (
        Evidence(name="the smallest label", value=int(lowest), threshold=0),
        Evidence(name="the largest label", value=int(highest), threshold=classes - 1),
        Evidence(name="classes that the model's output can name", value=classes),
    )
    if lowest == 1 and highest == classes:
        remedy = f"the labels count from 1: subtract 1, so that they run from 0 to {classes - 1}"
    elif lowest >= 0:
        remedy = f"give the last layer {int(highest) + 1} output units, or number the classes from 0 without gaps"
    else:
        remedy = f"number the classes from 0 to {classes - 1}; leave samples without a label out"
    return _finding(chart, evidence, remedy)


def _from_one(chart: Chart) -> Finding | None:
    """Every class has labels but 0: they count from 1, and the output got a unit more so that they fit.

    Tags and tokens are let be, of which 0 is kept for padding or a beginning.
    """
    stats = chart.info.targets
    if stats is None or not stats.integral or stats.rarest is None or stats.rarest * stats.samples < EXPECTED:
        return None
    for call in calls_of(chart, CLASSES):
        target, shape = call.target, call.input.shape
        if target is None or target.floating or target.ignored == 0 or not target.of_samples:
            continue
        classes = shape[1]
        if classes < 3 or (stats.minimum, stats.maximum, stats.distinct) != (1, classes - 1, classes - 1):
            continue
        return LABELS_OUT_OF_RANGE.finding(
            where=place_of_call(chart, call),
            step=0,
            severity="warning",
            confidence=0.9,
            title="the labels count from 1, and the first output unit has none",
            because="a unit that is never right costs a part of every probability, and whoever reads class 0 as the "
            "first class is off by one",
            evidence=(
                Evidence(name="the smallest label", value=1, threshold=0),
                Evidence(name="the largest label", value=classes - 1),
                Evidence(name="classes that the model's output can name", value=classes),
                Evidence(name="labels counted", value=stats.samples),
            ),
            remedies=(Remedy(text=f"subtract 1 from the labels, and give the last layer {classes - 1} output units"),),
        )
    return None


def _ends(chart: Chart, call: LossCall) -> tuple[float, float] | None:
    """Return the smallest and the largest class id that counts, None where the targets are no ids."""
    stats, target = chart.info.targets, call.target
    if stats is None:
        return None
    if target is None:
        ends = (stats.minimum, stats.maximum) if stats.integral else None
    elif target.floating or target.minimum is None or target.maximum is None:
        return None
    else:
        ends = (target.minimum, target.maximum)
        if chart.info.loss in ("cross_entropy", "nll") and stats.integral:  # over all splits; what is ignored is not
            lowest, highest = (end if end != target.ignored else None for end in (stats.minimum, stats.maximum))
            ends = (
                ends[0] if lowest is None else min(lowest, ends[0]),
                ends[1] if highest is None else max(highest, ends[1]),
            )
    if ends is None or not all(map(math.isfinite, ends)):
        return None  # not a label out of range, but no number at all
    return ends


def _wrong_form(chart: Chart, call: LossCall) -> Finding | None:
    """Class ids that are no whole numbers of shape (N, ...): the loss refuses most of these, and torch says little."""
    target, shape = call.target, call.input.shape
    if target is None or len(shape) < 2:
        return None
    evidence = _form(call, target)
    if target.shape == shape:
        if not target.floating:
            columns = "one-hot rows" if target.most == 1 else "a whole number for each class"
            return _finding(
                chart,
                evidence,
                "pass the class ids, target.argmax(1), or probabilities as floats, target.float()",
                title=f"the targets are {columns}, where cross_entropy needs class ids or probabilities",
                because="whole numbers in the output's own shape are neither the id of a class nor probabilities",
            )
        if target.byte_scaled and target.maximum is not None and 0 < target.maximum < 0.5:
            return _scaled(chart, evidence, "multiply the targets by 255, or do not scale them as if they were pixels")
        return None
    ids = (*shape[:1], *shape[2:])
    column = target.shape in ((*ids, 1), (ids[0], 1, *ids[1:]))
    if target.shape == ids and target.floating:
        if target.byte_scaled:
            return _scaled(chart, evidence, "class ids must not be scaled: (target * 255).round().long()")
        return _finding(
            chart,
            evidence,
            "pass whole numbers: target.long()"
            if target.whole
            else "for quantities use a regression loss, such as mse",
            title="the class ids are floats"
            if target.whole
            else "the targets are quantities, where cross_entropy needs class ids",
            because="cross_entropy looks class ids up, and takes floats for probabilities of the output's own shape",
        )
    if column:
        change = "target.squeeze(1)" + ("" if not target.floating else ".long()")
        return _finding(
            chart,
            evidence,
            f"pass the ids in shape {written(ids)}: {change}",
            title="the class ids lie in a column",
            because=f"for outputs {written(shape)} cross_entropy needs ids of shape {written(ids)}",
        )
    return None


def _no_answer(chart: Chart, call: LossCall) -> Finding | None:
    """A target beyond 0 and 1, or a yes that is 1/255."""
    target, stats = call.target, chart.info.targets
    if target is None:
        if stats is None or not stats.integral or chart.info.loss != "bce_with_logits":
            return None
        lowest, highest = stats.minimum, stats.maximum
    else:
        if target.minimum is None or target.maximum is None:
            return None
        lowest, highest = target.minimum, target.maximum
        if target.byte_scaled and lowest == 0 and abs(highest - _ONE_BYTE) < 1e-6:
            return _scaled(chart, _form(call, target), "do not scale the targets as if they were pixels: a yes is 1")
    if not (math.isfinite(lowest) and math.isfinite(highest)) or (lowest >= 0 and highest <= 1):
        return None
    low, high = (int(end) if float(end).is_integer() else end for end in (lowest, highest))
    evidence = (
        Evidence(name="the smallest label", value=low, threshold=0),
        Evidence(name="the largest label", value=high, threshold=1),
        Evidence(name="classes that the model's output can name", value=2),
    )
    if (lowest, highest) == (-1, 1):
        remedy = "the labels are -1 and 1: pass (target + 1) / 2"
    elif lowest >= 0 and highest == 255:
        remedy = "the labels are 0 and 255: divide by 255"
    elif (lowest, highest) == (1, 2):
        remedy = "the labels count from 1: subtract 1"
    elif target is not None and not target.whole:
        remedy = "for quantities use a regression loss, such as mse; for probabilities, targets between 0 and 1"
    else:
        remedy = "number the classes 0 and 1; for more than two use cross_entropy, with an output unit for each"
    return _finding(
        chart,
        evidence,
        remedy,
        title="a target of the binary cross-entropy lies beyond 0 and 1",
        because="with such a target the loss has no lower end: it falls for ever as the output grows",
    )


def _form(call: LossCall, target: LossTarget) -> tuple[Evidence, ...]:
    found = [
        Evidence(name="shape of the targets", value=written(target.shape)),
        Evidence(name="shape of what enters the loss", value=written(call.input.shape)),
    ]
    if target.minimum is not None and target.maximum is not None:
        found.append(Evidence(name="range of the targets", value=f"{target.minimum:.4g} to {target.maximum:.4g}"))
    return tuple(found)


def _scaled(chart: Chart, evidence: tuple[Evidence, ...], remedy: str) -> Finding:
    return _finding(
        chart,
        evidence,
        remedy,
        title="the labels were divided by 255",
        because="every target is a whole number over 255, as pixels are after scaling, and labels must not be",
    )


def _finding(chart: Chart, evidence: tuple[Evidence, ...], remedy: str, **facts: str) -> Finding:
    return LABELS_OUT_OF_RANGE.finding(
        where=place_of_targets(chart), step=0, evidence=evidence, remedies=(Remedy(text=remedy),), **facts
    )


def labels_without_sign(chart: Chart) -> Finding | None:
    """Exact: zeros and ones, given to a loss that is defined for -1 and 1."""
    sighting = often(chart, "labels-without-sign")
    if sighting is None:
        return None
    function = word(sighting, "function", "the loss")
    return LABELS_OUT_OF_RANGE.finding(
        where=sighting.where,
        step=sighting.step,
        title=f"{function} is given 0 and 1, and wants -1 and 1",
        because="a target of 0 takes its sample out of the loss: it costs the same whatever the network says",
        evidence=(
            Evidence(name="share of targets that are 0", value=number(sighting, "zeros") or 0.0, threshold=0.0),
            Evidence(name="the least target", value=number(sighting, "low") or 0.0, threshold=-1),
        ),
        remedies=(Remedy(text="pass 2 * y - 1; or keep 0 and 1, and use binary_cross_entropy_with_logits"),),
    )


RULES = (
    Rule(kind=LABELS_OUT_OF_RANGE, needs=("loop",), judge=labels_without_sign),
    Rule(kind=LABELS_OUT_OF_RANGE, needs=("targets", "output"), judge=labels_out_of_range),
)
