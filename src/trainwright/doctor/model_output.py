"""What a model gives in a foreign loop: the same for every sample, one class and no other, or far too much at first."""

from __future__ import annotations

import math
from dataclasses import replace

from trainwright.doctor.kinds_model import COLLAPSED_PREDICTIONS
from trainwright.doctor.kinds_start import INITIAL_LOSS_TOO_HIGH, INITIAL_LOSS_TOO_LOW
from trainwright.doctor.kinds_wiring import OUTPUTS_IGNORE_INPUT
from trainwright.doctor.loop_seen import at, flag, loop_of, number, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall

TIMES_GUESS, ABOVE_GUESS = 2.0, 0.5
"""Too high for classes: twice what favouring none gives, and half a nat more. The check before training asks for half
as much above it, on more samples, and without dropout."""
SPREAD = 8.0
"""And only where the logits lie that far apart, about four deviations of the size that the check asks for."""
TIMES_TARGETS = 10.0
"""Too high for values: outputs ten times as large as the targets, and ten in themselves; small targets are no fault."""
KNOWN = 0.9
"""Share of the first samples whose right class comes first, or last, that no draw of weights has: without labels each
place is as likely as any other."""
LEAST_LOSS, LEAST_ENTROPY = 0.5, 0.5
"""Share of the labels' entropy, which is what the best constant guess pays; and the entropy, in nats, below which a
constant guess is nearly always right."""
FEWEST_CLASSES = 3
"""Of two classes the right one comes last by luck, too."""
SMALLEST = 1e-5
"""Variation of the output over the samples, of its size; `watching.variation` tells how it was measured."""


def outputs_ignore_input(chart: Chart) -> Finding | None:
    """The output was alike for all samples in every look; exact where a layer is named that erases its input."""
    sighting = loop_of(chart).seen("outputs-alike")
    if sighting is None:
        return None
    module, layer = word(sighting, "module"), word(sighting, "layer")
    evidence = [
        Evidence(
            name="variation of the output over samples, of its size",
            value=number(sighting, "variation") or 0.0,
            threshold=SMALLEST,
        ),
        Evidence(name="batches in a row of which that is true", value=number(sighting, "looks") or 1),
    ]
    text = "follow one sample through the layers: somewhere all samples become alike"
    if layer:
        named = f"{module} ({layer})" if module else layer
        evidence.append(Evidence(name="the first layer behind which all samples are alike", value=named))
        text = f"look at {named}: what goes in differs between samples, and what comes out does not"
    return OUTPUTS_IGNORE_INPUT.finding(
        where=replace(place(sighting.where, chart.info.where("model.call")), module=module or None),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"{text}{at(sighting.where)}"),),
    )


def collapsed_predictions(chart: Chart) -> Finding | None:
    """One class for all samples of several batches, with more confidence than its share among the labels explains."""
    sighting = loop_of(chart).seen("predictions-collapsed")
    if sighting is None:
        return class_costs_nothing(chart)
    index, samples = number(sighting, "class"), number(sighting, "samples")
    share, sure = number(sighting, "share"), number(sighting, "probability")
    if index is None or share is None or sure is None:
        return None
    return COLLAPSED_PREDICTIONS.finding(
        title=f"the model answers class {index:g} to everything",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name=f"share of class {index:g} in {samples or 0:g} predictions", value=1.0),
            Evidence(name="its share in their labels", value=share),
            Evidence(name="the mean probability that it is given", value=sure, threshold=share),
        ),
        remedies=(
            Remedy(
                text=f"see what rewards this class: weights of the loss, the sampler, the labels{at(sighting.where)}"
            ),
        ),
    )


def class_costs_nothing(chart: Chart) -> Finding | None:
    """Exact: the gradient of every sample of one class is zero, so that nothing speaks against the other answer."""
    sighting = loop_of(chart).seen("class-costs-nothing")
    if sighting is None:
        return None
    index, samples = number(sighting, "class") or 0, number(sighting, "samples") or 0
    return COLLAPSED_PREDICTIONS.finding(
        title=f"samples of class {index:g} cost nothing, whatever the model answers",
        because="no gradient comes from them, so that the model learns to answer the other class to everything",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name=f"samples of class {index:g} in the first steps", value=samples),
            Evidence(name="of them with a gradient", value=0, threshold=1),
        ),
        remedies=(Remedy(text=f"see what weighs this class in the loss: its weight is zero{at(sighting.where)}"),),
    )


