"""Samples that depend on one another, as an exchange in a batch of the loop has shown. Exact."""

from __future__ import annotations

from trainwright.doctor.kinds_loss import SOFTMAX_WRONG_DIMENSION
from trainwright.doctor.kinds_wiring import SAMPLES_MIXED_IN_BATCH
from trainwright.doctor.loop_seen import loop_of, number, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy, Sighting

_RECURRENT = ("RNN", "GRU", "LSTM")
_ATTENTION = ("MultiheadAttention", "Transformer")


def softmax_over_samples(chart: Chart) -> Finding | None:
    """A softmax inside of the model runs along the batch, and samples were seen to depend on one another."""
    sighting = loop_of(chart).seen("samples-mixed")
    shape = "" if sighting is None else word(sighting, "softmax")
    if sighting is None or not shape:
        return None
    return SOFTMAX_WRONG_DIMENSION.finding(
        where=sighting.where,
        step=sighting.step,
        title="softmax normalises along the samples of the batch",
        evidence=(
            Evidence(name="dimension that softmax normalises", value=0, threshold=1),
            Evidence(name="shape that it works on", value=shape),
            *_exchange(sighting),
        ),
        remedies=(Remedy(text="name the dimension that is to sum to 1 within a sample: softmax(z, dim=1), or dim=-1"),),
    )


def samples_mixed(chart: Chart) -> Finding | None:
    """The outputs of other samples changed when one was exchanged, in evaluation mode."""
    sighting = loop_of(chart).seen("samples-mixed")
    if sighting is None:
        return None
    module, layer = word(sighting, "module"), word(sighting, "layer")
    text = "use transpose or permute where axes change places; view and reshape only regroup"
    if layer.startswith((*_RECURRENT, *_ATTENTION)):
        text = f"pass batch_first=True to the {layer}: it takes the samples for points in time"
    evidence = list(_exchange(sighting))
    if layer:
        evidence.append(Evidence(name="where the samples first touch", value=f"{module} ({layer})".strip()))
    return SAMPLES_MIXED_IN_BATCH.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=text),),
    )


def _exchange(sighting: Sighting) -> tuple[Evidence, ...]:
    return (
        Evidence(name="samples in the batch", value=number(sighting, "samples") or 0),
        Evidence(
            name="relative change of the other outputs when one sample is exchanged",
            value=number(sighting, "effect") or 0.0,
            threshold=0.0,
        ),
    )


RULES = (
    Rule(kind=SOFTMAX_WRONG_DIMENSION, needs=("loop",), judge=softmax_over_samples),
    Rule(kind=SAMPLES_MIXED_IN_BATCH, needs=("loop",), judge=samples_mixed),
)
