"""Last activations that cannot reach the targets. Exact: the bounds of the operation against the targets' range."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_loss import RELU_ON_OUTPUT
from trainwright.doctor.loss_entering import DISTANCES, calls_of, place, words
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall

MANY_OUTSIDE = 0.05
"""Share of targets out of reach from which it is no matter of a few outliers, and an error."""
FLOOR_SHARE = 0.1
"""A bound on logits matters where the floor that it leaves is at least this share of the loss of a blind guess: tanh
on ten classes leaves a third; logits clamped to +-10 leave nothing."""


def relu_on_output(chart: Chart) -> Finding | None:
    """Judge the last operation by what enters the loss: out of reach, or logits that are bounded."""
    for call in calls_of(chart, DISTANCES):
        target = call.target
        if target is not None and target.outside > 0 and _bounded(call):
            return _out_of_reach(chart, call, target.outside)
    for call in calls_of(chart, ("binary_cross_entropy_with_logits",)):
        if call.input.operation != "Sigmoid":
            finding = _half_a_logit(chart, call)
            if finding is not None:
                return finding
    for call in calls_of(chart, ("cross_entropy", "log_softmax")):
        if call.input.operation not in ("Softmax", "LogSoftmax"):
            finding = _bounded_logits(chart, call)
            if finding is not None:
                return finding
    return None


def _bounded(call: LossCall) -> bool:
    return call.input.low is not None or call.input.high is not None


def _range(call: LossCall) -> str:
    low, high = call.input.low, call.input.high
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def _out_of_reach(chart: Chart, call: LossCall, share: float) -> Finding:
    target, operation = call.target, words(call.input.operation)
    evidence = [Evidence(name=f"what {operation} can give", value=_range(call))]
    if target is not None and target.minimum is not None and target.maximum is not None:
        evidence.append(Evidence(name="range of the targets", value=f"{target.minimum:.4g} to {target.maximum:.4g}"))
    evidence.append(Evidence(name="share of the targets that it cannot reach", value=share, threshold=MANY_OUTSIDE))
    return RELU_ON_OUTPUT.finding(
        where=place(chart, call.input.where),
        step=0,
        severity="error" if share >= MANY_OUTSIDE else "warning",
        title=f"the model ends in {operation}, which cannot reach the targets",
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"drop the {operation} from the end of the model, or scale the targets into its range"),),
    )


def _half_a_logit(chart: Chart, call: LossCall) -> Finding | None:
    """A logit that cannot be negative cannot say no: its probability is at least a half."""
    entry, target = call.input, call.target
    if entry.low is not None and entry.low >= 0 and entry.high is None and target is not None and target.below_half > 0:
        operation = words(entry.operation)
        return RELU_ON_OUTPUT.finding(
            where=place(chart, entry.where),
            step=0,
            severity="error",
            title=f"the model ends in {operation}, and a logit that is never negative cannot say no",
            evidence=(
                Evidence(name=f"the least logit that {operation} can give", value=entry.low, threshold=0.0),
                Evidence(name="share of the targets that are a no", value=target.below_half),
                Evidence(name="the least loss of a no", value=round(entry.low + math.log1p(math.exp(-entry.low)), 3)),
            ),
            remedies=(Remedy(text=f"drop the {operation} from the end of the model"),),
        )
    if entry.low is not None and entry.high is not None:
        floor = math.log1p(math.exp(-max(abs(entry.low), abs(entry.high), 0.0)))
        return _floor(chart, call, floor, math.log(2), "two")
    return None


def _bounded_logits(chart: Chart, call: LossCall) -> Finding | None:
    entry = call.input
    if len(entry.shape) < 2 or entry.shape[1] < 2:
        return None
    classes = entry.shape[1]
    if entry.low is not None and entry.high is not None:
        floor = math.log1p((classes - 1) * math.exp(min(entry.low - entry.high, 0.0)))
        return _floor(chart, call, floor, math.log(classes), str(classes))
    if entry.operation != "Relu":
        return None
    return RELU_ON_OUTPUT.finding(
        where=place(chart, entry.where),
        step=0,
        title="the model ends in relu, which cuts the logits of cross_entropy off at 0",
        because="a logit that is cut off has no gradient: a wrong class cannot be pushed below 0, and where all units "
        "of a sample are off, nothing pulls the true one up",
        evidence=(
            Evidence(name="the last operation before the loss", value="relu"),
            Evidence(name="the least logit", value=0.0),
        ),
        remedies=(Remedy(text="drop the relu from the end of the model"),),
    )


def _floor(chart: Chart, call: LossCall, floor: float, guess: float, classes: str) -> Finding | None:
    if floor < FLOOR_SHARE * guess:
        return None
    operation = words(call.input.operation)
    return RELU_ON_OUTPUT.finding(
        where=place(chart, call.input.where),
        step=0,
        title=f"the model ends in {operation}, which bounds the logits",
        because=f"with logits from {_range(call)} and {classes} classes the loss cannot go below {floor:.3f}",
        evidence=(
            Evidence(name=f"what {operation} can give", value=_range(call)),
            Evidence(name="the least loss that can be reached", value=round(floor, 4), threshold=FLOOR_SHARE * guess),
            Evidence(name="the loss of a blind guess", value=round(guess, 4)),
        ),
        remedies=(Remedy(text=f"drop the {operation} from the end of the model"),),
    )


RULES = (Rule(kind=RELU_ON_OUTPUT, needs=("output",), judge=relu_on_output),)
