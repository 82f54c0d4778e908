"""Too much learnt by heart, too little learnt, and no longer learning. Sources: G0, G2 chapter 3, G3.

"A small gap between training and validation means underfitting" (G2) is not used as it stands: a good fit has a small
gap too. A net underfits where a constant guess, or a linear model, does as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainwright.doctor.kinds_generalisation import OVERFITTING, UNDERFITTING
from trainwright.doctor.kinds_rate import PLATEAU
from trainwright.doctor.remedies import change_rate
from trainwright.doctor.rule import Rule
from trainwright.doctor.series import level, slope, tail
from trainwright.records import Chart, EvalRecord, Evidence, Finding, Remedy, StepRecord

RISE = 1.1
"""Validation loss over its best, before it counts as risen."""
STANDARD_ERRORS = 3.0
"""And that rise in standard errors of the validation loss."""
WORTH_NAMING = 0.02
"""And as a share of the constant predictor's loss: a rise from 0.001 to 0.002 harms nobody."""
EVALUATIONS_AFTER_BEST = 3
CHANCE = 0.98
"""A training loss above this share of the constant predictor's has learnt nothing."""
LINEAR_MARGIN = 0.05
"""A linear model that is right this much more often, or errs by this share less, is clearly better."""
PLATEAU_SHARE = 0.2
"""Share of the planned run without a visible slope that makes a plateau."""
FEWEST_PLATEAU_STEPS = 100
NOT_BEGUN = 0.95
"""A loss above this share of the constant predictor's has not begun to fall: that is no plateau."""


def overfitting(chart: Chart) -> Finding | None:
    """Validation loss well above its best for several evaluations, while the training loss fell on."""
    evals = chart.evaluations("validation")
    known = [record for record in evals if math.isfinite(record.loss)]
    # Early in a run the validation loss of a fast network jumps before it settles.
    if len(known) < EVALUATIONS_AFTER_BEST + 1 or len(chart.steps) < (chart.info.planned_steps or 0) / 4:
        return None
    best = min(known, key=lambda record: record.loss)
    after = [record for record in known if record.step > best.step]
    recent = after[-EVALUATIONS_AFTER_BEST:]
    if len(recent) < EVALUATIONS_AFTER_BEST or not all(_risen(chart, record, best) for record in recent):
        return None
    until = max(best.step, _epoch(chart))  # the best may be the untrained network: then, the first steps
    then = level([record for record in chart.steps if until - _epoch(chart) <= record.step < until])
    now = level(tail(chart.steps, 0.0, _epoch(chart)))
    if not now < 0.95 * then:
        return None
    constant = chart.info.constant_loss
    if constant is not None and now > constant:
        return None  # worse than a constant guess on what it was shown: nothing of it is known by heart
    last = recent[-1]
    first = next(record for record in after if _risen(chart, record, best))
    dropout = chart.info.setting("model.dropout")
    remedies = [Remedy(text="stop where validation is best; the model that is returned is the one from there")]
    if isinstance(dropout, float | int) and dropout < 0.3:
        remedies.insert(
            0, Remedy(text="regularise: more dropout, more data, or augmentation", change={"model.dropout": 0.3})
        )
    return OVERFITTING.finding(
        where=chart.info.where("model.dropout", "model.name", "optimizer.weight_decay", "train.epochs"),
        step=first.step,
        evidence=(
            Evidence(name="validation loss at its best", value=best.loss, step=best.step),
            Evidence(name="validation loss now", value=last.loss, threshold=RISE * best.loss, step=last.step),
            Evidence(name="its standard error", value=last.loss_error),
            Evidence(name="training loss around the best", value=then),
            Evidence(name="training loss now", value=now),
        ),
        remedies=tuple(remedies),
        confidence=0.9,
    )


def _risen(chart: Chart, record: EvalRecord, best: EvalRecord) -> bool:
    rise = record.loss - best.loss
    noise = STANDARD_ERRORS * record.loss_error if math.isfinite(record.loss_error) else 0.0
    constant, metric = chart.info.constant_loss, chart.info.metric
    if metric == "accuracy" and (constant is None or record.loss < constant):
        before = best.metrics.get(metric, 0.0)
        chance = math.sqrt(max(before * (1 - before), 0.0) / record.samples)
        if record.metrics.get(metric, 0.0) > before + max(0.01, chance):
            return False  # more of them are right: the loss rises by overconfidence alone
    return rise > max((RISE - 1) * abs(best.loss), noise, WORTH_NAMING * (constant or 0.0))


