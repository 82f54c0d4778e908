"""Labels that nothing in the inputs leads to, and classes that are rare: judged by what the loop itself shows."""

from __future__ import annotations

import math
import statistics

from trainwright.doctor.kinds_datasets import CLASS_IMBALANCE, LABELS_UNRELATED_TO_INPUTS
from trainwright.doctor.loop_seen import loop_of, number
from trainwright.doctor.loss_entering import place_of_targets
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

LEARNT = 0.75
"""Training loss, in losses of the best constant guess, below which the network has learnt its training samples."""
RELATED = 0.9
"""And where it fell below this within the first pass, on samples never seen before, they were not learnt by heart."""
FEWEST_TRAINED = 250
"""Training samples from which on held-out guesses that are no better than chance speak against the labels."""
EVALUATIONS = 3
"""Evaluations in a row without a sign of any relation."""
FEWEST_SAMPLES = 100
"""Held-out samples of each, so that chance is known to some hundredths."""
STANDARD_ERRORS = 2.0
"""By which an accuracy may be above that of the most frequent answer, and still be chance."""
CHANCE, CLEAR = 2.0, 4.0
"""Standard deviations by which simple predictors must stay below to find no relation, and above to have found one."""
NOTHING, TRIED = 0.95, 200
"""Training loss, in losses of a constant guess, above which so many steps have taught nothing."""
RECENT = 20
"""Steps whose median is the training loss."""
RATIO = 10.0
"""Most frequent class over rarest from which accuracy is misleading."""
PRIOR = 1.2
"""First loss, in losses of the best constant guess, below which the shares of the classes are known to the model."""
SEEN = 1000
"""Labels from which the shares of the classes are known."""


def labels_unrelated_to_inputs(chart: Chart) -> Finding | None:
    """What was learnt by heart helps nothing on held-out samples: their accuracy is that of guessing."""
    stats, constant = chart.info.targets, chart.info.constant_loss
    if chart.info.task != "classification" or stats is None or stats.commonest is None or not constant:
        return None
    recent = [record.loss for record in chart.steps[-RECENT:] if math.isfinite(record.loss)]
    if len(recent) < RECENT:
        return None
    now, relation = statistics.median(recent), stats.relation
    if (relation is not None and relation > CLEAR) or _learnt_at_first_sight(chart, constant):
        return None
    independent = relation is not None and relation < CHANCE
    held = _held_out(chart)
    if held is None:
        return _alone(chart, now / constant) if independent else None
    if now >= LEARNT * constant and not independent:
        return None
    if not independent and _epoch_samples(chart) < FEWEST_TRAINED:
        return None  # learnt by heart, most likely: so few say little of others, whatever the labels
    accuracy, samples, step = held
    chance = stats.commonest
    most = chance + STANDARD_ERRORS * math.sqrt(chance * (1 - chance) / samples)
    if accuracy > most:
        return None
    return _unrelated(
        chart,
        step,
        Evidence(name=f"held-out accuracy, in {EVALUATIONS} evaluations in a row", value=accuracy, threshold=most),
        Evidence(name="share of the most frequent class", value=chance),
        Evidence(name="training loss, in losses of the best constant guess", value=now / constant),
    )


def _epoch_samples(chart: Chart) -> float:
    """Return how many samples an epoch of training has, infinitely many where nobody knows."""
    steps = chart.info.steps_per_epoch
    return steps * statistics.median(record.samples for record in chart.steps) if steps else math.inf


def _alone(chart: Chart, reached: float) -> Finding | None:
    """Judge without evaluations: the network does not get below a constant guess either."""
    if reached < NOTHING or chart.steps[-1].step < TRIED:
        return None
    return _unrelated(
        chart,
        TRIED,
        Evidence(name="training loss, in losses of the best constant guess", value=reached, threshold=NOTHING),
    )


