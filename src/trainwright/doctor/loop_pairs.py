"""Losses by hand, as the graph of a foreign loop shows them: over all pairs, without a logarithm, divided twice."""

from __future__ import annotations

from trainwright.doctor.kinds_loss import LOSS_SHAPE_BROADCAST, NLL_WITHOUT_LOG_SOFTMAX, REGRESSION_LOSS_FOR_CLASSES
from trainwright.doctor.kinds_start import INITIAL_LOSS_TOO_LOW
from trainwright.doctor.loop_seen import counted, loop_of, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

FEWEST_STEPS = 3
"""Steps that must have been so: once is a trial."""
ONE_EACH = 1.1
"""Backward passes for each step: where there are more, losses are divided to be added up."""


def loss_shape_broadcast(chart: Chart) -> Finding | None:
    """One learnt side, whose difference from the other holds every pair."""
    sighting = loop_of(chart).seen("difference-of-all-pairs")
    if sighting is None:
        return None
    output = word(sighting, "output")
    column = output.endswith("1)")
    return LOSS_SHAPE_BROADCAST.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="shape of the outputs", value=output),
            Evidence(name="shape of their difference from the targets", value=word(sighting, "difference")),
        ),
        remedies=(
            Remedy(
                text="output.squeeze(-1), or target.unsqueeze(-1): both need the same shape"
                if column
                else "target.squeeze(-1), or output.unsqueeze(-1): both need the same shape"
            ),
        ),
    )


def cross_entropy_without_logarithm(chart: Chart) -> Finding | None:
    """Exact: minus the mean of raw outputs, each times the share of its class. Such a loss has no lower bound."""
    sighting = loop_of(chart).seen("shares-of-raw-outputs")
    if sighting is None:
        return None
    return NLL_WITHOUT_LOG_SOFTMAX.finding(
        where=place(sighting.where, loop_of(chart).backward_where),
        step=sighting.step,
        title="a cross-entropy by hand takes raw outputs for log-probabilities",
        because="minus the sum of target times log-probability is a cross-entropy; of raw outputs it has no lower "
        "bound, and is made smaller by scaling them up",
        evidence=(
            Evidence(name="classes over which the targets add up to 1", value=number(sighting, "classes") or 0),
            Evidence(name="logarithms between the last layer and the loss", value=0, threshold=1),
        ),
        remedies=(
            Remedy(text="take scores.log_softmax(dim=-1) before; or use cross_entropy, whose targets may be so"),
        ),
    )


def distance_to_codes(chart: Chart) -> Finding | None:
    """Exact: a mean of |probability - code|. It can be meant, against false labels, and is slow where it is."""
    sighting = loop_of(chart).seen("distance-to-codes")
    if sighting is None:
        return None
    return REGRESSION_LOSS_FOR_CLASSES.finding(
        where=place(sighting.where, loop_of(chart).backward_where),
        step=sighting.step,
        severity="warning",
        title="classes are learnt by the distance between probabilities and codes",
        because="its gradient vanishes for a sample that is answered wrongly and surely, so that whole classes are "
        "given up",
        evidence=(Evidence(name="classes", value=number(sighting, "classes") or 0),),
        remedies=(Remedy(text="pass the raw outputs and the class ids to cross_entropy"),),
        confidence=0.9,
    )


def mean_divided_again(chart: Chart) -> Finding | None:
    """Exact: the loss of the library over the size of the batch, where each step has one backward pass."""
    loop = loop_of(chart)
    sighting = often(chart, "mean-divided-again", fewest=FEWEST_STEPS)
    if sighting is None or loop.backwards > ONE_EACH * loop.steps + 1:
        return None
    size, before = number(sighting, "size") or 0, number(sighting, "loss") or 0.0
    return INITIAL_LOSS_TOO_LOW.finding(
        severity="warning",
        where=sighting.where,
        step=sighting.step,
        title="the mean over the batch is divided by the size of the batch once more",
        because="the loss of the library is a mean already: the gradients are smaller by the size of the batch, and so "
        "are the steps",
        evidence=(
            counted(sighting, "steps that were looked at whose loss was"),
            Evidence(name="the mean over the batch", value=before),
            Evidence(name="what it is divided by, the size of the batch", value=size, threshold=1),
        ),
        remedies=(Remedy(text="leave the division out, or give the loss reduction='sum' before it"),),
    )


RULES = (Rule(kind=LOSS_SHAPE_BROADCAST, needs=("loop",), judge=loss_shape_broadcast),)
BY_HAND = (
    Rule(kind=NLL_WITHOUT_LOG_SOFTMAX, needs=("loop",), judge=cross_entropy_without_logarithm),
    Rule(kind=REGRESSION_LOSS_FOR_CLASSES, needs=("loop",), judge=distance_to_codes),
    Rule(kind=INITIAL_LOSS_TOO_LOW, needs=("loop",), judge=mean_divided_again),
)
