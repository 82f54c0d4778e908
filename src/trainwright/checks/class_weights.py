"""Class weights in the loss that rise with how often a class comes: the wrong way round."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.checks.subject import Subject
from trainwright.checks.uses import Called, calls_of
from trainwright.checks.wiring import loss_of
from trainwright.doctor.kinds_targets import CLASS_WEIGHTS_INVERTED
from trainwright.doctor.loss_balance import CORRELATION
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.tensors import evaluating
from trainwright.watching.outlying import weight_order

_PLACES = {
    "cross_entropy": (("weight", 2), ("ignore_index", 4)),
    "nll_loss": (("weight", 2), ("ignore_index", 4)),
    "binary_cross_entropy_with_logits": (("pos_weight", 6),),
}
"""Loss of torch -> its options that matter here, and where they stand when they come without a name."""


def inverted_weights(subject: Subject, labels: torch.Tensor) -> list[Finding]:
    """Return a finding where the weights that the loss hands to torch's rank the classes as their counts do.

    `labels` are those of many samples; where the loss makes others of them, its own of the batch are counted.
    """
    try:
        with evaluating(subject.model), torch.no_grad():
            calls = calls_of(lambda: loss_of(subject, subject.x, subject.y), lambda name: name in _PLACES)
    except Exception:  # a loss that cannot be computed is another check's finding
        return []
    for call in calls:
        options = {name: _option(call, name, place) for name, place in _PLACES[call.name]}
        target = call.arguments[1] if len(call.arguments) > 1 else call.options.get("target")
        if not isinstance(target, torch.Tensor):
            continue
        counted = labels if _same(target, subject.y) else target
        ignored = options.get("ignore_index")
        order = weight_order(counted, options, -100 if ignored is None else int(ignored))
        if order is not None and order > CORRELATION:
            return [_finding(call, order, counted.numel())]
    return []


def _option(call: Called, name: str, place: int) -> Any:
    return call.arguments[place] if len(call.arguments) > place else call.options.get(name)


def _same(target: torch.Tensor, y: Any) -> bool:
    """Say whether the loss hands on the targets as they are, in whatever type and shape."""
    if not isinstance(y, torch.Tensor) or target.numel() != y.numel():
        return False
    return bool((target.reshape(-1).double() == y.reshape(-1).double()).all())


def _finding(call: Called, order: float, counted: int) -> Finding:
    return CLASS_WEIGHTS_INVERTED.finding(
        where=Location(file=call.file, line=call.line),
        evidence=(
            Evidence(
                name="rank correlation of the class weights with the class counts", value=order, threshold=CORRELATION
            ),
            Evidence(name="targets counted", value=counted),
        ),
        remedies=(Remedy(text="weight = total / (classes * count); pos_weight = count of no / count of yes"),),
    )