def _unrelated(chart: Chart, step: int, *evidence: Evidence) -> Finding:
    relation = chart.info.targets.relation if chart.info.targets is not None else None
    if relation is not None:
        name = "standard deviations by which the nearest samples, or a linear model, guess labels better than chance"
        evidence = (*evidence, Evidence(name=name, value=relation, threshold=CHANCE))
    return LABELS_UNRELATED_TO_INPUTS.finding(
        title="the labels do not follow from the inputs",
        because="nothing that is learnt of some samples helps with others, so the network guesses, or learns by heart",
        where=place_of_targets(chart),
        step=step,
        evidence=evidence,
        remedies=(
            Remedy(text="look at some samples with their labels; sort, filter and shuffle inputs and labels as one"),
        ),
        confidence=0.8 if relation is not None else 0.7,
    )


def _held_out(chart: Chart) -> tuple[float, int, int] | None:
    """Return accuracy and number of held-out samples, where the last evaluations have the loss of a guess or worse.

    And the step since which that has been certain.

    None where too few evaluations were seen, or one of them did better than a constant guess.
    """
    constant = chart.info.constant_loss or 0.0
    known = [
        record
        for record in chart.evaluations("validation")
        if record.samples >= FEWEST_SAMPLES and "accuracy" in record.metrics
    ]
    if known:
        last = known[-EVALUATIONS:]
        if len(last) < EVALUATIONS or any(record.loss < constant for record in last):
            return None
        better = [place for place, record in enumerate(known) if record.loss < constant]
        since = known[min((better[-1] if better else -1) + EVALUATIONS, len(known) - 1)].step
        return statistics.fmean(record.metrics["accuracy"] for record in last), last[-1].samples, since
    answers = loop_of(chart).seen("held-out-answers")
    if answers is None or answers.count < EVALUATIONS:
        return None
    right, asked = number(answers, "right"), number(answers, "asked")
    if right is None or not asked or asked < FEWEST_SAMPLES:
        return None
    return right / asked, int(asked), chart.steps[-1].step


