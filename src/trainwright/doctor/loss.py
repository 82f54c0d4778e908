"""What enters the loss. Sources: G3 ("never apply softmax before CrossEntropyLoss"); the floor is log(1 + (C-1)/e)."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_loss import SOFTMAX_BEFORE_CROSS_ENTROPY
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Location, Remedy

ROW_SUM_TOLERANCE = 1e-3
"""How far from 1 a row may sum and still be a probability: float32 gives 1e-6, bfloat16 some 1e-3."""


def softmax_before_cross_entropy(chart: Chart) -> Finding | None:
    """Exact: the graph shows a softmax behind the loss's input. By value where the graph does not tell."""
    output = chart.info.output
    if output is None or len(output.shape) < 2:
        return None
    if chart.info.loss != "cross_entropy" and not output.loss_softmax:
        return None
    seen = output.operation == "Softmax"
    sums_to_one = output.row_sum_error is not None and output.row_sum_error < ROW_SUM_TOLERANCE
    # By value alone two classes are too few: an untrained net may put out two numbers that happen to add up to one.
    if not seen and not (sums_to_one and output.shape[1] > 2):
        return None
    classes = output.shape[1]
    floor = math.log(1 + (classes - 1) / math.e)
    evidence = []
    looked = f"in {output.batches} of {output.batches} batches"
    if seen:
        evidence.append(Evidence(name="the last operation before the loss", value="softmax"))
    if output.row_sum_error is not None:
        evidence.append(
            Evidence(
                name=f"every row of the output sums to 1 {looked}; largest error",
                value=output.row_sum_error,
                threshold=ROW_SUM_TOLERANCE,
            )
        )
    place = output.where
    if place.file is None:
        written = chart.info.where("model.name", "model")
        place = Location(file=written.file, line=written.line, module=place.module)
    return SOFTMAX_BEFORE_CROSS_ENTROPY.finding(
        where=place,
        step=0,
        evidence=tuple(evidence),
        because=f"{SOFTMAX_BEFORE_CROSS_ENTROPY.because}; with {classes} classes the loss cannot go below {floor:.3f}",
        remedies=(
            Remedy(text="pass the raw logits: drop the softmax from the model, and call it only when you predict"),
        ),
    )


RULES = (Rule(kind=SOFTMAX_BEFORE_CROSS_ENTROPY, needs=("output",), judge=softmax_before_cross_entropy),)
