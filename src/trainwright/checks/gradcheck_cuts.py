"""What autograd takes for a constant, held as one for the differences too; and casts, made to float64."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_APPLY = torch.autograd.Function.apply.__func__.__code__


class Held(TorchFunctionMode):
    """Holds what the graph is cut from at its first value: results of `detach`, of `.data`, and under `no_grad`.

    Autograd takes such values for constants. Held at the values of the first pass, they are constants for differences
    too: straight-through estimators, targets from a teacher and conditioning that is detached compare as they should.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Any] = []
        self.place: int | None = None  # None while values are gathered
        self.active = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Run one pass of the model: the first gathers values, each later one gets them in the same order."""
        self.place = 0 if self.active else None
        with self:
            yield
        self.active = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, torch.Tensor) or not (result.is_floating_point() or result.is_complex()):
            return result
        if (func not in _CUTS and torch.is_grad_enabled()) or _in_function():
            return result
        if self.place is None:
            self.values.append(result.clone())
            return result
        if self.place >= len(self.values) or self.values[self.place].shape != result.shape:
            return result
        self.place += 1
        return self.values[self.place - 1].clone()


_CUTS = {torch.Tensor.detach, torch.detach, torch.Tensor.data.__get__}  # type: ignore[attr-defined]


class Widened(TorchFunctionMode):
    """Turns casts to float32 and less into casts to float64: `x.float() / 255` in a forward is no wish for rounding."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CASTS:
            return torch.Tensor.double(args[0])
        return func(*map(_widened, args), **{name: _widened(value) for name, value in (kwargs or {}).items()})


def _widened(given: Any) -> Any:
    if isinstance(given, torch.dtype):
        return _WIDE.get(given, given)
    # `x.to(y)` and `x.type_as(y)` take the type of y, which is double here already.
    return _WIDE_NAMES.get(given, given) if isinstance(given, str) else given


_CASTS = {torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16}
_WIDE = {torch.float32: torch.float64, torch.float16: torch.float64, torch.bfloat16: torch.float64}
_WIDE[torch.complex64] = torch.complex128
_WIDE_NAMES = {"torch.FloatTensor": "torch.DoubleTensor", "torch.HalfTensor": "torch.DoubleTensor"}


def _in_function() -> bool:
    """Say whether this runs inside the forward of a function with a backward of its own."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code is _APPLY:
            return True
        frame = frame.f_back
    return False
