"""What the curves of validation tell beside that of training: memorised, passed, frozen, or at odds with each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainwright.doctor.curve_rate import NO_RATE
from trainwright.doctor.curve_shapes import known_evaluations, middle, roughness
from trainwright.doctor.kinds_curves import BEST_CHECKPOINT_PASSED, METRIC_CONTRADICTS_LOSS
from trainwright.doctor.kinds_generalisation import OVERFITTING
from trainwright.doctor.kinds_wiring import WEIGHTS_NEVER_UPDATED
from trainwright.doctor.series import finite
from trainwright.records import Chart, EvalRecord, Evidence, Finding, Remedy

RISE, NOISES = 1.1, 3.0
"""A validation loss has risen where it is a tenth above its best, and three times the curve's own noise."""
LUCK = 2.0
"""And where the best and its neighbours, or the training loss at two places, are set against each other."""
AFTER_BEST = 3
FEWEST_EVALUATIONS = 4
WORTH_NAMING = 0.02
"""And by this share of the first loss: a rise from 0.001 to 0.002 harms nobody."""
MORE_RIGHT = 0.01
"""A rise of the accuracy that makes the rise of the loss one of overconfidence alone."""
FEWEST_FOR_CONTRADICTION = 8
LOSS_FELL, ACCURACY_FELL, IN_STEP = 0.1, 0.05, 0.6
"""Fall of the loss (share) and of the accuracy (points), and the rank correlation of the two, that contradict."""
LOSS_FELL_FAR, NEARLY_ALL = 0.3, 0.9
"""Fall of the loss beside an accuracy that is the same number each time; above the latter the classes are unequal."""
FEWEST_DIGITS = 4
"""Digits of a number that repeats by itself too seldom to be chance; fewer may be rounding."""


