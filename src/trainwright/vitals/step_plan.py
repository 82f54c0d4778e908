"""A training step as far as its memory goes, and copies of a model to try it out on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.errors import ModelError
from trainwright.randomness import isolated

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """How a training step is made, as far as its memory goes.

    `loss(output, target)` gives a scalar and `optimizer(model)` an optimizer over a model's parameters. `precision` is
    "fp32", or "bf16" or "fp16" for a forward pass in autocast. `recompute(model)` is a context in which the model
    drops activations and computes them again (activation checkpointing), None for none. `accumulate` is the number of
    batches whose gradients make one update.
    """

    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    precision: str = "fp32"
    recompute: Callable[[nn.Module], AbstractContextManager[Any]] | None = None
    accumulate: int = 1

    def forward(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the model's output for inputs `x`, and its loss on targets `y`."""
        half = _HALF.get(self.precision)
        with nullcontext() if half is None else torch.autocast(x.device.type, dtype=half):
            output = model(x)
        if isinstance(output, torch.Tensor) and output.dtype in _HALF.values():
            output = output.float()
        return output, self.loss(output, y)

    def recomputing(self, model: nn.Module) -> AbstractContextManager[Any]:
        """Return the context in which `model` is trained."""
        return nullcontext() if self.recompute is None else self.recompute(model)


def copied(model: nn.Module, replaced: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.clone) -> nn.Module:
    """Return a copy of `model` in training mode, without gradients, with each parameter and buffer `replaced`.

    Ties between parameters stay ties. Raises `ModelError` for a model that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(replaced(parameter.detach()), requires_grad=parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = replaced(buffer.detach())
    try:
        twin = copy.deepcopy(model, memo)
    except Exception as problem:
        raise ModelError(
            "the model cannot be copied, and so cannot be tried out without touching it",
            evidence=f"{type(problem).__name__}: {problem}",
            remedy="keep results of computations, locks and open files out of the module's attributes",
        ) from problem
    if not twin.training:  # as the loop does: a part that was put into evaluation on purpose stays in it
        twin.train()
    return twin


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes of all `tensors`, each one once."""
    return sum(tensor.numel() * tensor.element_size() for tensor in {id(tensor): tensor for tensor in tensors}.values())


def gradients(parameters: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return the gradients that `parameters` have."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def shape_of(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Return a tensor as `tensor` on `device`, its values not set."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def turn_to_meta(model: nn.Module) -> None:
    """Put every parameter and gradient of `model` on the device "meta", in place; ties stay ties."""
    turned: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            if id(parameter) not in turned:
                meta = nn.Parameter(shape_of(parameter, "meta"), requires_grad=parameter.requires_grad)
                meta.grad = None if parameter.grad is None else torch.empty_like(meta)
                turned[id(parameter)] = meta
            module._parameters[name] = turned[id(parameter)]


def refuse_unknown_shapes(model: nn.Module) -> None:
    """Raise `ModelError` for a model that gets its shapes from the first batch it sees."""
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in model.parameters()):
        raise ModelError(
            "the model has layers whose shape is not known yet",
            evidence="a lazy layer gets its shape from the first batch that it sees",
            remedy="pass one batch through it first: model(x)",
        )


def without_data(build: Callable[[], nn.Module]) -> nn.Module:
    """Return the model that `build` makes, on the device "meta": with all shapes, and without taking any memory."""
    with isolated(), torch.device("meta"), AnyNumber():
        return build()


class AnyNumber(TorchDispatchMode):
    """Answers 1 where the value of a tensor without data is asked for: no size in an optimizer depends on it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return True if args[0].dtype == torch.bool else 1.0 if args[0].is_floating_point() else 1
        return func(*args, **(kwargs or {}))
