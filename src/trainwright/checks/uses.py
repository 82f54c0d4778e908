"""Who calls torch's functions with what, while a model runs: which parameters are used, and whether with gradients."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from trainwright.checks.inputs import tensors
from trainwright.vitals.frames import user_frame

_HERE = os.path.dirname(__file__)


@dataclass(frozen=True, kw_only=True)
class Use:
    """The first use of a parameter with gradients on, or, where there is none, the first at all."""

    with_gradient: bool
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Called:
    """One call of a function of torch: its name, its arguments by name where they had one, and the user's line."""

    name: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    file: str | None
    line: int | None


def uses_of(parameters: Mapping[str, nn.Parameter], run: Callable[[], Any]) -> dict[str, Use]:
    """Return, by name, the parameters that some operation takes in while `run` runs."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    found: dict[str, Use] = {}

    def see(function: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        # Asking for a shape is no use; taking out the data is one.
        if _name(function) == "__get__" and getattr(function.__self__, "__name__", "") != "data":
            return
        for tensor in tensors((arguments, options)):
            name = names.get(id(tensor))
            if name is not None and (name not in found or (torch.is_grad_enabled() and not found[name].with_gradient)):
                file, line = user_frame(stack())
                found[name] = Use(with_gradient=torch.is_grad_enabled(), file=file, line=line)

    with _Watching(see):
        run()
    return found


def calls_of(run: Callable[[], Any], wanted: Callable[[str], bool]) -> list[Called]:
    """Return the calls, by torch's own names for its functions, of those that are `wanted` while `run` runs."""
    found: list[Called] = []

    def see(function: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        if wanted(_name(function)):
            file, line = user_frame(stack())
            found.append(Called(name=_name(function), arguments=arguments, options=dict(options), file=file, line=line))

    with _Watching(see):
        run()
    return found


class _Watching(TorchFunctionMode):
    """torch's own way to see every call of its functions within a block."""

    def __init__(self, see: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], None]) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.see(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", ""))


def stack() -> Iterator[tuple[str, int | None]]:
    """Yield the frames that a check is the cause of, outermost first: not those of who asked for the check."""
    frame, frames = sys._getframe(1), []
    while frame is not None:
        frames.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    frames = frames[::-1]
    own = next((place for place, (file, _) in enumerate(frames) if os.path.dirname(file) == _HERE), 0)
    return iter(frames[own:])
