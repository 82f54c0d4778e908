"""Softmax and sigmoid before a loss that applies its own. Sources: G3 ("never apply softmax before CrossEntropyLoss").

The floors follow from outputs in [0, 1] taken for logits: log(1 + (C - 1) / e) for C classes, log 2 and log(1 + 1/e)
for a no and a yes.
"""

from __future__ import annotations

import math

from trainwright.doctor.kinds_loss import SIGMOID_BEFORE_BCE, SOFTMAX_BEFORE_CROSS_ENTROPY
from trainwright.doctor.loss_entering import SIGMOID_LOSSES, SOFTMAX_LOSSES, entering, made_at, meeting_place, words
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall

ROW_SUM_TOLERANCE = 1e-3
"""How far from 1 a row may sum and still be a probability: float32 gives 1e-6, bfloat16 some 1e-3."""
ENOUGH_VALUES = 64
"""Outputs that must all lie strictly within (0, 1), around 0.5, before they are taken for a sigmoid's by value."""


def softmax_before_cross_entropy(chart: Chart) -> Finding | None:
    """Exact: the graph shows a softmax behind the loss's input. By value where the graph does not tell."""
    output = chart.info.output
    if output is None:
        return None
    for call in entering(chart):
        twice = call.input.operation == "LogSoftmax" and call.input.previous == "Softmax"
        if len(call.input.shape) >= 2 and (twice or (call.function in SOFTMAX_LOSSES and _probabilities(chart, call))):
            return _softmax(chart, call, twice=twice)
    return None


def _probabilities(chart: Chart, call: LossCall) -> bool:
    """Say whether what enters the loss has been through a softmax, or is a row of probabilities in every batch."""
    if call.input.operation == "Softmax":
        return True
    # By value alone two classes are too few: an untrained net may put out two numbers that happen to add up to one.
    return call.input.shape[1] > 2 and all(error < ROW_SUM_TOLERANCE for error in _row_sums(chart, call))


def _row_sums(chart: Chart, call: LossCall) -> tuple[float, ...]:
    """Return the row-sum errors that were measured, infinite where an entry was outside [0, 1]."""
    output = chart.info.output
    errors = [call.input.row_sum_error]
    if call.input.direct and output is not None:
        errors.append(output.row_sum_error)
    return tuple(math.inf if error is None else error for error in errors)


def _softmax(chart: Chart, call: LossCall, *, twice: bool) -> Finding:
    classes, output = call.input.shape[1], chart.info.output
    floor = math.log(1 + (classes - 1) / math.e)
    evidence = []
    if call.input.operation == "Softmax" or twice:
        evidence.append(Evidence(name="the last operation before the loss", value="softmax"))
    sums = _row_sums(chart, call)
    if math.isfinite(max(sums)) or not evidence:
        batches = output.batches if output is not None and call.input.direct else 1
        evidence.append(
            Evidence(
                name=f"every row of the output sums to 1 in {batches} of {batches} batches; largest error",
                value=max(sums),
                threshold=ROW_SUM_TOLERANCE,
            )
        )
    evidence.append(Evidence(name=f"the least loss that {classes} classes can reach", value=round(floor, 4)))
    facts = {"title": "softmax is applied before log_softmax"} if twice else {}
    return SOFTMAX_BEFORE_CROSS_ENTROPY.finding(
        where=meeting_place(chart, call),
        step=0,
        evidence=(*evidence, *made_at(chart, call)),
        because=f"{SOFTMAX_BEFORE_CROSS_ENTROPY.because}; with {classes} classes the loss cannot go below {floor:.3f}",
        remedies=(
            Remedy(text="pass the raw logits: drop the softmax from the model, and call it only when you predict"),
        ),
        **facts,
    )


def sigmoid_before_bce(chart: Chart) -> Finding | None:
    """Exact: the graph shows a sigmoid behind the loss's input. A warning by value, where there is no graph at all."""
    for call in entering(chart):
        entry = call.input
        twice = call.function == "binary_cross_entropy" and entry.operation == entry.previous == "Sigmoid"
        seen = call.function in SIGMOID_LOSSES and entry.operation in ("Sigmoid", "Hardsigmoid", "Softmax")
        if twice or seen or (call.function in SIGMOID_LOSSES and _looks_like_sigmoid(call)):
            certain = twice or seen
            evidence = []
            if certain:
                evidence.append(Evidence(name="the last operation before the loss", value=words(entry.operation)))
            if entry.minimum is not None and entry.maximum is not None:
                evidence.append(Evidence(name="the least output", value=entry.minimum, threshold=0.0))
                evidence.append(Evidence(name="the largest output", value=entry.maximum, threshold=1.0))
            evidence.append(Evidence(name="the least loss of a no", value=round(math.log(2), 3)))
            evidence.append(Evidence(name="the least loss of a yes", value=round(math.log(1 + 1 / math.e), 3)))
            facts = {} if certain else {"severity": "warning", "confidence": 0.9}
            if certain and entry.operation == "Softmax":
                facts["title"] = "softmax is applied before bce_with_logits"
            elif twice:
                facts["title"] = "sigmoid is applied twice before binary_cross_entropy"
            return SIGMOID_BEFORE_BCE.finding(
                where=meeting_place(chart, call),
                step=0,
                evidence=(*evidence, *made_at(chart, call)),
                remedies=(Remedy(text="pass the raw logits: drop the sigmoid, and call it only when you predict"),),
                **facts,
            )
    return None


def _looks_like_sigmoid(call: LossCall) -> bool:
    """Say whether nothing is known of the graph, and every value lies where a sigmoid's would, on both sides of 0.5."""
    entry = call.input
    if entry.operation or entry.minimum is None or entry.maximum is None:
        return False
    return math.prod(entry.shape) >= ENOUGH_VALUES and 0 < entry.minimum < 0.5 < entry.maximum < 1


RULES = (
    Rule(kind=SOFTMAX_BEFORE_CROSS_ENTROPY, needs=("output",), judge=softmax_before_cross_entropy),
    Rule(kind=SIGMOID_BEFORE_BCE, needs=("output",), judge=sigmoid_before_bce),
)