def underfitting(chart: Chart) -> Finding | None:
    """No better than a constant guess after a fair share of the run; or, at its end, worse than a linear model."""
    steps, planned = chart.steps, chart.info.planned_steps or 0
    fair = max(200, _epoch(chart), planned // 4)
    constant = chart.info.constant_loss
    if constant is None or constant <= 0 or len(steps) < fair:
        return None
    recent = level(tail(steps, 0.1, 50))
    if recent >= CHANCE * constant:
        evidence = (
            Evidence(name="recent training loss", value=recent, threshold=CHANCE * constant, step=steps[-1].step),
            Evidence(name="loss of a constant guess", value=constant),
        )
        return _underfits(chart, "the network does no better than a constant guess", evidence, steps)
    evals, metric = chart.evaluations("validation"), chart.info.metric or ""
    known = chart.info.baselines
    linear = known.linear_metric if known is not None and known.metric == metric else None
    if len(steps) < 0.9 * planned or not evals or linear is None:
        return None
    scores = [record.metrics[metric] for record in evals if math.isfinite(record.metrics.get(metric, math.nan))]
    if not scores or evals[-1].loss > 1.5 * recent:
        return None  # far worse on validation than on training: whatever it lacks, it is not capacity
    if metric == "accuracy":
        best = max(scores)
        noise = STANDARD_ERRORS * math.sqrt(max(best * (1 - best), 0.0) / evals[-1].samples)
        worse = linear - best > max(LINEAR_MARGIN, noise)
    else:
        best = min(scores)
        worse = best > (1 + LINEAR_MARGIN) * linear
    if not worse:
        return None
    evidence = (
        Evidence(name=f"best validation {metric}", value=best),
        Evidence(name=f"validation {metric} of a linear model", value=linear),
        Evidence(name="recent training loss", value=recent, step=steps[-1].step),
    )
    return _underfits(chart, "the network does worse than a linear model", evidence, steps)


def _underfits(chart: Chart, title: str, evidence: tuple[Evidence, ...], steps: Sequence[StepRecord]) -> Finding:
    return UNDERFITTING.finding(
        title=title,
        where=chart.info.where("model.width", "model.name", "optimizer.lr", "train.epochs"),
        step=steps[-1].step,
        evidence=evidence,
        remedies=(
            Remedy(
                text="make the network wider or train it longer, with less dropout and weight decay; if that does not "
                "help, check that labels and inputs belong together"
            ),
        ),
        confidence=0.8,
    )


def plateau(chart: Chart) -> Finding | None:
    """No visible slope over a fifth of the planned run, well above the floor, at a rate that has not decayed."""
    steps, planned = chart.steps, chart.info.planned_steps or 0
    count = max(FEWEST_PLATEAU_STEPS, int(PLATEAU_SHARE * planned))
    constant = chart.info.constant_loss
    if len(steps) < 2 * count or constant is None or constant <= 0:
        return None
    window = steps[-count:]
    if not all(math.isfinite(record.loss) for record in window):
        return None
    peak = max(record.rate for record in steps)
    now = level(window)
    if window[-1].rate < 0.5 * peak or now < 0.1 * constant or now > NOT_BEGUN * constant:
        return None
    change, error = slope([record.loss for record in window])
    if change < -max(2 * error, 0.01 * now):
        return None
    if chart.info.schedule == "constant":
        remedy = Remedy(text="let the rate decay over the run", change={"schedule.name": "warmup_cosine"})
    else:
        remedy = change_rate(chart.info, "lower the learning rate tenfold", factor=0.1)
    return PLATEAU.finding(
        where=chart.info.where("schedule.name", "optimizer.lr"),
        step=window[0].step,
        evidence=(
            Evidence(name=f"change of the training loss over {count} steps", value=change, step=steps[-1].step),
            Evidence(name="noise of that change", value=error),
            Evidence(name="training loss", value=now),
        ),
        remedies=(remedy,),
        confidence=0.7,
    )


def _epoch(chart: Chart) -> int:
    return max(chart.info.steps_per_epoch or 1, 20)


RULES = (
    Rule(kind=OVERFITTING, needs=("steps", "validation"), judge=overfitting),
    Rule(kind=UNDERFITTING, needs=("steps", "targets"), judge=underfitting),
    Rule(kind=PLATEAU, needs=("steps", "targets"), judge=plateau),
)