def overfitting(chart: Chart) -> Finding | None:
    """Validation loss well above its best in the last evaluations, while the training loss fell on."""
    held = known_evaluations(chart)
    best = min(held, key=lambda record: record.loss)
    recent = [record for record in held if record.step > best.step][-AFTER_BEST:]
    noise = roughness([record.loss for record in held])
    if len(recent) < AFTER_BEST or not all(_risen(chart, record, best, noise) for record in recent):
        return None
    place = held.index(best)
    around = middle([record.loss for record in held[max(place - 1, 0) : place + 2]])  # one low value may be luck
    if middle([record.loss for record in recent]) - around <= LUCK * noise:
        return None
    then, now = _training_around(chart, best.step), _training_around(chart, recent[-1].step)
    size = max(1, len(chart.steps) // 20)
    luck = LUCK * roughness(finite([record.loss for record in chart.steps])) * math.sqrt(2 / size)
    if not then - now > max(0.05 * then, luck):
        return None
    first = next(record for record in held if record.step > best.step and _risen(chart, record, best, noise))
    return OVERFITTING.finding(
        step=first.step,
        evidence=(
            Evidence(name="validation loss at its best", value=best.loss, step=best.step),
            Evidence(name="validation loss now", value=recent[-1].loss, threshold=RISE * best.loss, step=held[-1].step),
            Evidence(name="noise of that curve", value=noise),
            Evidence(name="training loss around the best", value=then),
            Evidence(name="training loss now", value=now),
        ),
        remedies=(
            Remedy(text=f"keep the model of step {best.step}; regularise: more data or augmentation, dropout, decay"),
        ),
        confidence=0.85,
    )


def best_passed(chart: Chart) -> Finding | None:
    """The last validation loss lies a tenth above the best, and nothing says that it is overfitting."""
    held = known_evaluations(chart)
    best, last = min(held, key=lambda record: record.loss), held[-1]
    noise = roughness([record.loss for record in held])
    if not _risen(chart, last, best, noise) or overfitting(chart) is not None:
        return None
    return BEST_CHECKPOINT_PASSED.finding(
        step=last.step,
        evidence=(
            Evidence(name="validation loss at its best", value=best.loss, step=best.step),
            Evidence(name="validation loss at the end", value=last.loss, threshold=RISE * best.loss, step=last.step),
            Evidence(name="noise of that curve", value=noise),
        ),
        remedies=(Remedy(text=f"take the model of step {best.step}, and save the best from now on"),),
        confidence=0.8,
    )


def _risen(chart: Chart, record: EvalRecord, best: EvalRecord, noise: float) -> bool:
    before, now = best.metrics.get("accuracy"), record.metrics.get("accuracy")
    if before is not None and now is not None and now > before + MORE_RIGHT:
        return False
    first = chart.steps[0].loss if chart.steps else chart.evaluations("validation")[0].loss
    scale = WORTH_NAMING * abs(first) if math.isfinite(first) else 0.0
    return record.loss - best.loss > max((RISE - 1) * abs(best.loss), NOISES * noise, scale)


def _training_around(chart: Chart, step: int) -> float:
    """Return the level of the training loss at the records nearest to `step`: a twentieth of them, at least 1."""
    near = sorted(chart.steps, key=lambda record: abs(record.step - step))[: max(1, len(chart.steps) // 20)]
    return middle([record.loss for record in near])


def frozen(chart: Chart) -> Finding | None:
    """Every evaluation gave the same loss, to all its digits: the model that is evaluated does not change."""
    held = known_evaluations(chart)
    loss = held[0].loss
    digits = len(repr(abs(loss)).replace(".", "").split("e")[0].strip("0"))
    if digits < FEWEST_DIGITS or any(record.loss != loss for record in held) or held[0].step == held[-1].step:
        return None
    rates = [record.rate for record in chart.steps]
    between = [record.rate for record in chart.steps if held[0].step < record.step <= held[-1].step]
    if finite(rates) and max(finite(between), default=0.0) <= NO_RATE * max(finite(rates)):
        return None  # the rate is zero there: that says why, and has rules of its own
    return WEIGHTS_NEVER_UPDATED.finding(
        severity="warning",
        title="the model that is evaluated never changes",
        because="another model, if only by one update, gives another loss in its last digits",
        step=held[-1].step,
        evidence=(
            Evidence(name=f"validation loss in all of {len(held)} evaluations", value=loss),
            Evidence(name="steps between the first and the last", value=held[-1].step - held[0].step),
        ),
        remedies=(
            Remedy(
                text="look for an optimizer that holds other parameters, a rate of zero, a copy of the model that is "
                "evaluated, units that are all dead; `trainwright run SCRIPT` tells which"
            ),
        ),
        confidence=0.9,
    )


def metric_contradicts_loss(chart: Chart) -> Finding | None:
    """The loss falls, and the accuracy on the same split falls with it, or is the same number each time."""
    held = [record for record in known_evaluations(chart) if math.isfinite(record.metrics.get("accuracy", math.nan))]
    losses, right = [record.loss for record in held], [record.metrics["accuracy"] for record in held]
    fell = 1 - middle(losses[-3:]) / middle(losses[:3]) if middle(losses[:3]) > 0 else 0.0
    dropped = middle(right[:3]) - middle(right[-3:])
    together = fell >= LOSS_FELL and dropped >= ACCURACY_FELL and _rank_correlation(losses, right) >= IN_STEP
    still = fell >= LOSS_FELL_FAR and len(set(right)) == 1 and right[0] < NEARLY_ALL
    if not (together or still):
        return None
    return METRIC_CONTRADICTS_LOSS.finding(
        title="the accuracy falls while the loss falls"
        if together
        else "the accuracy never moves while the loss falls",
        step=held[-1].step,
        evidence=(
            Evidence(name="validation loss, first evaluations", value=middle(losses[:3]), step=held[0].step),
            Evidence(name="validation loss, last evaluations", value=middle(losses[-3:]), step=held[-1].step),
            Evidence(name="accuracy, first evaluations", value=middle(right[:3])),
            Evidence(name="accuracy, last evaluations", value=middle(right[-3:])),
        ),
        remedies=(
            Remedy(
                text="compute the accuracy by hand on one batch: the dimension of its argmax, a threshold meant for "
                "probabilities, targets in another order"
            ),
        ),
        confidence=0.8,
    )


def no_accuracy(chart: Chart) -> str | None:
    """Say why loss and accuracy cannot be compared, None where they can."""
    both = [record for record in known_evaluations(chart) if math.isfinite(record.metrics.get("accuracy", math.nan))]
    if len(both) >= FEWEST_FOR_CONTRADICTION:
        return None
    if not both:
        return "no accuracy was logged beside the validation loss"
    return f"loss and accuracy were logged together {len(both)} times: {FEWEST_FOR_CONTRADICTION} are needed"


def _rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Return Spearman's rank correlation, equal values sharing their rank; 0 where one of them never moves."""

    def ranks(values: Sequence[float]) -> list[float]:
        ordered = sorted(values)
        return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]

    first, second = ranks(finite(left)), ranks(finite(right))
    centre = (len(first) - 1) / 2
    spread = math.sqrt(sum((rank - centre) ** 2 for rank in first) * sum((rank - centre) ** 2 for rank in second))
    product = sum((one - centre) * (two - centre) for one, two in zip(first, second, strict=True))
    return product / spread if spread else 0.0
