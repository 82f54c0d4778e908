"""Losses of the wrong task: distances between class ids, and a softmax across labels that are true together."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_loss import MULTI_LABEL_WITH_SOFTMAX, REGRESSION_LOSS_FOR_CLASSES
from trainwright.doctor.loss_entering import (
    DISTANCES,
    SOFTMAX_LOSSES,
    YES_OR_NO,
    calls_of,
    entering,
    place,
    place_of_call,
    written,
)
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall

FEWEST_CLASSES, MOST_CLASSES = 3, 100
"""Of two ids a distance is a fair loss (least squares); beyond a hundred, whole numbers are rather a quantity."""
DEVIATION = 3.0
"""Made data sets have classes of like size: each count lies within this many square roots of the mean count. Of ten
equal classes 98 in 100 samples of 256 do; of Poisson, geometric, binomial and rounded normal counts none of 60 each did
(but 0, 1, 2 in shares of 1, 2, 1)."""
SAMPLES_PER_CLASS = {True: 10, False: 15}
FEWEST_SAMPLES = {True: 40, False: 150}
"""Targets, for each different value and in all, that must be seen before shares mean anything: fewer where they came as
integers (True), as class ids do and quantities rarely."""
NO_ORDER = 0.9
"""Length of the way through the inputs of the numbers in their order, over that of a random way, from which the numbers
are names: steps of a scale give 0.75 at most for three of them along a line, and less for more."""


def regression_loss_for_classes(chart: Chart) -> Finding | None:
    """Exact where a unit for each class meets ids; else by whole numbers from 0, equally frequent or in no order."""
    for call in calls_of(chart, DISTANCES):
        target = call.target
        if target is None or not target.whole or target.minimum != 0 or target.maximum is None:
            continue
        units = call.input.shape[1] if len(call.input.shape) >= 2 else 1
        if units > 1 and target.shape in (call.input.shape[:1], (*call.input.shape[:1], 1)):
            if not FEWEST_CLASSES - 1 <= target.maximum + 1 <= units:
                continue
            evidence = [
                Evidence(name="shape of what enters the loss, a unit for each class", value=written(call.input.shape)),
                Evidence(name="shape of the targets", value=written(target.shape)),
            ]
            confidence = 1.0
        elif units == 1 and _even_ids(chart, call):
            stats = chart.info.targets
            evidence = [
                Evidence(name="different targets, whole numbers from 0 without gaps", value=stats.distinct)
                if stats
                else Evidence(name="the largest target", value=target.maximum)
            ]
            if stats is not None and stats.rarest and stats.commonest is not None:
                shares = f"{stats.rarest:.3f} to {stats.commonest:.3f}"
                evidence.append(Evidence(name="share of the rarest and of the most frequent target", value=shares))
            confidence = 0.8
        elif units == 1 and (order := _order(chart)) is not None and order >= NO_ORDER:
            evidence = [
                Evidence(
                    name="way through the mean inputs of the targets in their order, over that of a random order",
                    value=order,
                    threshold=NO_ORDER,
                )
            ]
            confidence = 0.8
        else:
            continue
        classes = int(target.maximum) + 1
        return REGRESSION_LOSS_FOR_CLASSES.finding(
            where=place_of_call(chart, call),
            step=0,
            confidence=confidence,
            evidence=(*evidence, Evidence(name="range of the targets", value=f"0 to {classes - 1}")),
            remedies=(
                Remedy(text=f"if they are classes: cross_entropy, with {classes} output units and the ids as int64"),
            ),
        )
    return None


def squared_probabilities(chart: Chart) -> Finding | None:
    """Exact: what a softmax gave, and one-hot rows, meet in a loss of distances. A note: it is a proper score, if slow.

    Asked of a loop alone: who hands model and loss to be verified has put them together on purpose.
    """
    for call in calls_of(chart, DISTANCES):
        target, entry = call.target, call.input
        if target is None or entry.operation != "Softmax" or not target.fewest == target.most == 1:
            continue
        return REGRESSION_LOSS_FOR_CLASSES.finding(
            where=place_of_call(chart, call),
            step=0,
            severity="note",
            title="a regression loss compares probabilities with one-hot classes",
            because="its slope is multiplied by that of the softmax, which is flat where the network is sure: what is "
            "most wrong is corrected least",
            evidence=(
                Evidence(name="the last operation before the loss", value="softmax"),
                Evidence(name="shape of the targets, with a single 1 in each row", value=written(target.shape)),
                Evidence(name="the loss", value=call.function),
            ),
            remedies=(
                Remedy(
                    text="drop the softmax, and use cross_entropy, which takes class ids and one-hot rows as floats"
                ),
            ),
        )
    return None


def _order(chart: Chart) -> float | None:
    """Return how the inputs of neighbouring targets lie, as it was measured of the loss as a whole."""
    output = chart.info.output
    return next((call.order for call in output.calls if not call.function), None) if output is not None else None


def _even_ids(chart: Chart, call: LossCall) -> bool:
    """Say whether the targets are whole numbers from 0 without gaps, about equally frequent."""
    stats, target = chart.info.targets, call.target
    if stats is None or target is None or not stats.integral or stats.rarest is None or stats.commonest is None:
        return False
    if stats.minimum != 0 or stats.maximum != target.maximum or stats.distinct != stats.maximum + 1:
        return False
    output = chart.info.output
    given = [seen.target for seen in output.calls if not seen.function] if output is not None else []
    integers = any(seen is not None and not seen.floating for seen in given)
    if target.counted < max(SAMPLES_PER_CLASS[integers] * stats.distinct, FEWEST_SAMPLES[integers]):
        return False
    equal = target.counted / stats.distinct
    far = DEVIATION * math.sqrt(equal)
    even = stats.rarest * target.counted >= equal - far and stats.commonest * target.counted <= equal + far
    return even and FEWEST_CLASSES <= stats.distinct <= MOST_CLASSES


def multi_label_with_softmax(chart: Chart) -> Finding | None:
    """Exact: rows of zeros and ones with several ones, and a softmax across the labels in the model or in the loss."""
    for call in entering(chart):
        target = call.target
        if target is None or target.most is None or target.most < 2:
            continue
        in_model = call.input.operation == "Softmax" and call.function in (*YES_OR_NO, *DISTANCES, "cross_entropy")
        in_loss = call.function in (*SOFTMAX_LOSSES, "kl_div")
        if not in_model and not in_loss:
            continue
        evidence = [
            Evidence(name="the most labels that are true of one sample", value=target.most, threshold=1),
            Evidence(name="the fewest", value=target.fewest if target.fewest is not None else 0),
            Evidence(name="shape of the targets", value=written(target.shape)),
        ]
        return MULTI_LABEL_WITH_SOFTMAX.finding(
            where=place(chart, call.input.where) if in_model else place_of_call(chart, call),
            step=0,
            evidence=tuple(evidence),
            remedies=(Remedy(text="drop the softmax, and use bce_with_logits: a yes or no for each label"),),
        )
    return None


RULES = (
    Rule(kind=MULTI_LABEL_WITH_SOFTMAX, needs=("output",), judge=multi_label_with_softmax),
    Rule(kind=REGRESSION_LOSS_FOR_CLASSES, needs=("output",), judge=regression_loss_for_classes),
    Rule(kind=REGRESSION_LOSS_FOR_CLASSES, needs=("output", "loop"), judge=squared_probabilities),
)
