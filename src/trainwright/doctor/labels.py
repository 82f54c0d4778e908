"""The labels. Source: G2, chapter 2 (wrong label encoding)."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_labels import LABELS_OUT_OF_RANGE
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy


def labels_out_of_range(chart: Chart) -> Finding | None:
    """Exact: the smallest or the largest label has no output unit."""
    info = chart.info
    targets, output = info.targets, info.output
    if targets is None or output is None or not targets.integral:
        return None
    if not (math.isfinite(targets.minimum) and math.isfinite(targets.maximum)):
        return None  # not a label out of range, but no number at all
    if info.loss in ("cross_entropy", "nll") and len(output.shape) >= 2:
        classes = output.shape[1]
    elif info.loss == "bce_with_logits":
        classes = 2
    else:
        return None
    if targets.minimum >= 0 and targets.maximum < classes:
        return None
    evidence = (
        Evidence(name="the smallest label", value=int(targets.minimum), threshold=0),
        Evidence(name="the largest label", value=int(targets.maximum), threshold=classes - 1),
        Evidence(name="classes that the model's output can name", value=classes),
    )
    if targets.minimum == 1 and targets.maximum == classes:
        remedy = f"the labels count from 1: subtract 1, so that they run from 0 to {classes - 1}"
    elif targets.minimum >= 0:
        remedy = (
            f"give the last layer {int(targets.maximum) + 1} output units, or number the classes from 0 without gaps"
        )
    else:
        remedy = f"number the classes from 0 to {classes - 1}; leave samples without a label out"
    return LABELS_OUT_OF_RANGE.finding(
        where=info.where("data.target", "data.source", "data"), evidence=evidence, remedies=(Remedy(text=remedy),)
    )


RULES = (Rule(kind=LABELS_OUT_OF_RANGE, needs=("targets", "output"), judge=labels_out_of_range),)
