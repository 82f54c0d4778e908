"""What the first steps of a foreign loop show of its model: how it was initialised, and how it is put together."""

from __future__ import annotations

from dataclasses import replace

from trainwright.doctor.kinds_start import (
    DROPOUT_BEFORE_BATCH_NORM,
    DROPOUT_TOO_STRONG,
    NO_NONLINEARITY,
    SYMMETRIC_INITIALISATION,
)
from trainwright.doctor.loop_seen import at, loop_of, number, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loop import Sighting

STRONG = 0.9
"""Share that is dropped: what is left is a tenth or less."""


def symmetric_initialisation(chart: Chart) -> Finding | None:
    """Exact: rows that began equal got equal gradients, and are equal after steps that moved other weights."""
    sighting = loop_of(chart).seen("units-alike")
    if sighting is None:
        return _constant_at_start(chart)
    parameter, zero = word(sighting, "parameter"), sighting.facts.get("zero") is True
    return SYMMETRIC_INITIALISATION.finding(
        title="weights begin at zero and stay there" if zero else SYMMETRIC_INITIALISATION.title,
        where=replace(sighting.where, parameter=parameter or None),
        step=sighting.step,
        evidence=(
            Evidence(name=f"rows of {parameter} that differ from one another, at the start and after steps", value=0),
            Evidence(name="weights of which that is true", value=number(sighting, "count") or 1),
        ),
        remedies=(_at_random(sighting),),
    )


def _constant_at_start(chart: Chart) -> Finding | None:
    """Exact: not one weight matrix of the model, of two at least, tells its units apart."""
    sighting = loop_of(chart).seen("weights-constant-at-start")
    if sighting is None:
        return None
    zero = sighting.facts.get("zero") is True
    return SYMMETRIC_INITIALISATION.finding(
        title=f"all weights of the model begin {'at zero' if zero else 'equal'}",
        because="nothing of the input gets through weights that are zero, and only the biases tell units apart"
        if zero
        else "units with equal weights compute the same, and only their biases tell them apart: they learn as one",
        where=replace(sighting.where, parameter=word(sighting, "parameter") or None),
        step=sighting.step,
        evidence=(
            Evidence(name="weight matrices whose rows are all equal before the first step", value=_count(sighting)),
            Evidence(name="weight matrices whose rows are not", value=0),
            Evidence(name="among them", value=word(sighting, "names")),
        ),
        remedies=(_at_random(sighting),),
    )


def _at_random(sighting: Sighting) -> Remedy:
    text = "initialise weights at random: nn.init.kaiming_normal_ for ReLU, xavier_normal_ for tanh"
    return Remedy(text=f"{text}{at(sighting.where)}")


def _count(sighting: Sighting) -> int:
    return int(number(sighting, "count") or 1)


def no_nonlinearity(chart: Chart) -> Finding | None:
    """Exact provenance: what one layer gives goes into the next one, unchanged, and nowhere else."""
    sighting = loop_of(chart).seen("linear-in-a-row")
    if sighting is None:
        return linear_throughout(chart)
    first, second, pairs = word(sighting, "first"), word(sighting, "second"), number(sighting, "pairs") or 1
    more = (Evidence(name="such pairs", value=pairs),) if pairs > 1 else ()
    return NO_NONLINEARITY.finding(
        where=replace(sighting.where, parameter=second or None),
        step=sighting.step,
        evidence=(Evidence(name=f"{first} feeds {second} directly; sizes", value=word(sighting, "sizes")), *more),
        remedies=(Remedy(text="put an activation between them (ReLU, GELU), or drop one of both"),),
    )


def linear_throughout(chart: Chart) -> Finding | None:
    """Exact: from the first layer to the last there are products with weights, and sums, and nothing else."""
    sighting = loop_of(chart).seen("linear-throughout")
    if sighting is None:
        return None
    first, last = word(sighting, "first"), word(sighting, "last")
    return NO_NONLINEARITY.finding(
        title="the whole network is linear in its input",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name=f"layers from {first} to {last}", value=number(sighting, "layers") or 0),
            Evidence(name="operations between them that are not linear", value=0, threshold=1),
        ),
        remedies=(Remedy(text=f"put an activation behind each layer but the last{at(sighting.where)}"),),
    )


def dropout_too_strong(chart: Chart) -> Finding | None:
    """Exact: the share that a layer of dropout was given."""
    sighting = loop_of(chart).seen("dropout-strong")
    p = number(sighting, "p") if sighting is not None else None
    if sighting is None or p is None or p < STRONG:
        return None
    keep = f"where {p:g} was meant as the share to keep, take p = {1 - p:.2g}; else 0.1 to 0.5"
    return DROPOUT_TOO_STRONG.finding(
        where=replace(sighting.where, module=word(sighting, "module") or None),
        step=sighting.step,
        evidence=(Evidence(name="share that is dropped (p)", value=p, threshold=STRONG),),
        remedies=(Remedy(text=f"{keep}{at(sighting.where)}"),),
    )


def dropout_before_batch_norm(chart: Chart) -> Finding | None:
    """Exact provenance, in training mode, through an activation and one layer of weights at most."""
    sighting = loop_of(chart).seen("dropout-before-norm")
    if sighting is None:
        return None
    dropout, norm = word(sighting, "dropout"), word(sighting, "norm")
    return DROPOUT_BEFORE_BATCH_NORM.finding(
        where=replace(sighting.where, module=dropout or None),
        step=sighting.step,
        evidence=(Evidence(name=f"{dropout} feeds {norm}; such places", value=number(sighting, "places") or 1),),
        remedies=(Remedy(text="move dropout behind the last batch normalisation, or leave it out"),),
    )


RULES = (
    Rule(kind=SYMMETRIC_INITIALISATION, needs=("loop",), judge=symmetric_initialisation),
    Rule(kind=DROPOUT_TOO_STRONG, needs=("loop",), judge=dropout_too_strong),
    Rule(kind=NO_NONLINEARITY, needs=("loop",), judge=no_nonlinearity),
    Rule(kind=DROPOUT_BEFORE_BATCH_NORM, needs=("loop",), judge=dropout_before_batch_norm),
)