def initial_loss_too_high(chart: Chart) -> Finding | None:
    """Compare the loss of the very first step with that of favouring no class, or of predicting zero."""
    calls = chart.info.output.calls if chart.info.output is not None else ()
    if not calls or not chart.steps or chart.steps[0].step != 0 or loop_of(chart).turns:
        return None
    found = _too_high(chart, calls[0], chart.steps[0].loss)
    if found is None or _handicapped(chart):
        return None
    guess, limit, size, least = found
    where = place(chart.info.where("model.init"), calls[0].where, chart.info.where("loss"))
    return INITIAL_LOSS_TOO_HIGH.finding(
        where=where,
        step=0,
        evidence=(
            Evidence(name="loss before the first step", value=chart.steps[0].loss, threshold=limit),
            Evidence(name="loss of a guess", value=guess),
            Evidence(name="size of the outputs", value=size, threshold=least),
        ),
        remedies=(
            Remedy(text="scale the inputs, and initialise the last layer smaller: small outputs favour nothing"),
        ),
    )


def _handicapped(chart: Chart) -> bool:
    """Say whether the right class comes last for nearly every sample, which takes labels to do: a margin."""
    sighting = loop_of(chart).seen("right-classes-at-start")
    if sighting is None or (number(sighting, "classes") or 0) < FEWEST_CLASSES:
        return False
    return (number(sighting, "last") or 0.0) >= KNOWN


def initial_loss_too_low(chart: Chart) -> Finding | None:
    """Exact but for what layers of the user's own hold: weights as they were drawn, and answers that know the labels.

    Whatever a model makes of its inputs, it pays the entropy of the labels, or it knows something of them.
    """
    sighting = loop_of(chart).seen("right-classes-at-start")
    if sighting is None or not flag(sighting, "drawn"):
        return None
    loss, entropy, first = (number(sighting, fact) for fact in ("loss", "entropy", "first"))
    if loss is None or entropy is None or first is None:
        return None
    if entropy < LEAST_ENTROPY or loss > LEAST_LOSS * entropy or first < KNOWN:
        return None
    return INITIAL_LOSS_TOO_LOW.finding(
        severity="warning",
        title="the outputs know the labels before anything was learnt",
        because="a network with the weights that it was drawn with pays the entropy of the labels at least; this one "
        "answers rightly, so the labels enter its outputs, and there is little left to learn",
        where=place(sighting.where, chart.info.where("loss")),
        step=0,
        evidence=(
            Evidence(name="share of the first samples that are answered rightly", value=first, threshold=KNOWN),
            Evidence(name="loss before the first step", value=loss, threshold=LEAST_LOSS * entropy),
            Evidence(name="entropy of their labels", value=entropy),
        ),
        remedies=(
            Remedy(text="see where the labels enter the outputs: a margin is subtracted from the right class's score"),
        ),
        confidence=0.9,
    )


def _too_high(chart: Chart, call: LossCall, loss: float) -> tuple[float, float, float, float] | None:
    """Return a guess's loss, the limit, the size of the outputs and the least size that counts; None if in order."""
    entering, target, targets = call.input, call.target, chart.info.targets
    if entering.minimum is None or entering.maximum is None or target is None or not math.isfinite(loss):
        return None
    if call.function == "cross_entropy" and not target.floating and len(entering.shape) > 1:
        guess, size, least = math.log(max(entering.shape[1], 2)), entering.maximum - entering.minimum, SPREAD
        limit = TIMES_GUESS * guess + ABOVE_GUESS
    elif call.function == "binary_cross_entropy_with_logits":
        guess, size, least = math.log(2), max(-entering.minimum, entering.maximum), SPREAD / 2
        limit = TIMES_GUESS * guess + ABOVE_GUESS
    elif call.function == "mse_loss" and targets is not None and targets.mean is not None and targets.std is not None:
        guess = targets.mean**2 + targets.std**2
        size, least = max(-entering.minimum, entering.maximum), TIMES_TARGETS * max(math.sqrt(guess), 1.0)
        limit = TIMES_TARGETS * guess
    else:
        return None
    return None if loss < limit or size < least else (guess, limit, size, least)


RULES = (
    Rule(kind=INITIAL_LOSS_TOO_LOW, needs=("loop", "output"), judge=initial_loss_too_low),
    Rule(kind=OUTPUTS_IGNORE_INPUT, needs=("loop",), judge=outputs_ignore_input),
    Rule(kind=COLLAPSED_PREDICTIONS, needs=("loop",), judge=collapsed_predictions),
    Rule(kind=INITIAL_LOSS_TOO_HIGH, needs=("loop", "steps", "output"), judge=initial_loss_too_high),
)
