"""Numbers that stopped being finite. Source: G2, chapter 3; G3 (monitor gradient norms)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from trainwright.doctor.kinds_data import NON_FINITE_INPUT
from trainwright.doctor.kinds_numbers import NON_FINITE_LOSS
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Event, Evidence, Finding, Location, Remedy

_FIXES = {
    "log": "keep the argument of the logarithm above zero: clamp it, or use the loss that works from logits",
    "sqrt": "the slope of a square root is infinite at zero: add a small epsilon inside it",
    "div": "keep the divisor away from zero: clamp it, or add an epsilon",
    "norm": "the gradient of a norm at zero is NaN: add an epsilon",
    "exp": "exp overflows above 88 in float32: subtract the maximum first, or use log-sum-exp",
    "pow": "a negative base, or zero with a negative exponent, has no finite power: clamp it",
}


def non_finite_input(chart: Chart) -> Finding | None:
    """Exact: a NaN or an infinity among the inputs that were looked at, or in the batch that failed."""
    for event in chart.events:
        if event.name == "non-finite" and event.detail.get("phase") == "input":
            return _bad_input(chart, event.step, *bad_samples(event, "value"))
    inputs = chart.info.inputs
    if inputs is None or not inputs.non_finite:
        return None
    evidence = [Evidence(name=f"values that are not finite, among {inputs.samples} samples", value=inputs.non_finite)]
    if inputs.non_finite_sample is not None:
        name = "first such sample, counted from 0" if chart.info.loop is None else "first such sample, as they came"
        evidence.append(Evidence(name=name, value=inputs.non_finite_sample))
    return _bad_input(chart, None, *evidence)


def bad_samples(event: Event, what: str) -> Iterator[Evidence]:
    """Yield which samples of a batch hold a `what` that is not finite, as far as an event knows."""
    detail, step = event.detail, event.step
    yield Evidence(name=f"samples of the batch with such a {what}", value=detail.get("samples") or "some", step=step)
    if detail.get("row") is not None:
        yield Evidence(name="row of the first in its batch, counted from 0", value=detail["row"], step=step)
    if detail.get("sample") is not None:
        yield Evidence(name="its index in the data set", value=detail["sample"], step=step)


def _bad_input(chart: Chart, step: int | None, *evidence: Evidence) -> Finding:
    return NON_FINITE_INPUT.finding(
        where=chart.info.where("data.inputs", "data.source", "data"),
        step=step,
        evidence=evidence,
        remedies=(Remedy(text="fill or leave out missing entries, and mend divisions by zero, before training"),),
    )


def non_finite_loss(chart: Chart) -> Finding | None:
    """Exact: a step's loss or gradient norm is NaN or infinite. Names the operation where the replay found it."""
    for record in chart.steps:
        norm = record.gradient_norm
        if math.isfinite(record.loss) and (norm is None or math.isfinite(norm)):
            continue
        in_loss = not math.isfinite(record.loss)
        event = next(
            (event for event in chart.events if event.name == "non-finite" and event.step == record.step), None
        )
        detail: Mapping[str, Any] = event.detail if event else {}
        what = "loss" if in_loss else "gradient norm"
        evidence = [Evidence(name=what, value=record.loss if in_loss else norm or math.nan, step=record.step)]
        if detail.get("phase"):
            evidence.append(Evidence(name="first seen in", value=phase_of(detail)))
        if detail.get("operation"):
            evidence.append(Evidence(name="first operation with such a result", value=detail["operation"]))
        return NON_FINITE_LOSS.finding(
            title=f"the {'loss' if in_loss else 'gradient'} is not finite",
            where=Location(
                file=detail.get("file"),
                line=detail.get("line"),
                module=detail.get("module"),
                parameter=detail.get("parameter"),
            ),
            step=record.step,
            evidence=tuple(evidence),
            remedies=(Remedy(text=remedy_of(detail)),),
        )
    return None


def phase_of(detail: Mapping[str, Any]) -> str:
    """Return where a replay saw the first number that is not finite, in words."""
    phases = {"forward": "the forward pass", "backward": "the backward pass", "loss": "the loss function"}
    phases |= {"weights": "the weights, from an earlier step", "target": "the targets", "input": "the inputs"}
    return phases.get(detail["phase"], "no single operation")


def remedy_of(detail: Mapping[str, Any]) -> str:
    """Return what mends the operation that a replay named."""
    if detail.get("phase") == "target":
        return "leave out samples whose target is missing"
    operation = (detail.get("operation") or "").lower()
    for word, fix in _FIXES.items():
        if word in operation and "softmax" not in operation:
            return fix
    return "look at the inputs of the operation that is named, and lower the learning rate if its weights have grown"


RULES = (
    Rule(kind=NON_FINITE_INPUT, needs=(), judge=non_finite_input),
    Rule(kind=NON_FINITE_LOSS, needs=("steps",), judge=non_finite_loss),
)
