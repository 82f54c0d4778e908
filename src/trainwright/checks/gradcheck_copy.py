"""A float64 copy of a model with its loss and batch, at a random point: a gradient check may do with it as it likes."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.checks.gradcheck_closures import Widening
from trainwright.checks.gradcheck_state import stored
from trainwright.checks.inputs import mapped, rows, tensors
from trainwright.errors import ModelError
from trainwright.randomness import generator
from trainwright.tensors import to_tensor

DISPLACEMENT = 0.05
"""How far a weight is moved at most, of its own size: enough to leave a symmetric start, too little to upset it."""
_POOL = 256  # samples among which different targets are looked for
_FROM_ZERO = 0.1  # of the tensor's own size, or of 1 where all of it is zero: a point at zero is never a random one


@dataclass(frozen=True, kw_only=True)
class Double:
    """A copied training. `originals` has the parameters that were copied, by id, with their names."""

    model: nn.Module
    loss: Callable[[Any, Any], Any]
    x: Any
    y: Any
    originals: dict[int, str] = field(default_factory=dict)


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Return floating tensors as float64, complex ones as complex128, and all others as they are."""
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def doubled(model: nn.Module, loss: Callable[[Any, Any], Any], x: Any, y: Any, *, widen: bool = True) -> Double:
    """Return a deep copy in evaluation mode, of which nothing is shared with what was given.

    Everything floating becomes float64, tensors and modules that hide in lists, attributes and closures included,
    unless `widen` is off; a loss that holds the model holds the copy. Where the device has no float64, the copy lies on
    the CPU. Raises `ModelError` for what cannot be copied.
    """
    change = _change(model, widen)
    memo: dict[int, Any] = {}
    losses = loss.modules() if isinstance(loss, nn.Module) else [loss]
    for module in (*model.modules(), *losses):
        for value in stored(module):  # torch refuses to copy tensors with a history
            if not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        twin, own_loss = copy.deepcopy((model, loss), memo)
    except Exception as problem:
        raise ModelError(
            "the model cannot be copied, and the gradient check works on a copy",
            evidence=f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}",
            remedy="keep what cannot be copied (files, locks, generators) out of the model's attributes",
        ) from None
    widening = Widening(memo, change)
    twin, own_loss = widening.widened(twin), widening.widened(own_loss)
    twin.eval()
    if isinstance(own_loss, nn.Module):
        own_loss.eval()
    moved = functools.partial(mapped, change=lambda tensor: change(tensor.detach().clone()))
    originals = {id(parameter): name for name, parameter in model.named_parameters()}
    return Double(model=twin, loss=own_loss, x=moved(x), y=moved(y), originals=originals)


def few(x: Any, y: Any, samples: int, seed: int = 0) -> tuple[Any, Any, int]:
    """Return `samples` of a batch drawn at random, of as many different targets as there are; and how many.

    Data are often sorted by class, and a loss that sees one class alone leaves much of the last layer untouched. All
    are returned where the tensors are not counted alike.
    """
    x, y = _read(x, "x"), _read(y, "y")
    found = tensors(x) + tensors(y)
    counts = {len(tensor) if tensor.dim() else 0 for tensor in found}
    if len(counts) != 1 or counts == {0}:
        return x, y, max(counts, default=0)
    most = counts.pop()
    if most <= samples:
        return x, y, most
    order = torch.randperm(most, generator=generator(seed, "gradcheck", "samples"))[: max(samples, _POOL)]
    targets = tensors(y)
    if targets and not targets[0].is_complex():
        values = targets[0].detach().cpu()[order].reshape(len(order), -1)
        kinds = torch.unique(values, dim=0, return_inverse=True)[1]
        # How many samples of the same target come before each.
        earlier = (kinds[:, None] == kinds).tril(-1).sum(1)
        order = order[earlier.argsort(stable=True)]
    chosen = order[:samples].sort().values
    return rows(x, chosen), rows(y, chosen), samples


def displace(model: nn.Module, seed: int) -> None:
    """Move every parameter to a random point near its own: by up to 5 %, and away from zero where it is zero.

    A weight that is not zero is multiplied by 1 + 0.05 u, u uniform in [-1, 1], which keeps its sign; one that is gets
    0.1 u of its tensor's root mean square, or of 1 where the whole tensor is zero. Gradients at an untrained point hide
    faults: biases at zero sit on the kinks of ReLUs, and a layer at zero stops all that lies before it.
    """
    draw = generator(seed, "gradcheck")
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point() and not parameter.is_complex():
                continue
            noise = torch.empty(parameter.shape, dtype=torch.float64)
            noise = noise.uniform_(-1, 1, generator=draw).to(parameter)
            moved, zero = parameter * (1 + DISPLACEMENT * noise), parameter == 0
            if bool(zero.any()):
                size = parameter.abs().square().mean().sqrt()
                reach = _FROM_ZERO * torch.where(size > 0, size, torch.ones_like(size))
                moved = torch.where(zero, reach * noise, moved)
            parameter.copy_(moved)


def _read(values: Any, name: str) -> Any:
    """Return arrays and lists of numbers as tensors, in whatever holds them."""
    if isinstance(values, torch.Tensor):
        return values
    if isinstance(values, Mapping):
        return {key: _read(value, name) for key, value in values.items()}
    if isinstance(values, tuple | list) and any(
        isinstance(part, torch.Tensor | Mapping) or hasattr(part, "shape") for part in values
    ):
        return tuple(_read(part, name) for part in values)
    return to_tensor(values, name)


def _change(model: nn.Module, widen: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    # Apple's and some other accelerators have no float64.
    away = any(parameter.device.type not in ("cpu", "cuda", "xpu") for parameter in model.parameters())

    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.cpu() if away else tensor
        return wide(tensor) if widen else tensor

    return change
