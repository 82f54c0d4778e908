"""Does a model that predicts what comes next see what comes next?"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import mapped, rows, tensors
from trainwright.checks.samples_apart import ROUNDING
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import apart, as_in_training, first_to_differ, output_of, repeated, single
from trainwright.doctor.kinds_labels import NEXT_TOKEN_NOT_SHIFTED
from trainwright.doctor.kinds_wiring import FUTURE_VISIBLE
from trainwright.records import Evidence, Finding, Location, Remedy

SHIFTED = 0.9
"""Of the targets: so many must be the next input before a model counts as one that predicts what comes next."""
_FEWEST = 16  # targets to compare: fewer may agree by chance
_SAMPLES = 4
_FEATURES = 32  # of the input that a target of one number is looked for in


def examine(subject: Subject) -> Answer:
    """Exchange all inputs from a position on: outputs before it must stay, with the same dropout, in both modes."""
    twice = _shifted_twice(subject)
    if twice is not None:
        return Answer(findings=(twice,), value="targets two tokens ahead", expected="one token ahead")
    place, sequence = _sequence(subject)
    batch = rows(subject.x, slice(0, _SAMPLES))
    sequence = sequence[:_SAMPLES]
    length = sequence.shape[1]
    effects: dict[str, float] = {}
    worst: tuple[float, str, int, Any] = (0.0, "", 0, None)
    for mode in ("training", "evaluation"):
        _put_into(subject.model, mode)
        before, again = (_readings(output_of(subject, batch), sequence) for _ in range(2))
        repeated(before, again)
        effects[mode] = 0.0
        for start in sorted({1, length // 2, length - 1}):
            changed = _exchanged(batch, place, start)
            after = _readings(output_of(subject, changed), sequence)
            # Where two axes are as long as the sequence, both would have to leak.
            effect = min(apart(a[:, :start], b[:, :start]) for a, b in zip(before, after, strict=True))
            effects[mode] = max(effects[mode], effect)
            if effect > worst[0]:
                worst = (effect, mode, start, changed)
    effect, mode, start, changed = worst
    leaking = [mode for mode, found in effects.items() if found > ROUNDING]
    measured = {"positions": length, **{f"effect_in_{mode}": found for mode, found in effects.items()}}
    if not leaking:
        return Answer(measured=measured, value=f"{effect:.2g} of the output", expected="0")
    _put_into(subject.model, mode)
    module = first_to_differ(
        subject,
        batch,
        changed,
        lambda a, b: _changed_before(a, b, len(sequence), length, start),
    )
    name = f"relative change of outputs before position {start} when the inputs from there on are exchanged"
    finding = FUTURE_VISIBLE.finding(
        title=FUTURE_VISIBLE.title
        if len(leaking) == 2
        else f"a position sees what it is to predict, in {leaking[0]} mode",
        where=Location(module=module),
        evidence=(
            Evidence(name=name, value=effect, threshold=ROUNDING),
            Evidence(name="in the modes", value=" and ".join(leaking)),
            Evidence(name="targets are the next inputs", value=True),
        ),
        remedies=(
            Remedy(text=_remedy(subject.model.get_submodule(module or "")))
            if len(leaking) == 2
            else Remedy(text="apply the mask whatever self.training says"),
        ),
    )
    return Answer(findings=(finding,), measured=measured, value=f"{effect:.2g} of the output", expected="0")


def _changed_before(one: torch.Tensor, other: torch.Tensor, samples: int, length: int, start: int) -> bool:
    """Say whether a layer's output changed at positions before `start`, along any axis that may be the positions."""
    axes = [axis for axis in range(1, one.dim()) if one.shape[axis] == length]
    if one.dim() < 2 or one.shape[0] != samples or not axes:
        return False
    return min(apart(one.narrow(axis, 0, start), other.narrow(axis, 0, start)) for axis in axes) > ROUNDING


def _remedy(module: nn.Module) -> str:
    """Return what mends the first layer whose output shows the future."""
    if isinstance(module, nn.RNNBase) and module.bidirectional:
        return "pass bidirectional=False: the backward half has read what comes after"
    if isinstance(module, nn.Conv1d):
        return f"pad on the left only: F.pad(x, ({(module.kernel_size[0] - 1) * module.dilation[0]}, 0)), padding=0"
    return "mask later positions with -inf before the softmax, in both modes"


def _put_into(model: nn.Module, mode: str) -> None:
    """Put the model into a mode; batch normalisation, whose statistics are of all positions, only evaluates."""
    as_in_training(model) if mode == "training" else model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _sequence(subject: Subject) -> tuple[int, torch.Tensor]:
    """Return which tensor of the input the targets continue, and it. Raises `Skip` where the targets continue none."""
    y = subject.y
    if not isinstance(y, torch.Tensor) or y.dim() < 2:
        raise Skip("the targets have no axis of positions")
    for place, part in enumerate(tensors(subject.x)):
        if part.dim() < 2 or part.shape[:2] != y.shape[:2] or part.shape[1] < 3:
            continue
        ahead, here = _agreement(y[:, :-1], part[:, 1:]), _agreement(y, part)
        if ahead >= SHIFTED and here < SHIFTED:
            return place, part
        if here >= SHIFTED and ahead < SHIFTED and _shifts_inside(subject, part):
            return place, part
    raise Skip("the targets are not the inputs one position ahead")


