"""The loss at many displaced points of one parameter: all at once by `vmap`, or one by one where that is refused."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.checks.gradcheck_copy import Double
from trainwright.checks.gradcheck_functions import Held, Widened, own_functions, vectorisable
from trainwright.checks.gradcheck_linear import Nudged, Uses, linear_weights
from trainwright.checks.inputs import tensors
from trainwright.errors import ModelError, UsageError

MEMORY = 16 * 2**20
"""Bytes that the displaced copies of a parameter and what is computed from them may take together: larger ones leave
the processor's cache, and smaller ones cost more calls than they gain."""
_REFUSALS = 3  # parameters after which none is tried any more: what refuses then lies on everybody's way
_SAME = 1e-9  # relative: what one pass by itself and one among others may differ by, when they are the same


class Losses:
    """The loss of a copied training as a function of its parameters. `evaluations` counts passes, vectorised or not."""

    def __init__(
        self, double: Double, *, seed: int, hold: bool = False, casts: bool = False, hooks: Any = None
    ) -> None:
        self.double = double
        self.seed = seed
        self.held = Held() if hold else None
        self.casts = casts  # casts to lower precision are taken for casts to float64
        self.hooks = hooks or {}
        self.parameters = {name: each for name, each in double.model.named_parameters() if each.requires_grad}
        self.buffers = [(buffer, buffer.clone()) for buffer in double.model.buffers()]
        self.functions: list[type] = []
        self.refused: dict[str, str] = {}  # parameter -> why it is not vectorised
        self.linear: set[str] = set()  # parameters whose entries are displaced in the output of a `linear`
        self.evaluations = 0
        self.bytes = 0
        self.base = math.nan
        self.watch: Callable[[torch.Tensor], None] = lambda value: None  # sees the loss with its graph

    def gradients(self) -> dict[str, torch.Tensor]:
        """Return the gradient of each trainable parameter by an ordinary backward pass; zeros where there is none."""
        names, leaves = list(self.parameters), list(self.parameters.values())
        handles = [
            leaf.register_hook(hook) for name, leaf in self.parameters.items() for hook in self.hooks.get(name, ())
        ]
        try:
            with _Counted() as counted, Uses(self.parameters) as uses, self._pass():
                value = self._loss(self.double.model)
            self.linear = linear_weights(self.parameters, uses, value)
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
                found = (
                    torch.autograd.grad(value, leaves, allow_unused=True)
                    if value.requires_grad
                    else [None] * len(leaves)
                )
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
            for name, leaf, gradient in zip(names, leaves, found, strict=True)
        }

    def own_functions(self) -> list[type]:
        """Return the functions with a backward of their own in the graph of the loss."""
        with self._pass():
            return own_functions(self._loss(self.double.model))

    def plain(self) -> float:
        """Return the loss where the parameters are."""
        self.evaluations += 1
        with self._pass():
            return float(self._loss(self.double.model).detach())

    def entries(self, name: str, places: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Return the losses with entry `places[k]` of a parameter displaced by `sizes[k]`: float64 `(k,)`."""
        width = self.width(name)

        def displaced(begin: int, end: int) -> torch.Tensor:
            at = self.parameters[name].detach()
            copies = at.expand(end - begin + 1, *at.shape).contiguous()
            flat = (torch.view_as_real(copies) if copies.is_complex() else copies).view(-1)
            rows = torch.arange(end - begin, device=flat.device)
            flat[rows * width + places[begin:end].to(flat.device)] += sizes[begin:end].to(flat)
            return copies

        if name in self.linear and name not in self.refused:
            try:
                return self._nudged(name, places, sizes)
            except Exception:  # the plain way is tried, and says what refuses
                self.linear.discard(name)
        return self._losses(name, displaced, len(places))

    def _nudged(self, name: str, places: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Return the losses with entries of a weight displaced where they reach the output of its `linear`."""
        weight = self.parameters[name]
        outputs, inputs = weight.shape
        where = torch.arange(outputs, device=weight.device)

        def together(begin: int, end: int) -> torch.Tensor:
            # The last pass is not displaced.
            at = torch.cat([places[begin:end], places[:1]]).to(weight.device)
            size = torch.cat([sizes[begin:end], torch.zeros_like(sizes[:1])]).to(weight)
            changes = torch.where(at[:, None] // inputs == where, size[:, None], torch.zeros_like(size[:, None]))
            columns = (at % inputs)[:, None]

            def loss(column: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
                with Nudged(weight, column, change):
                    return self._loss(self.double.model)

            with vectorisable(self.functions), self._pass():
                return vmap(loss, randomness="same")(columns, changes).detach().double().cpu()

        chunk = max(1, MEMORY // max(self.bytes + 16 * outputs, 1))
        values = self._chunks(together, len(places), chunk)
        self.evaluations += len(places)
        return values

    def along(self, name: str, directions: torch.Tensor, which: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Return the losses with a parameter displaced by `sizes[k]` times `directions[which[k]]`: float64 `(k,)`."""

        def displaced(begin: int, end: int) -> torch.Tensor:
            at = self.parameters[name].detach()
            moves = torch.cat([directions[which[begin:end]] * sizes[begin:end, None], torch.zeros_like(directions[:1])])
            moves = moves.to(at.device)
            if at.is_complex():
                return at + torch.view_as_complex(moves.reshape(-1, *at.shape, 2))
            return at + moves.reshape(-1, *at.shape).to(at.dtype)

        return self._losses(name, displaced, len(sizes))

    def width(self, name: str) -> int:
        """Return how many real numbers a parameter holds."""
        parameter = self.parameters[name]
        return parameter.numel() * (2 if parameter.is_complex() else 1)

    def repeat(self) -> None:
        """Compute the loss at the point once more. Raises `ModelError` where it is not what it was."""
        before, self.base = self.base, self.plain()
        if abs(self.base - before) > _SAME * max(abs(before), 1e-3):
            raise ModelError(
                "the loss is not the same twice, so no gradient can be checked",
                evidence=f"{before!r} and {self.base!r} with the same weights, batch and seed",
                remedy="draw random numbers from torch, numpy or random, and keep no state between passes",
            )

    def _losses(self, name: str, displaced: Callable[[int, int], torch.Tensor], count: int) -> torch.Tensor:
        self.evaluations += count
        size = max(1, MEMORY // max(self.bytes + 16 * self.width(name), 1))
        if name not in self.refused and len(self.refused) < _REFUSALS:
            try:
                return self._chunks(lambda begin, end: self._together(name, displaced(begin, end)), count, size)
            except Exception as problem:
                self.refused[name] = _reason(problem)
        self.refused.setdefault(name, next(iter(self.refused.values()), ""))
        found = []
        for begin in range(0, count, size):
            found += [self._alone(name, copy) for copy in displaced(begin, min(begin + size, count))[:-1]]
        return torch.tensor(found, dtype=torch.float64)

    def _chunks(self, together: Callable[[int, int], torch.Tensor], count: int, size: int) -> torch.Tensor:
        """Return losses chunk by chunk. The last pass of each is not displaced, and must give the loss as it is."""
        parts = []
        for begin in range(0, count, size):
            values = together(begin, min(begin + size, count))
            if not abs(float(values[-1]) - self.base) <= _SAME * max(abs(self.base), 1e-3):
                raise RuntimeError("among others a pass gives another loss than by itself")
            parts.append(values[:-1])
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def _together(self, name: str, copies: torch.Tensor) -> torch.Tensor:
        with vectorisable(self.functions), self._pass():
            values = vmap(lambda copy: self._loss_with(name, copy), randomness="same")(copies)
        return values.detach().double().cpu()

    def _alone(self, name: str, copy: torch.Tensor) -> float:
        with self._pass():
            return float(self._loss_with(name, copy).detach())

    @contextmanager
    def _pass(self) -> Iterator[None]:
        with ExitStack() as stack:
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

    def _loss_with(self, name: str, copy: torch.Tensor) -> torch.Tensor:
        def model(*given: Any, **named: Any) -> Any:
            return functional_call(self.double.model, {name: copy}, given, named)

        return self._loss(model)

    def _loss(self, model: Any) -> torch.Tensor:
        x = self.double.x
        output = model(**x) if isinstance(x, dict) else model(*x) if isinstance(x, tuple) else model(x)
        value = self.double.loss(output, self.double.y)
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


def seed_all(seed: int) -> None:
    """Start torch's, numpy's and Python's random numbers over: every pass draws the same ones."""
    # torch.manual_seed() walks every backend, which takes as long as a pass of a small network.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _reason(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return (lines[0] if lines else type(problem).__name__)[:200]


class _Counted(TorchDispatchMode):
    """Counts the bytes of all results: what a pass takes at most, were nothing freed."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.bytes += sum(tensor.nbytes for tensor in tensors(result) if tensor.layout == torch.strided)
        return result
