"""Noise of a fixed strength that a model adds in evaluation mode, and the line that adds it.

A model may be random by design: a code is drawn with a spread that the model computed, a generator begins from noise,
a schedule says how much of it a diffusion step gets. There the noise is multiplied by a tensor, enters a layer, or is
compared with one, or multiplied by another draw. What a model has to predict is the noise itself: it corrupts the
inputs and is subtracted again, as a target. Noise that regularises is added as it was drawn, times a number, or masks
what it meets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from trainwright.checks.inputs import tensors
from trainwright.checks.uses import stack
from trainwright.vitals.frames import user_frame

_NORMAL = {"randn", "randn_like", "normal", "normal_"}
_UNIFORM = {"rand", "rand_like", "uniform_"}
_ADDED = {"add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "__sub__", "__rsub__", "rsub", "__isub__"}
_SUBTRACTED = {name for name in _ADDED if "sub" in name}
_TIMES = {"mul", "mul_", "__mul__", "__rmul__", "__imul__", "multiply", "where", "masked_fill", "masked_fill_"}
_COMPARED = {"gt", "lt", "ge", "le", "__gt__", "__lt__", "__ge__", "__le__", "greater", "less"}
_KEPT = {"to", "float", "double", "half", "bool", "type_as", "clone", "div", "div_", "__truediv__", "neg", "__neg__"}
_KEPT |= {"reshape", "view", "view_as", "unsqueeze", "squeeze", "expand", "expand_as", "bitwise_not", "__invert__"}


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The first place where noise met what the model computes: torch's name of the operation, and the user's line."""

    name: str
    file: str | None
    line: int | None


@dataclass(frozen=True)
class _Drawn:
    tensor: torch.Tensor  # kept alive, so that no id is used twice
    root: int  # which draw it comes from
    uniform: bool
    scales: bool = False  # a mask, or normal around another number than zero: multiplying by it is adding noise


def noise_added(run: Callable[[], Any]) -> Noise | None:
    """Return where noise of a fixed strength is added, or a mask of it laid on, while `run` runs; None for nowhere."""
    with _Following() as following:
        run()
    return next((noise for root, noise in following.met if not following.is_target(root)), None)


class _Following(TorchFunctionMode):
    """Follows what was drawn at random, as long as it has met numbers alone."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[tuple[int, Noise]] = []
        self.drawn: dict[int, _Drawn] = {}
        self.uses: dict[int, list[str]] = {}  # draw -> the operations in which it met anything else

    def is_target(self, root: int) -> bool:
        """Say whether a draw was used, and then, or before, compared with what the model computes."""
        names = self.uses.get(root, [])
        return len(names) > 1 and any(name in _SUBTRACTED or name.endswith("_loss") for name in names)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tensors((args, kwargs or {}))
        noise = [self.drawn[id(tensor)] for tensor in given if id(tensor) in self.drawn]
        others = any(id(tensor) not in self.drawn and _varies(tensor) for tensor in given)
        result = func(*args, **(kwargs or {}))
        name = str(getattr(func, "__name__", ""))
        if isinstance(result, torch.Tensor):
            if name in _NORMAL | _UNIFORM:
                self._draw(name, result, others, len(given))
            elif noise:
                self._follow(name, result, noise, others)
        return result

    def _draw(self, name: str, result: torch.Tensor, others: bool, count: int) -> None:
        if name != "normal" or not count:
            self.drawn[id(result)] = _Drawn(result, len(self.drawn), uniform=name in _UNIFORM)
        elif others and count == 1:  # around what the model computes, and with a number for its spread
            self._meets(name, -1)

    def _follow(self, name: str, result: torch.Tensor, drawn: list[_Drawn], others: bool) -> None:
        noise = drawn[0]
        random_strength = name in _TIMES and len({one.root for one in drawn}) > 1
        random_strength = random_strength and not any(one.scales for one in drawn)  # a mask is no strength
        if random_strength or (others and name not in _KEPT):
            for one in drawn:
                self.uses.setdefault(one.root, []).append(name)
        if random_strength:
            return
        if name in _KEPT:
            self.drawn[id(result)] = replace(noise, tensor=result)
        elif others:
            if name in _ADDED or (name in _TIMES and noise.scales):
                self._meets(name, noise.root)
        elif name in _ADDED | _COMPARED:
            scales = noise.scales or name in _COMPARED or not noise.uniform
            self.drawn[id(result)] = replace(noise, tensor=result, scales=scales)
        elif name in _TIMES:
            self.drawn[id(result)] = replace(noise, tensor=result)

    def _meets(self, name: str, root: int) -> None:
        file, line = user_frame(stack())
        self.met.append((root, Noise(name=name.strip("_"), file=file, line=line)))


def _varies(tensor: torch.Tensor) -> bool:
    """Say whether a tensor is more than one number: zeros that noise is added to are a way to draw it."""
    return tensor.numel() > 1 and bool((tensor != tensor.flatten()[0]).any())
