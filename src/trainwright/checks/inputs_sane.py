"""Are the inputs such that a network can learn from them: finite, on a sensible scale at the first weights, varying."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import call, rows, tensors
from trainwright.checks.searching import broken_parts, first_place, searched
from trainwright.checks.subject import Subject
from trainwright.doctor.inputs import constant_features, inputs_not_normalised
from trainwright.doctor.kinds_data import CONSTANT_FEATURES, INPUTS_NOT_NORMALISED, NON_FINITE_INPUT
from trainwright.records import Chart, Evidence, Finding, InputStats, Remedy
from trainwright.tensors import evaluating, is_normalisation
from trainwright.vitals.setup import input_stats

IN_ORDER = "first such sample, counted from 0 in order"
_FORWARD = 256  # samples that are passed through the model, to see what reaches the first weights


def examine(subject: Subject) -> Answer:
    """Search for NaN, then judge scale and variation; the scale is that at the first layer with weights."""
    found = _all_non_finite(subject)
    given, normalised = _first_given(subject)
    stats = _stats(subject, given)
    if stats is None and not found:
        if any(tensor.is_floating_point() for tensor in tensors(subject.x)):
            return Answer(value=f"finite, several inputs; {searched(subject)[1]}", expected="finite")
        raise Skip("the inputs are whole numbers, such as tokens, which have no scale")
    if stats is None:
        return Answer(findings=tuple(found), value=f"not finite; {searched(subject)[1]}", expected="finite")
    if not found:
        seen = _at_first_weights(subject, given, stats)
        info = replace(subject.info, has_input_norm=subject.info.has_input_norm or normalised)
        varies, scaled = Chart(info=replace(info, inputs=stats)), Chart(info=replace(info, inputs=seen))
        # Inputs may be scaled inside the model, or before it; only where neither helps they are out of scale.
        for judge, chart in ((inputs_not_normalised, scaled), (constant_features, varies)):
            finding = judge(chart)
            if finding is not None and (judge is constant_features or inputs_not_normalised(varies) is not None):
                found.append(replace(finding, step=None))
    return Answer(
        findings=tuple(found),
        measured={
            "mean": stats.mean,
            "std": stats.std,
            "minimum": stats.minimum,
            "maximum": stats.maximum,
            "features": stats.features,
            "constant_features": stats.constant_features,
            "non_finite": stats.non_finite,
            "searched": searched(subject)[0],
        },
        value=f"mean {stats.mean:.3g}, standard deviation {stats.std:.3g}, {stats.constant_features} of "
        f"{stats.features} features constant; {searched(subject)[1]}",
        expected="finite, about 0 and 1",
    )


def _all_non_finite(subject: Subject) -> list[Finding]:
    """Return what is not finite in training and in validation; the batch is searched where a pass cannot be read."""
    found = []
    for broken in broken_parts(subject, "x"):
        where = f"a batch of {len(broken.values)} samples of the {broken.part} data"
        found.append(_non_finite(where, broken.values, broken.before, first_place(subject, broken.part)))
    inputs = tensors(subject.x) if not found else []
    found += [_non_finite("the batch", x, 0) for x in inputs if not torch.isfinite(x).all()][:1]
    return found


def _non_finite(where: str, x: torch.Tensor, before: int, place: str = IN_ORDER) -> Finding:
    stats = input_stats(x)
    return NON_FINITE_INPUT.finding(
        evidence=(
            Evidence(name=f"values that are not finite in {where}", value=stats.non_finite, threshold=0),
            Evidence(name=place, value=before + (stats.non_finite_sample or 0)),
            Evidence(name="its first such feature, counted from 0", value=_place(x, stats.non_finite_feature or 0)),
        ),
        remedies=(Remedy(text="fill or leave out missing entries, and mend divisions by zero, before training"),),
    )


def _place(x: torch.Tensor, feature: int) -> int | str:
    """Return a feature's number, or its indices where a sample is an image or a sequence."""
    if x.dim() <= 2:
        return feature
    indices = torch.unravel_index(torch.tensor(feature), tuple(x.shape[1:]))
    return f"[{', '.join(str(int(index)) for index in indices)}]"


def _stats(subject: Subject, given: torch.Tensor | None) -> InputStats | None:
    """Return the statistics of the inputs, None for several inputs, and for tokens: numbers that no layer takes so."""
    if subject.info.inputs is not None and subject.info.inputs.samples > len(subject.y):
        return subject.info.inputs
    x = subject.x
    if not isinstance(x, torch.Tensor) or x.is_complex():
        return None
    if x.is_floating_point():
        return input_stats(x)
    return None if given is None or not given.is_floating_point() else input_stats(x.double())


def _first_given(subject: Subject) -> tuple[torch.Tensor | None, bool]:
    """Return what reaches the first layer with weights, of some samples, and whether that layer normalises."""
    seen: list[tuple[nn.Module, torch.Tensor]] = []

    def hook(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        given = next((each for each in arguments if isinstance(each, torch.Tensor)), None)
        if not seen and given is not None:
            seen.append((module, given.detach().clone()))

    handles = [
        module.register_forward_pre_hook(hook)
        for module in subject.model.modules()
        if is_normalisation(module) or any(True for _ in module.parameters(recurse=False))
    ]
    try:
        with evaluating(subject.model), torch.no_grad():
            call(subject.model, rows(subject.x, slice(0, _FORWARD)))
    except Exception:  # a model that cannot run is another check's finding
        return None, False
    finally:
        for handle in handles:
            handle.remove()
    return (seen[0][1], is_normalisation(seen[0][0])) if seen else (None, False)


def _at_first_weights(subject: Subject, given: torch.Tensor | None, stats: InputStats) -> InputStats:
    """Return the statistics of what the first weights meet: the inputs' own, unless something comes between."""
    x = rows(subject.x, slice(0, _FORWARD))
    if given is None or not given.is_floating_point() or given.dim() == 0 or given.numel() % len(x):
        return stats
    same = given.shape == x.shape and torch.equal(given, x.to(given.dtype))
    return stats if same else input_stats(given.reshape(len(x), -1))


CHECK = Check(
    name="inputs",
    question="are the inputs finite, of a sensible scale, and varying?",
    kinds=(NON_FINITE_INPUT, INPUTS_NOT_NORMALISED, CONSTANT_FEATURES),
    examine=examine,
    quick=True,
    seconds=0.5,
)
