"""Does the output of a sample depend on that sample alone?"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import count, mapped, rows, tensors
from trainwright.checks.subject import Subject
from trainwright.checks.uses import Called, calls_of
from trainwright.checks.wiring import apart, at_least, first_to_differ, output_of, repeated, single
from trainwright.doctor.kinds_wiring import SAMPLES_MIXED_IN_BATCH
from trainwright.randomness import isolated
from trainwright.records import Evidence, Location, Remedy
from trainwright.tensors import evaluating

ROUNDING = 1e-5
"""Relative difference that rounding may leave in a sample's output where another sample of the batch was exchanged."""
_SIZES = (5, 6, 7, 4, 3)  # of the batch: one that no other axis has, so that axes that were mistaken show


def examine(subject: Subject) -> Answer:
    """Exact in floating-point inputs: gradients of one sample's output by another's input. Else by exchanging samples.

    In evaluation mode: batch normalisation mixes the samples of a batch in training, by design.
    """
    at_least(subject, min(_SIZES))
    _refuse_batch_statistics(subject.model)
    found = count(subject.x)
    taken = {size for tensor in tensors(subject.x) for size in tensor.shape[1:]}
    size = next((size for size in _SIZES if size <= found and size not in taken), min(_SIZES))
    x = rows(subject.x, slice(0, size))
    with evaluating(subject.model), torch.enable_grad():
        axes = _sample_axes(subject, x, size)
        by_gradient, compared = _by_gradient(subject, x, axes, size)
        swapped, pair, effect = _by_exchange(subject, x, axes, size, found)
        mixed = by_gradient or effect > ROUNDING
        measured = {"samples": size, "by_gradient": compared, "pairs_with_gradient": by_gradient, "effect": effect}
        value = f"{by_gradient} of {size * (size - 1)} pairs" if compared else f"{effect:.2g} of the output"
        expected = "0 pairs" if compared else "0"
        if not mixed:
            return Answer(measured=measured, value=value, expected=expected)
        module = first_to_differ(
            subject, x, swapped, lambda one, other: len(one) == size and apart(*_without(one, other, pair)) > ROUNDING
        )
    evidence = [Evidence(name="samples in the batch", value=size)]
    if compared:
        name = "pairs of samples in which the output of one has a gradient by the input of the other"
        evidence.append(Evidence(name=name, value=by_gradient, threshold=0))
    name = "relative change of the other outputs when one sample is exchanged"
    evidence.append(Evidence(name=name, value=effect, threshold=ROUNDING))
    kind = type(subject.model.get_submodule(module)) if module else None
    softmax = _over_the_batch(subject, x, size)
    if softmax is not None:
        text = f"{softmax.name} over dimension 0 weighs the samples of the batch against each other: take dim=-1"
    elif kind is not None and _takes_time_first(subject.model.get_submodule(module or "")):
        text = "pass batch_first=True: the layer takes the samples for points in time"
    else:
        text = "use transpose or permute where axes change places; view and reshape only regroup"
    place = {} if softmax is None else {"file": softmax.file, "line": softmax.line}
    finding = SAMPLES_MIXED_IN_BATCH.finding(
        where=Location(module=module, **place),
        evidence=tuple(evidence),
        remedies=(Remedy(text=text),),
    )
    return Answer(findings=(finding,), measured=measured, value=value, expected=expected)


def _takes_time_first(module: nn.Module) -> bool:
    """Say whether a recurrent layer, or an attention, expects the steps of a sequence before the samples."""
    return any(
        isinstance(part, nn.RNNBase | nn.MultiheadAttention) and not part.batch_first for part in module.modules()
    )


def _over_the_batch(subject: Subject, x: Any, size: int) -> Called | None:
    """Return the first softmax over dimension 0 of a tensor that has the samples there."""
    with evaluating(subject.model):
        calls = calls_of(lambda: output_of(subject, x), lambda name: name in ("softmax", "log_softmax"))
    for call in calls:
        given = call.arguments[0] if call.arguments else call.options.get("input")
        if not isinstance(given, torch.Tensor) or given.dim() < 2 or len(given) != size:
            continue
        dim = call.arguments[1] if len(call.arguments) > 1 else call.options.get("dim")
        if dim is None:
            dim = 0 if given.dim() == 3 else 1  # what torch takes where none is said
        if isinstance(dim, int) and dim % given.dim() == 0:
            return call
    return None


