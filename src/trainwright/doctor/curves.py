"""The diagnosis of a log that others wrote: curves alone, so most rules cannot judge, and say so.

A full chart knows the loss of a constant guess, the noise of each evaluation and what every update did to its own
batch. Here a curve is compared with itself, and a number that repeats to its last digit says more than a trend.
"""

from __future__ import annotations

from trainwright.doctor import curve_rate as rate
from trainwright.doctor import curve_training as training
from trainwright.doctor import curve_validation as validation
from trainwright.doctor.curve_shapes import CurveRule, no_rate, no_shape, no_training_loss, no_validation
from trainwright.doctor.diagnose import RULES as FULL_RULES
from trainwright.doctor.diagnose import Examination, settled
from trainwright.doctor.kinds_curves import BEST_CHECKPOINT_PASSED, METRIC_CONTRADICTS_LOSS
from trainwright.doctor.kinds_generalisation import OVERFITTING, UNDERFITTING
from trainwright.doctor.kinds_numbers import NON_FINITE_LOSS
from trainwright.doctor.kinds_rate import LEARNING_RATE_TOO_HIGH, LEARNING_RATE_TOO_LOW, PLATEAU
from trainwright.doctor.kinds_schedule import SCHEDULER_WRONG_FREQUENCY
from trainwright.doctor.kinds_wiring import WEIGHTS_NEVER_UPDATED
from trainwright.records import Chart

ONLY_CURVES = "a log holds only curves, and this shows in the training itself: trainwright run SCRIPT"


def _unsettled(chart: Chart) -> str | None:
    """Say why neither curve can be set beside the other, None where both are there and should fall."""
    return no_shape(chart) or no_validation(chart, validation.FEWEST_EVALUATIONS)


def _rate_or_shape(chart: Chart) -> str | None:
    return no_rate(chart) or no_shape(chart)


RULES: tuple[CurveRule, ...] = (
    CurveRule(kind=NON_FINITE_LOSS, missing=no_training_loss, judge=training.not_finite),
    CurveRule(kind=LEARNING_RATE_TOO_HIGH, missing=no_shape, judge=training.diverged),
    CurveRule(kind=LEARNING_RATE_TOO_LOW, missing=_rate_or_shape, judge=rate.rate_is_zero),
    CurveRule(kind=SCHEDULER_WRONG_FREQUENCY, missing=_rate_or_shape, judge=rate.schedule_over),
    CurveRule(
        kind=WEIGHTS_NEVER_UPDATED,
        missing=lambda chart: no_validation(chart, validation.AFTER_BEST),
        judge=validation.frozen,
    ),
    CurveRule(kind=UNDERFITTING, missing=no_shape, judge=training.stuck_at_chance),
    CurveRule(kind=METRIC_CONTRADICTS_LOSS, missing=validation.no_accuracy, judge=validation.metric_contradicts_loss),
    CurveRule(kind=OVERFITTING, missing=_unsettled, judge=validation.overfitting),
    CurveRule(kind=BEST_CHECKPOINT_PASSED, missing=_unsettled, judge=validation.best_passed),
    CurveRule(kind=PLATEAU, missing=no_shape, judge=training.plateau),
)
"""In the order in which one fault may explain another."""


def examine_curves(chart: Chart) -> Examination:
    """Judge a chart that was made from a log. Every kind that a full chart could show, and this cannot, is named."""
    found, healthy, not_judged = [], [], dict[str, str]()
    for rule in RULES:
        why = rule.missing(chart)
        if why is not None:
            not_judged[rule.kind.kind] = why
        elif (finding := rule.judge(chart)) is not None:
            found.append(finding)
        else:
            healthy.append(rule.kind.kind)
    judged = {rule.kind.kind for rule in RULES}
    for rule in FULL_RULES:
        if rule.kind.kind not in judged:
            not_judged[rule.kind.kind] = ONLY_CURVES
    return Examination(findings=tuple(settled(found)), healthy=tuple(healthy), not_judged=not_judged)
