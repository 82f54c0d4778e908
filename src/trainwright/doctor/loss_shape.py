"""Shapes and dimensions at the loss: broadcasts, and softmaxes along what is no class. All exact."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_loss import LOSS_SHAPE_BROADCAST, SOFTMAX_OVER_ONE_UNIT, SOFTMAX_WRONG_DIMENSION
from trainwright.doctor.loop_seen import at, counted, number, often, word
from trainwright.doctor.loss_entering import (
    CLASSES,
    DISTANCES,
    calls_of,
    entering,
    place,
    place_of_call,
    words,
    written,
)
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Location, Remedy
from trainwright.records.loss_call import LossCall

ALONG_ANOTHER = 1e-2
"""How far from 1 sums over dimension 1 must be before a softmax along a later one is one along the wrong one."""


def loss_shape_broadcast(chart: Chart) -> Finding | None:
    """An elementwise loss of the library, averaged, got as many targets as outputs in another number of dimensions."""
    for call in calls_of(chart, (*DISTANCES, "poisson_nll_loss")):
        if call.target is None or call.reduction == "none":
            continue
        ours, theirs = call.input.shape, call.target.shape
        pairs = _broadcast(ours, theirs)
        same = [size for size in ours if size != 1] == [size for size in theirs if size != 1]
        if len(ours) == len(theirs) or not same or pairs is None or pairs <= max(math.prod(ours), math.prod(theirs)):
            continue
        evidence = (
            Evidence(name="shape of what enters the loss", value=str(ours)),
            Evidence(name="shape of the targets", value=str(theirs)),
            Evidence(name="pairs that the loss is a mean over", value=pairs, threshold=math.prod(ours)),
        )
        remedy = (
            "output.squeeze(-1), or target.unsqueeze(-1): both need the same shape"
            if len(ours) > len(theirs)
            else "target.squeeze(-1), or output.unsqueeze(-1): both need the same shape"
        )
        return LOSS_SHAPE_BROADCAST.finding(
            where=place_of_call(chart, call), step=0, evidence=evidence, remedies=(Remedy(text=remedy),)
        )
    return _all_pairs(chart)


def _all_pairs(chart: Chart) -> Finding | None:
    """The same in a loss written by hand: it was seen not to care which target goes with which output."""
    output = chart.info.output
    for call in output.calls if output is not None else ():
        if call.pairs and call.target is not None:
            column = len(call.input.shape) > 1
            return LOSS_SHAPE_BROADCAST.finding(
                where=place_of_call(chart, call),
                step=0,
                evidence=(
                    Evidence(name="shape of the model's output", value=written(call.input.shape)),
                    Evidence(name="shape of the targets", value=written(call.target.shape)),
                    Evidence(name="difference of the loss with its targets in another order", value=0.0),
                ),
                remedies=(
                    Remedy(
                        text="output.squeeze(-1), or target.unsqueeze(-1): both need the same shape"
                        if column
                        else "target.squeeze(-1), or output.unsqueeze(-1): both need the same shape"
                    ),
                ),
            )
    return None


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> int | None:
    """Return the number of values of both shapes broadcast together, None where they cannot be."""
    rank = max(len(one), len(other))
    product = 1
    for a, b in zip((1,) * (rank - len(one)) + one, (1,) * (rank - len(other)) + other, strict=True):
        if a != b and 1 not in (a, b):
            return None
        product *= max(a, b)
    return product


def softmax_over_one_unit(chart: Chart) -> Finding | None:
    """The graph shows a softmax along a dimension of size 1, or a cross-entropy has a single class."""
    for call in entering(chart):
        entry = call.input
        found = entry.dimension is not None and entry.operation_shape[entry.dimension : entry.dimension + 1] == (1,)
        lone = len(entry.shape) >= 2 and entry.shape[1] == 1
        if not entry.operation_shape and entry.operation in ("Softmax", "LogSoftmax"):
            found = lone
        if found:
            operation, where = words(entry.operation), place(chart, entry.where)
        elif lone and call.function == "cross_entropy":
            operation, where = "cross_entropy", place_of_call(chart, call)
        else:
            continue
        evidence = [Evidence(name=f"classes that {operation} normalises over", value=1, threshold=2)]
        evidence.append(Evidence(name="shape of what enters the loss", value=str(entry.shape)))
        if found and entry.minimum is not None and entry.maximum is not None:
            evidence.append(Evidence(name="the least output", value=entry.minimum))
            evidence.append(Evidence(name="the largest output", value=entry.maximum))
        return SOFTMAX_OVER_ONE_UNIT.finding(
            where=where,
            step=0,
            title=f"{operation} over a single unit is always {'1' if operation == 'softmax' else '0'}",
            evidence=tuple(evidence),
            remedies=(
                Remedy(
                    text="for yes or no return the raw logit and use bce_with_logits; for a number drop the softmax"
                ),
            ),
        )
    return None


def softmax_over_one_score(chart: Chart) -> Finding | None:
    """Exact: inside of a model, a softmax along the one unit of a layer, where other dimensions hold several scores."""
    sighting = often(chart, "softmax-over-one-score")
    if sighting is None:
        return None
    longer, size = number(sighting, "longer") or 0, number(sighting, "size") or 0
    return SOFTMAX_OVER_ONE_UNIT.finding(
        where=place(chart, sighting.where),
        step=sighting.step,
        title="a softmax inside of the model is taken over a single score",
        because="e^z / e^z = 1 whatever z is: all weights that come of it are 1, and the layer that scores gets no "
        "gradient",
        evidence=(
            Evidence(name="scores that it is taken over", value=1, threshold=2),
            Evidence(name="shape of its result", value=word(sighting, "shape")),
            counted(sighting, "backward passes that showed it"),
        ),
        remedies=(Remedy(text=f"take it over the {size:g} scores of a sample: dim={longer:g}{at(sighting.where)}"),),
    )


def softmax_wrong_dimension(chart: Chart) -> Finding | None:
    """The graph shows a softmax along the samples, or, before a loss of class ids, along a later dimension than 1."""
    for call in entering(chart):
        if not call.function:
            continue
        where = place(chart, call.input.where)
        if _along_samples(call, chart.info.output.shape[:1] if chart.info.output else ()):
            return _wrong_dimension(call, where, "along the samples of the batch")
        if _along_positions(call):
            return _wrong_dimension(call, where, "along the positions, not the classes")
        if _classes_last(call):
            return _square(chart, call)
    return None


def _along_samples(call: LossCall, batch: tuple[int, ...]) -> bool:
    """Say whether dimension 0 was normalised, and was the batch. A square may have been transposed, and is let be."""
    entry = call.input
    shape = entry.operation_shape
    if entry.dimension != 0 or len(shape) < 2:
        return False
    return shape[0] > 1 and shape[:1] in (batch, entry.shape[:1]) and shape[0] != shape[1] and math.prod(shape[1:]) > 1


def _along_positions(call: LossCall) -> bool:
    entry = call.input
    if call.function not in CLASSES or entry.dimension is None or entry.dimension < 2:
        return False
    if entry.operation_shape != entry.shape or not 2 < len(entry.shape) > entry.dimension or entry.shape[1] < 2:
        return False
    if entry.shape[1] == entry.shape[entry.dimension]:  # the two may have been swapped since
        return False
    if entry.operation == "Softmax":
        return entry.row_sum_error is None or entry.row_sum_error > ALONG_ANOTHER
    return True


def _classes_last(call: LossCall) -> bool:
    """Say whether class ids are looked up along dimension 1, where the units of the last layer lie along the last one.

    Only where both are of one size does torch not refuse it.
    """
    shape, target = call.input.shape, call.target
    if call.function not in CLASSES or not call.input.units_last or target is None or target.floating:
        return False
    return len(shape) >= 3 and shape[1] == shape[-1] > 1 and target.shape == (shape[0], *shape[2:])


def _square(chart: Chart, call: LossCall) -> Finding:
    # A layer may also mix the places of a sample, and have its classes before them: rare, and never certain.
    return SOFTMAX_WRONG_DIMENSION.finding(
        where=place_of_call(chart, call),
        step=0,
        severity="warning",
        confidence=0.9,
        title=f"{call.function} takes the positions for classes",
        because="it looks for the classes along dimension 1, and the last layer, a linear one, has its units along the "
        "last; torch does not refuse it, because there are as many positions as classes",
        evidence=(
            Evidence(name="shape of what enters the loss", value=written(call.input.shape)),
            Evidence(name="dimension along which the last layer's units lie", value=len(call.input.shape) - 1),
            Evidence(name="dimension that is taken for the classes", value=1),
        ),
        remedies=(Remedy(text="pass output.transpose(1, -1), or flatten both: output.flatten(0, 1), y.flatten()"),),
    )


def _wrong_dimension(call: LossCall, where: Location, along: str) -> Finding:
    entry = call.input
    operation = words(entry.operation)
    own = call.function == "cross_entropy"
    remedy = (
        f"drop the {operation}: cross_entropy applies its own, over the classes"
        if own
        else f"name the dimension of the classes: {operation}(z, dim=1)"
    )
    return SOFTMAX_WRONG_DIMENSION.finding(
        where=where,
        step=0,
        title=f"{operation} normalises {along}",
        evidence=(
            Evidence(name=f"dimension that {operation} normalises", value=int(entry.dimension or 0), threshold=1),
            Evidence(name="shape that it works on", value=str(entry.operation_shape)),
            Evidence(name="shape of what enters the loss", value=str(entry.shape)),
        ),
        remedies=(Remedy(text=remedy),),
    )


RULES = (
    Rule(kind=LOSS_SHAPE_BROADCAST, needs=("output",), judge=loss_shape_broadcast),
    Rule(kind=SOFTMAX_WRONG_DIMENSION, needs=("output",), judge=softmax_wrong_dimension),
    Rule(kind=SOFTMAX_OVER_ONE_UNIT, needs=("output",), judge=softmax_over_one_unit),
    Rule(kind=SOFTMAX_OVER_ONE_UNIT, needs=("loop",), judge=softmax_over_one_score),
)
