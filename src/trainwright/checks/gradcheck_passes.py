"""Passes of a copied training: its loss at the point and its gradient there, each with the same random numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.checks.gradcheck_copy import Double
from trainwright.checks.gradcheck_cuts import Held, Widened
from trainwright.checks.gradcheck_functions import own_functions
from trainwright.checks.gradcheck_linear import Taken, Uses, taken
from trainwright.checks.gradcheck_state import State
from trainwright.checks.inputs import call, tensors
from trainwright.checks.wiring import gradients, leaves
from trainwright.errors import ModelError, UsageError

SAME = 1e-9
"""Relative difference of two losses that ought to be the same: one pass by itself and one among others differ so."""


class Passes:
    """The loss of a copied training where its parameters are. `evaluations` counts passes, vectorised or not.

    `hold` keeps values that are cut from the graph as they are, `casts` takes casts to a lower precision for casts to
    float64, and `hooks` are what the original's parameters do to their gradients, by name.
    """

    def __init__(
        self, double: Double, *, seed: int, hold: bool = False, casts: bool = False, hooks: Any = None
    ) -> None:
        self.double = double
        self.seed = seed
        self.held = Held() if hold else None
        self.casts = casts
        self.hooks = hooks or {}
        self.parameters = {name: each for name, each in double.model.named_parameters() if each.requires_grad}
        self.buffers = [(buffer, buffer.clone()) for buffer in double.model.buffers()]
        self.state = State((double.model, double.loss))
        self.functions: list[type] = []
        self.linear: dict[str, Taken] = {}  # parameters whose entries are displaced in the output of a `linear`
        self.evaluations = 0
        self.bytes = 0  # of all results of a pass
        self.base = math.nan
        self.watch: Callable[[torch.Tensor], None] = lambda value: None  # sees the loss with its graph

    def gradients(self) -> dict[str, torch.Tensor]:
        """Return the gradient of each trainable parameter by an ordinary backward pass; zeros where there is none."""
        names, weights = list(self.parameters), list(self.parameters.values())
        handles = [
            leaf.register_hook(hook) for name, leaf in self.parameters.items() for hook in self.hooks.get(name, ())
        ]
        try:
            with _Counted() as counted, Uses(self.parameters) as uses, self.passing():
                value = self.value()
            self._refuse_originals(value)
            self.linear = taken(self.parameters, uses, value)
            self.bytes, self.base = counted.bytes, float(value.detach())
            self.functions = own_functions(value)
            self.watch(value)
            if not math.isfinite(self.base):
                raise ModelError(
                    "the loss is not finite where the gradient is to be checked",
                    evidence=f"it is {self.base} in float64, in evaluation mode",
                    remedy="check the inputs, and the initialisation",
                )
            with torch.backends.cudnn.flags(enabled=False):  # its recurrent layers refuse backward in evaluation mode
                found = gradients(value, weights)
        finally:
            for handle in handles:
                handle.remove()
        self.double.model.requires_grad_(False)
        return {
            name: torch.zeros_like(leaf)
            if gradient is None
            else gradient.to_dense()
            if gradient.is_sparse
            else gradient
            for name, leaf, gradient in zip(names, weights, found, strict=True)
        }

    def own_functions(self) -> list[type]:
        """Return the functions with a backward of their own in the graph of the loss."""
        with self.passing():
            return own_functions(self.value())

    def plain(self) -> float:
        """Return the loss where the parameters are."""
        self.evaluations += 1
        with self.passing():
            return float(self.value().detach())

    def repeat(self) -> None:
        """Compute the loss at the point once more. Raises `ModelError` where it is not what it was."""
        before, self.base = self.base, self.plain()
        if abs(self.base - before) > SAME * max(abs(before), 1e-3):
            raise ModelError(
                "the loss is not the same twice, so no gradient can be checked",
                evidence=f"{before!r} and {self.base!r} with the same weights, batch and seed",
                remedy="draw random numbers from torch, numpy or random, and keep no state between passes",
            )

    def width(self, name: str) -> int:
        """Return how many real numbers a parameter holds."""
        parameter = self.parameters[name]
        return parameter.numel() * (2 if parameter.is_complex() else 1)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Surround one pass, or many vectorised ones: same random numbers, same buffers and attributes as ever."""
        with ExitStack() as stack:
            stack.callback(self.state.restore)  # also after a pass that failed: the next one must not see what it left
            seed_all(self.seed)
            if self.held is not None:
                stack.enter_context(self.held.passing())
            if self.casts:
                stack.enter_context(Widened())
            yield
        for buffer, value in self.buffers:
            if buffer._version:
                with torch.no_grad():
                    buffer.copy_(value)

    def value(self) -> torch.Tensor:
        """Compute the loss of the batch. Raises `UsageError` for what is no single real number."""
        value = self.double.loss(call(self.double.model, self.double.x), self.double.y)
        if not isinstance(value, torch.Tensor) or value.numel() != 1 or value.is_complex():
            what = (
                f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            )
            raise UsageError(
                "the loss is not a single real number",
                evidence=f"it is {what}",
                remedy="average over the samples: reduction='mean'",
            )
        return value.reshape(())

    def _refuse_originals(self, value: torch.Tensor) -> None:
        """Raise `ModelError` where the loss reaches a parameter of the original, which nothing here displaces."""
        found = {self.double.originals.get(id(leaf)) for leaf in leaves(value)} - {None}
        if found:
            raise ModelError(
                "the loss computes with the original model, and the gradient check works on a copy",
                evidence=f"its graph leads to {', '.join(sorted(map(str, found))[:3])} of the model that was given",
                remedy="let the loss reach the model in a way that can be copied: as an argument, or in a closure",
            )


def seed_all(seed: int) -> None:
    """Start torch's, numpy's and Python's random numbers over: every pass draws the same ones."""
    # torch.manual_seed() walks every backend, which takes as long as a pass of a small network.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


class _Counted(TorchDispatchMode):
    """Counts the bytes of all results: what a pass takes at most, were nothing freed. Views take none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_storage(tensor) for tensor in tensors(args)}
        self.bytes += sum(tensor.nbytes for tensor in tensors(result) if _storage(tensor) not in given)
        return result


def _storage(tensor: torch.Tensor) -> int | None:
    """Return where a tensor's values lie; None, as of all others of its kind, for sparse ones and the like."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else None
