"""A loss by hand over all pairs of outputs and targets, as the graph of a foreign loop shows it. Exact."""

from __future__ import annotations

from trainwright.doctor.kinds_loss import LOSS_SHAPE_BROADCAST
from trainwright.doctor.loop_seen import loop_of, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy


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


RULES = (Rule(kind=LOSS_SHAPE_BROADCAST, needs=("loop",), judge=loss_shape_broadcast),)
