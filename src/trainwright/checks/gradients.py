"""Is the gradient of every parameter the derivative of the loss?"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.gradcheck import examined
from trainwright.checks.gradcheck_functions import own_functions
from trainwright.checks.gradcheck_plan import QUICK
from trainwright.checks.subject import Subject
from trainwright.checks.unreached import cut_off
from trainwright.checks.uses import uses_of
from trainwright.checks.wiring import few, leaves, listed, loss_of, nodes, owner_of
from trainwright.doctor.kinds_gradients import GRADIENT_SUSPECT, GRADIENT_WRONG
from trainwright.doctor.kinds_wiring import PARAMETERS_WITHOUT_GRADIENT
from trainwright.errors import ModelError, UsageError
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.records.gradcheck import BANDS, GradientCheck, ParameterCheck
from trainwright.tensors import evaluating

SAMPLES = 4
"""Samples of the batch: what is wrong with a backward is wrong for every one of them."""
_SUSPECT = BANDS[2][1]


def examine(subject: Subject) -> Answer:
    """Compare every entry of a small network, of a large one a sample and some directions of each tensor.

    What differs on purpose is not held against it. In float64 an error above the rounding measured for the loss is
    certain. Statistical is only which entries are seen.
    """
    try:
        check = examined(
            *(subject.model, _Total(subject.loss), subject.x, subject.y),
            samples=SAMPLES,
            seed=subject.seed,
            work=QUICK,
            lenient=True,
        )
    except (ModelError, UsageError) as problem:
        raise Skip(f"{problem.what}" + (f" ({problem.evidence})" if problem.evidence else "")) from None
    if check.precision != "float64":
        raise Skip("the loss is not computed in float64, and in less, rounding looks like a fault")
    undecided = [each for each in check.parameters.values() if each.undecided]
    if len(undecided) == len(check.parameters):
        raise Skip("nearly every entry lies at a kink of the loss, where differences prove nothing")
    return Answer(
        findings=_findings(subject, check),
        measured={
            "max_relative_error": check.max_relative_error,
            "parameters": len(check.parameters),
            "entries": sum(each.entries for each in check.parameters.values()),
            "kinks": sum(each.kinks for each in check.parameters.values()),
            "not_judged": ", ".join(each.name for each in undecided),
            "confidence": check.confidence,
            "h": check.h,
            "precision": check.precision,
            "method": check.method,
            "notes": "; ".join(check.notes),
        },
        value=f"relative error {check.max_relative_error:.1e} at most, in {len(check.parameters)} tensors",
        expected="below 1e-5",
    )


def _findings(subject: Subject, check: GradientCheck) -> tuple[Finding, ...]:
    """Return what is wrong; of parameters that the graph does not reach, that it does not, and not their derivative."""
    if check.ok:
        return ()
    bad = [each.name for each in check.parameters.values() if each.band == "wrong" and not each.undecided]
    with evaluating(subject.model), torch.enable_grad():
        reached = {id(leaf) for leaf in leaves(loss_of(subject, *few(subject, SAMPLES)))}
    named = dict(subject.model.named_parameters())
    cut = [name for name in bad if name in named and id(named[name]) not in reached]
    if cut and len(cut) == len(bad):
        return (cut_off(subject, cut, uses_of(named, lambda: loss_of(subject, *few(subject, SAMPLES)))),)
    left = {name: each for name, each in check.parameters.items() if name not in cut}
    return findings_of(replace(check, parameters=left), **_place(subject, check))


class _Total:
    """A loss, summed where it gives one number for each sample."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __call__(self, output: Any, target: Any) -> Any:
        value = self.loss(output, target)
        return value.sum() if hasattr(value, "sum") else value


def findings_of(check: GradientCheck, **place: Any) -> tuple[Finding, ...]:
    """Return one finding, at the worst parameter, or none; `place` is the file and line of the backward."""
    judged = [each for each in check.parameters.values() if not each.undecided]
    for band, kind in (("wrong", GRADIENT_WRONG), ("suspect", GRADIENT_SUSPECT)):
        bad = [each for each in judged if each.band == band]
        if bad:
            worst = max(bad, key=lambda each: each.relative_error)
            return (
                kind.finding(
                    where=Location(module=owner_of(worst.name), parameter=worst.name, **place),
                    evidence=tuple(_evidence(worst, [each.name for each in bad], check)),
                    remedies=(
                        Remedy(text="see every parameter and the error over the step: `trainwright gradcheck --sweep`"),
                        Remedy(text="derive the backward once more: sign, factor, every term, every input"),
                    ),
                ),
            )
    return ()


def _evidence(worst: ParameterCheck, names: list[str], check: GradientCheck) -> list[Evidence]:
    threshold = _SUSPECT if worst.band == "wrong" else BANDS[1][1]
    where = f" at {list(worst.entry)}" if worst.entry else " along a random direction"
    return [
        Evidence(name="relative error", value=float(f"{worst.relative_error:.3g}"), threshold=threshold),
        Evidence(name=f"by backward{where}", value=worst.analytic),
        Evidence(name=f"by differences{where}", value=worst.numeric),
        Evidence(name="parameters", value=f"{len(names)} of {len(check.parameters)}: {listed(names)}"),
    ]


def _place(subject: Subject, check: GradientCheck) -> dict[str, Any]:
    """Return the line of the backward at fault: that of the only function, or of the one that takes all that is off."""
    off = {each.name for each in check.parameters.values() if each.band in ("suspect", "wrong")}
    wrong = {id(parameter) for name, parameter in subject.model.named_parameters() if name in off}
    value = loss_of(subject, *few(subject, SAMPLES))
    functions = own_functions(value)
    if len(functions) > 1:
        takes = {}
        for node in nodes(value):
            inputs = {id(getattr(before, "variable", None)) for before, _ in node.next_functions}
            takes.setdefault(getattr(type(node), "_forward_cls", None), set()).update(inputs)
        functions = [each for each in functions if wrong <= takes[each]]
    if len(functions) != 1:
        return {}
    backward: Any = functions[0].backward  # type: ignore[attr-defined]
    try:
        return {"file": inspect.getsourcefile(backward), "line": inspect.getsourcelines(backward)[1]}
    except (OSError, TypeError):  # built-in, or typed in at a prompt
        return {}


CHECK = Check(
    name="gradients",
    question="is the gradient the derivative of the loss?",
    kinds=(GRADIENT_WRONG, GRADIENT_SUSPECT, PARAMETERS_WITHOUT_GRADIENT),
    examine=examine,
    quick=False,
    seconds=5.0,
)
