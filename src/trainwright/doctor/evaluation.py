"""What the evaluations show beside overfitting: a best that was passed, and a metric that cannot be."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_curves import BEST_CHECKPOINT_PASSED, METRIC_CONTRADICTS_LOSS, OVERCONFIDENT
from trainwright.doctor.loop_seen import loop_of
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, EvalRecord, Evidence, Finding, Remedy

RISE = 1.1
"""Last validation loss over the best one."""
STANDARD_ERRORS = 3.0
"""And that rise in standard errors; also the room that an accuracy gets for its noise."""
ROOM = 0.02
"""Accuracy that may be missing from the bound: the last batch of a mean over batches, a rounded number in a log."""
FEWEST_SAMPLES = 50
"""Samples below which an accuracy is no number."""
TOO_SURE = 0.1
"""Confidence above accuracy that is worth a word; the healthy classifiers of the ward reach 0.07 at most."""
CROSS_ENTROPIES = ("cross_entropy", "nll_loss", "nll")
"""Losses that cost a wrong answer at least log 2."""


def best_checkpoint_passed(chart: Chart) -> Finding | None:
    """At the end of a foreign loop: the last validation loss is well above the best, and no metric speaks for it."""
    loop = loop_of(chart)
    known = [record for record in chart.evaluations("validation") if math.isfinite(record.loss)]
    if not loop.finished or loop.turns or len(known) < 2:
        return None
    best, last = min(known, key=lambda record: record.loss), known[-1]
    rise = last.loss - best.loss
    noise = STANDARD_ERRORS * last.loss_error if math.isfinite(last.loss_error) else 0.0
    if rise <= max((RISE - 1) * abs(best.loss), noise) or _better(chart.info.metric, last, best):
        return None
    return BEST_CHECKPOINT_PASSED.finding(
        where=loop.step_where,
        step=last.step,
        evidence=(
            Evidence(name="validation loss at its best", value=best.loss, step=best.step),
            Evidence(name="validation loss at the end", value=last.loss, threshold=RISE * best.loss, step=last.step),
        ),
        remedies=(Remedy(text=f"keep the weights of the best evaluation (step {best.step}) and return those"),),
        confidence=0.8,
    )


def _better(metric: str | None, last: EvalRecord, best: EvalRecord) -> bool:
    """Say whether the metric is at least as good at the end: then the loss rose by overconfidence alone."""
    now, then = (record.metrics.get(metric or "", math.nan) for record in (last, best))
    return now <= then if metric == "rmse" else now >= then


def metric_contradicts_loss(chart: Chart) -> Finding | None:
    """Exact but for noise: error rate <= cross-entropy / log 2, in the last two evaluations."""
    if chart.info.loss not in CROSS_ENTROPIES or chart.info.metric != "accuracy":
        return None
    known = [record for record in chart.evaluations("validation") if record.samples >= FEWEST_SAMPLES]
    bounds = [(record, _least_accuracy(record)) for record in known[-2:]]
    if len(bounds) < 2 or not all(record.metrics.get("accuracy", math.inf) < least for record, least in bounds):
        return None
    last, least = bounds[-1]
    return METRIC_CONTRADICTS_LOSS.finding(
        where=chart.info.where("loss.name", "loss"),
        step=last.step,
        evidence=(
            Evidence(name="validation accuracy", value=last.metrics["accuracy"], threshold=least, step=last.step),
            Evidence(name="validation loss", value=last.loss),
            Evidence(name="least accuracy that this loss leaves room for", value=1 - last.loss / math.log(2)),
        ),
        remedies=(Remedy(text="take argmax over the classes, and compare it with the labels of the same samples"),),
        confidence=0.9,
    )


def _least_accuracy(record: EvalRecord) -> float:
    """Return the accuracy below which this loss cannot be, with room for noise; -inf where the loss bounds nothing."""
    least = 1 - record.loss / math.log(2)
    if not (math.isfinite(record.loss) and least > 0 and record.loss >= 0):
        return -math.inf
    error = record.loss_error / math.log(2) if math.isfinite(record.loss_error) else 0.0
    chance = math.sqrt(max(least * (1 - least), 0.0) / record.samples)
    return least - STANDARD_ERRORS * math.hypot(chance, error) - ROOM


def overconfident(chart: Chart) -> Finding | None:
    """At the end: mean largest probability above the accuracy, in the last two evaluations of a foreign loop."""
    known = [
        record
        for record in chart.evaluations("validation")
        if {"accuracy", "confidence"} <= {*record.metrics} and record.samples >= FEWEST_SAMPLES
    ][-2:]
    if not loop_of(chart).finished or len(known) < 2 or not all(_excess(record) > 0 for record in known):
        return None
    last = known[-1]
    return OVERCONFIDENT.finding(
        where=chart.info.where("loss.name", "loss"),
        step=last.step,
        evidence=(
            Evidence(name="mean of the largest probability", value=last.metrics["confidence"], step=last.step),
            Evidence(name="validation accuracy", value=last.metrics["accuracy"], step=last.step),
            Evidence(name="samples", value=last.samples),
        ),
        remedies=(
            Remedy(
                text="stop earlier or smooth the labels; or divide the logits by a temperature fitted on held-out data"
            ),
        ),
        confidence=0.9,
    )


def _excess(record: EvalRecord) -> float:
    """Return by how much confidence lies above accuracy, beyond what is worth a word and beyond chance."""
    right = record.metrics["accuracy"]
    chance = math.sqrt(max(right * (1 - right), 0.0) / record.samples)
    return record.metrics["confidence"] - right - max(TOO_SURE, STANDARD_ERRORS * chance)


RULES = (
    Rule(kind=METRIC_CONTRADICTS_LOSS, needs=("validation",), judge=metric_contradicts_loss),
    Rule(kind=OVERCONFIDENT, needs=("loop", "validation"), judge=overconfident),
    Rule(kind=BEST_CHECKPOINT_PASSED, needs=("loop", "validation"), judge=best_checkpoint_passed),
)