def _shifted_twice(subject: Subject) -> Finding | None:
    """Return a finding where the targets are tokens two places ahead: as they are, or once the loss has shifted them.

    Quantities may well be forecast two steps ahead. Targets that end in one and the same id are padded there, and
    a loss that leaves out that place shifts nothing.
    """
    y = subject.y
    if not isinstance(y, torch.Tensor) or y.dim() != 2 or y.is_floating_point() or y.shape[1] < 4:
        return None
    for part in tensors(subject.x):
        if part.is_floating_point() or part.shape != y.shape:
            continue
        lags = [_agreement(y[:, : y.shape[1] - lag], part[:, lag:]) for lag in (0, 1, 2)]
        known = bool((y[:, -1] >= 0).all()) and bool((y[:, -1] != y[0, -1]).any())
        in_data = lags[2] >= SHIFTED and max(lags[:2]) < SHIFTED
        in_loss = lags[1] >= SHIFTED and max(lags[0], lags[2]) < SHIFTED and known and _shifts_inside(subject, part)
        if not in_data and not in_loss:
            continue
        return NEXT_TOKEN_NOT_SHIFTED.finding(
            severity="warning",
            title="the targets are shifted twice",
            because="the model is trained to name the token after the next one, and text written with it skips tokens",
            evidence=(
                Evidence(name="share of the targets that are the input two places ahead", value=lags[2]),
                Evidence(name="share that is the input one place ahead", value=lags[1]),
                Evidence(name="the loss leaves out the last position, as one that shifts does", value=in_loss),
            ),
            remedies=(
                Remedy(
                    text="shift once: either y = tokens[:, 1:] in the data, or output[:, :-1] and y[:, 1:] in the loss"
                ),
            ),
        )
    return None


def _agreement(y: torch.Tensor, x: torch.Tensor) -> float:
    """Return the share of targets that equal the input, or its best feature where y is one number each."""
    if y.dim() == x.dim() + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    if x.dim() == 3 and (y.dim() == 2 or y.shape[-1] == 1) and x.shape[-1] > 1:
        return max(_agreement(y.reshape(y.shape[:2]), x[..., place]) for place in range(min(x.shape[-1], _FEATURES)))
    if x.numel() != y.numel():
        return 0.0
    y = y.reshape(x.shape)
    valid = torch.ones_like(y, dtype=torch.bool) if y.is_floating_point() else y >= 0  # -100 is to be ignored
    if int(valid.sum()) < _FEWEST:
        return 0.0
    same = torch.isclose(x.double(), y.double(), rtol=1e-5, atol=1e-8)
    return float(same[valid].double().mean())


def _shifts_inside(subject: Subject, part: torch.Tensor) -> bool:
    """Say whether the loss leaves out the last position's output, as one that shifts the targets itself does."""
    batch, targets = rows(subject.x, slice(0, _SAMPLES)), rows(subject.y, slice(0, _SAMPLES))
    with torch.enable_grad():
        output = output_of(subject, batch)
        found = [tensor for tensor in single(output) if tensor.shape[:2] == part[:_SAMPLES].shape[:2]]
        found = [tensor for tensor in found if tensor.requires_grad]
        value = subject.loss(output, targets)
        if not found or not value.requires_grad:
            return False
        gradient = torch.autograd.grad(value.sum(), found[0], allow_unused=True)[0]
    if gradient is None:
        return False
    used = gradient.reshape(*gradient.shape[:2], -1).abs().sum((0, 2)) > 0
    return bool(used[0]) and not bool(used[-1])


def _readings(output: Any, sequence: torch.Tensor) -> list[torch.Tensor]:
    """Return the output as `(samples, positions, ...)`, in each way in which it may be read so."""
    samples, length = sequence.shape[:2]
    for tensor in single(output):
        if not tensor.is_floating_point() or tensor.dim() < 2:
            continue
        if tensor.shape[0] == samples * length:
            return [tensor.detach().float().reshape(samples, length, -1)]
        axes = [axis for axis in range(1, tensor.dim()) if tensor.shape[axis] == length]
        if tensor.shape[0] == samples and axes:
            return [tensor.detach().float().movedim(axis, 1) for axis in axes]
    raise Skip("the output has no axis of positions")


def _exchanged(batch: Any, place: int, start: int) -> Any:
    """Return the batch with other values in one of its tensors from position `start` on."""
    seen = -1

    def change(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += 1
        if seen != place:
            return tensor
        changed = tensor.clone()
        if tensor.is_floating_point():
            generator = torch.Generator().manual_seed(start)
            noise = torch.randn(tensor[:, start:].shape, generator=generator).to(tensor)
            changed[:, start:] += noise * tensor.float().std().clamp_min(0.1).to(tensor)
        else:
            known = tensor.unique()
            places = torch.searchsorted(known, tensor[:, start:].contiguous())
            changed[:, start:] = known[(places + 1) % len(known)]
        return changed

    return mapped(batch, change)


CHECK = Check(
    name="no-future",
    question="does a model that predicts what comes next see what comes next?",
    kinds=(FUTURE_VISIBLE, NEXT_TOKEN_NOT_SHIFTED),
    examine=examine,
    quick=True,
    seconds=0.1,
)