def _refuse_batch_statistics(model: nn.Module) -> None:
    for path, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise Skip(f"{path or 'the model'} uses the statistics of the batch in evaluation mode too")


def _sample_axes(subject: Subject, x: Any, size: int) -> list[int | None]:
    """Return, for each tensor of the output, the axis that grows with the samples, None where none or more do."""
    whole, smaller = single(output_of(subject, x)), single(output_of(subject, rows(x, slice(0, size - 1))))
    if len(whole) != len(smaller):
        raise Skip("the output of a smaller batch has another form")
    axes: list[int | None] = []
    for one, other in zip(whole, smaller, strict=True):
        changed = [
            axis for axis in range(one.dim()) if one.dim() == other.dim() and one.shape[axis] != other.shape[axis]
        ]
        grown = [axis for axis in changed if one.shape[axis] * (size - 1) == other.shape[axis] * size]
        plain = one.is_floating_point() and len(changed) == 1 and grown == changed
        axes.append(changed[0] if plain else None)
    if not any(axis is not None for axis in axes):
        raise Skip("the output has no axis of samples, or several, as a table of all pairs has")
    return axes


def _by_sample(output: Any, axes: list[int | None], size: int) -> torch.Tensor:
    """Return what the output holds for each sample: `(size, numbers)`."""
    parts = [
        tensor.movedim(axis, 0).reshape(size, -1)
        for tensor, axis in zip(single(output), axes, strict=True)
        if axis is not None
    ]
    return torch.cat([part.float() for part in parts], dim=1)


def _by_gradient(subject: Subject, x: Any, axes: list[int | None], size: int) -> tuple[int, bool]:
    """Return how many ordered pairs of samples touch, and whether gradients could tell at all."""
    inputs: list[torch.Tensor] = []

    def opened(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.detach().clone()
        if tensor.is_floating_point():
            inputs.append(tensor.requires_grad_())
            return tensor.clone()  # a model that works in place must not do so on a leaf
        return tensor

    with isolated(subject.seed, "checks", "wiring"):
        output = _by_sample(subject.output(mapped(x, opened)), axes, size)
    if not inputs or not output.requires_grad:
        return 0, False
    weights = torch.randn(output.shape[1], generator=torch.Generator().manual_seed(subject.seed)).to(output)
    touching = 0
    for place, value in enumerate(output @ weights):
        found = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True)
        others = torch.zeros(size, dtype=torch.bool)
        for gradient in found:
            if gradient is not None:
                others |= (gradient.reshape(size, -1).abs() > 0).any(1).cpu()
        others[place] = False
        touching += int(others.sum())
    return touching, True


def _by_exchange(subject: Subject, x: Any, axes: list[int | None], size: int, found: int) -> tuple[Any, int, float]:
    """Return the batch with the one sample exchanged that changed the other outputs most, its place, and how much."""
    before = _by_sample(output_of(subject, x), axes, size).detach()
    again = _by_sample(output_of(subject, x), axes, size).detach()
    repeated([before], [again])
    worst: tuple[Any, int, float] = (x, 0, 0.0)
    for place in range(size):
        order = torch.arange(size)
        order[place] = size if found > size else (place + 1) % size
        swapped = rows(subject.x, order)
        output = output_of(subject, swapped)
        if [tensor.shape for tensor in single(output)] != [tensor.shape for tensor in single(output_of(subject, x))]:
            continue  # padded to what the longest sample needs
        effect = apart(*_without(before, _by_sample(output, axes, size).detach(), place))
        if effect > worst[2]:
            worst = (swapped, place, effect)
    return worst


def _without(one: torch.Tensor, other: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
    kept = [row for row in range(len(one)) if row != place]
    return one[kept].float(), other[kept].float()


CHECK = Check(
    name="samples-apart",
    question="does the output of a sample depend on that sample alone?",
    kinds=(SAMPLES_MIXED_IN_BATCH,),
    examine=examine,
    quick=True,
    seconds=0.1,
)