def _learnt_at_first_sight(chart: Chart, constant: float) -> bool:
    """Say whether the loss fell while every batch was still new, where the length of a pass is known."""
    size = chart.info.steps_per_epoch
    if size is None or size < 8:
        return False
    late = [record.loss for record in chart.steps if size - max(4, size // 4) <= record.step < size]
    return bool(late) and statistics.median(late) < RELATED * constant


def class_imbalance(chart: Chart) -> Finding | None:
    """A note: one class is ten times as frequent as another, and nothing in the loss makes up for it."""
    stats = chart.info.targets
    if chart.info.loss not in ("cross_entropy", "nll", "bce_with_logits") or stats is None or stats.distinct < 2:
        return None
    if stats.rarest is None or stats.commonest is None or stats.weight_order is not None or stats.weighted:
        return None
    if not stats.integral or stats.samples < SEEN or stats.commonest <= RATIO * stats.rarest:
        return None
    most, fewest = stats.commonest * stats.samples, stats.rarest * stats.samples
    if most - 3 * math.sqrt(most) <= RATIO / 2 * (fewest + 3 * math.sqrt(fewest)):
        return None  # of many classes that are equally frequent, one is always counted most, another least
    if _fine(chart):
        return None
    missed = _never_found(chart)
    if missed is None and _begins_at_the_shares(chart):
        return None
    return CLASS_IMBALANCE.finding(
        severity="note" if missed is None else "warning",
        title=CLASS_IMBALANCE.title if missed is None else "a rare class is never found",
        where=place_of_targets(chart),
        step=0 if missed is None else missed[0].step,
        evidence=(
            *(missed or ()),
            Evidence(name="most frequent class over rarest", value=stats.commonest / stats.rarest, threshold=RATIO),
            Evidence(name="share of the rarest class", value=stats.rarest),
            Evidence(name="labels counted", value=stats.samples),
        ),
        remedies=(Remedy(text="look at the recall of each class; weigh the loss, or draw rare classes more often"),),
    )


def _never_found(chart: Chart) -> tuple[Evidence, ...] | None:
    """Return the class that the last evaluations of a finished run, or its last training batches, never find."""
    loop = loop_of(chart)
    known = [record for record in chart.evaluations("validation") if "least_recall" in record.metrics][-EVALUATIONS:]
    if not loop.finished:
        return None
    if known:
        classes = {record.metrics["least_recall_class"] for record in known}
        if any(record.metrics["least_recall"] > 0 for record in known) or len(classes) > 1:
            return None
        where = f"recall of class {int(classes.pop())} in the last evaluation"
        return (Evidence(name=where, value=0.0, step=known[-1].step),)
    sighting = loop.seen("class-never-named")
    if sighting is None:
        return None
    name, asked = f"recall of class {number(sighting, 'class') or 0:.0f} in training", number(sighting, "asked") or 0
    last = chart.steps[-1].step if chart.steps else sighting.step
    return (
        Evidence(name=name, value=0.0, step=last),
        Evidence(name="samples of that class that were looked at", value=int(asked)),
    )


def _begins_at_the_shares(chart: Chart) -> bool:
    """Say whether the first loss is already that of guessing by the classes' shares: somebody has set the last bias."""
    constant, stats = chart.info.constant_loss, chart.info.targets
    if constant is None or stats is None or PRIOR * constant > math.log(stats.distinct):
        return False  # guessing by the shares is no better than guessing blindly
    return bool(chart.steps) and chart.steps[0].loss < PRIOR * constant


def _fine(chart: Chart) -> bool:
    """Say whether targets are tokens, words or pixels, which are never equally frequent, or several answers each."""
    calls = chart.info.output.calls if chart.info.output is not None else ()
    known = [call.target for call in calls if call.target is not None]
    return any(target.copied is not None or _several(target.shape) for target in known)


def _several(shape: tuple[int, ...]) -> bool:
    return math.prod(shape[1:]) > 1


FEWEST_MET = 24
"""Samples that came again: of two classes as many agree by chance in one case of 2**24."""
TORN = 0.75
"""Share of the disagreement that chance would make. Labels that a network makes for itself disagree far less."""


def labels_change(chart: Chart) -> Finding | None:
    """The same samples come with other labels, as often as if they were dealt out anew."""
    sighting = loop_of(chart).seen("labels-of-a-sample-change")
    if sighting is None:
        return None
    met, differ, chance = (number(sighting, fact) or 0.0 for fact in ("met", "differ", "chance"))
    pairs, apart = (number(sighting, fact) or 0.0 for fact in ("pairs", "apart"))
    if met < FEWEST_MET or chance <= 0 or differ < TORN * chance * met:
        return None
    if pairs < FEWEST_MET or apart < TORN * chance * pairs:
        return None  # what had one label has one again: classes that are numbered anew, or another task
    return LABELS_UNRELATED_TO_INPUTS.finding(
        severity="warning",
        title="the same sample comes with another label each time",
        because="inputs and labels are put in order apart from each other, so that nothing can be learnt of one from "
        "the other",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="samples that came again", value=met, threshold=FEWEST_MET),
            Evidence(name="of them with another label", value=differ / met, threshold=TORN * chance),
            Evidence(name="share that chance would make", value=chance),
        ),
        remedies=(Remedy(text="keep each input and its label in one data set, and draw or shuffle them together"),),
    )


RULES = (
    Rule(kind=LABELS_UNRELATED_TO_INPUTS, needs=("loop",), judge=labels_change),
    Rule(kind=LABELS_UNRELATED_TO_INPUTS, needs=("loop", "steps", "targets"), judge=labels_unrelated_to_inputs),
    Rule(kind=CLASS_IMBALANCE, needs=("loop", "targets"), judge=class_imbalance),
)
