"""The operations behind a tensor, read from the autograd graph: which came last, where, and what it can give."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from trainwright.records import Location
from trainwright.vitals.frames import node_frame

_SAME = "View|ReshapeAlias|UnsafeView|Squeeze|Unsqueeze|Transpose|T|Permute|Clone|Alias|ToCopy|Expand|AsStrided"
SAME_NUMBERS = re.compile(rf"^({_SAME})Backward\d*$")
"""Operations that keep every number."""
_VIEWS = re.compile(rf"^({_SAME}|Select|Slice|Index|Unbind|Split)Backward\d*$")
"""Operations that put values elsewhere, or leave some out, and change none."""
_LOGARITHMS = re.compile(r"^Log(1p|2|10|Softmax|Sigmoid|sumexp|addexp)?Backward\d*$")
_LAYERS = re.compile(r"^(Addmm|Mm|Bmm|Baddbmm|Mv|Addmv|Linear|\w*Convolution)Backward\d*$")
_LOOKED_AT = 64  # operations behind the loss's input that are looked at for a logarithm
_GELU_LOWEST, _SILU_LOWEST = -0.17, -0.2785  # the least values of the two, rounded outwards

_BOUNDS: Mapping[str, tuple[float | None, float | None]] = {
    "Relu": (0.0, None),
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softplus": (0.0, None),
    "Exp": (0.0, None),
    "Abs": (0.0, None),
    "LogSoftmax": (None, 0.0),
    "LogSigmoid": (None, 0.0),
    "Gelu": (_GELU_LOWEST, None),
    "Silu": (_SILU_LOWEST, None),
}
"""Operation -> the least and the largest value that it can give."""


def name_of(node: Any) -> str:
    """Return the operation that a node stands for (`Softmax`), "" for none."""
    return "" if node is None else re.sub(r"Backward\d*$", "", node.name())


def behind_views(node: Any) -> Any:
    """Return the first node, from `node` on backwards, that changes values; None at the end of the graph."""
    while node is not None and _VIEWS.match(node.name()) and node.next_functions:
        node = node.next_functions[0][0]
    return node


def before(node: Any) -> Any:
    """Return the node of the operation before `node` that changes values, along its first input."""
    return behind_views(node.next_functions[0][0]) if node is not None and node.next_functions else None


def bounds(node: Any) -> tuple[float | None, float | None]:
    """Return the least and the largest value that an operation can give, None where there is none."""
    name = name_of(node)
    if name == "Hardtanh":
        return _number(node, "_saved_min_val"), _number(node, "_saved_max_val")
    if name in ("Clamp", "ClampMin", "ClampMax"):
        return _number(node, "_saved_min"), _number(node, "_saved_max")
    if name == "Elu":
        scale, alpha = _number(node, "_saved_scale"), _number(node, "_saved_alpha")
        return (None if scale is None or alpha is None else -scale * alpha), None
    if name == "Pow":
        exponent = _number(node, "_saved_exponent")
        return (0.0 if exponent is not None and exponent > 0 and exponent % 2 == 0 else None), None
    return _BOUNDS.get(name, (None, None))


def _number(node: Any, name: str) -> float | None:
    value = getattr(node, name, None)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def normalised(node: Any) -> tuple[int | None, tuple[int, ...]]:
    """Return the dimension along which a softmax or log-softmax normalises, from 0, and the shape that it works on.

    (None, ()) for every other operation, and where the graph no longer holds it.
    """
    if name_of(node) not in ("Softmax", "LogSoftmax"):
        return None, ()
    try:
        dimension, shape = int(node._saved_dim), tuple(node._saved_result.shape)
    except (AttributeError, RuntimeError):
        return None, ()
    if dimension >= 2**63:  # a negative one reads as an unsigned number
        dimension -= 2**64
    return (dimension % len(shape) if shape else None), shape


def has_logarithm(node: Any) -> bool:
    """Say whether a logarithm lies among the last operations behind a tensor."""
    queue, seen = [node], set()
    while queue and len(seen) < _LOOKED_AT:
        node = queue.pop(0)
        if node is None or node in seen:
            continue
        if _LOGARITHMS.match(node.name()):
            return True
        seen.add(node)
        queue += [earlier for earlier, _ in node.next_functions]
    return False


def layer_between(later: Any, earlier: Any) -> bool:
    """Say whether a product or a convolution lies on the way back from the node `later` to the node `earlier`."""
    queue, seen = [later], set()
    arrived = layer = False
    while queue:
        node = queue.pop(0)
        if node is earlier:
            arrived = True
        elif node is not None and node not in seen:
            seen.add(node)
            layer = layer or _LAYERS.match(node.name()) is not None
            queue += [former for former, _ in node.next_functions]
    return arrived and layer


class Makers:
    """Which module made which node of the graph, and on which line: filled while `watching(model)`."""

    def __init__(self, depth: int) -> None:
        """`depth` frames at the bottom of the stack belong to who asked, not to model or loss."""
        self._depth = depth
        self._paths: dict[int, str] = {}
        self._linear: set[int] = set()  # nodes that are the very outputs of linear layers
        self._kept: list[Any] = []  # keeps the nodes alive, so that no id is used twice

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Note the nodes behind what each submodule returns in the block."""
        hooks = [
            module.register_forward_hook(self._hook(path.replace("_orig_mod.", "")))
            for path, module in model.named_modules()
            if path and path != "_orig_mod"
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, path: str) -> Any:
        def remember(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                self.note(output.grad_fn, module, path)

        return remember

    def note(self, node: Any, module: nn.Module, path: str) -> None:
        """Note that the submodule at `path` returned what `node` stands for."""
        if node is not None:
            self._paths.setdefault(id(node), path)
            self._kept.append(node)
            if isinstance(module, nn.Linear):
                self._linear.add(id(node))

    def forget(self) -> None:
        """Let go of all nodes: a graph that is held is memory that is held."""
        self._paths.clear()
        self._linear.clear()
        self._kept.clear()

    def linear(self, node: Any) -> bool:
        """Say whether a node is what a linear layer returned, with nothing behind it that moves its units elsewhere."""
        return id(node) in self._linear

    def where(self, node: Any) -> Location:
        """Return file, line and module of a node, as far as they are known."""
        if node is None:
            return Location()
        file, line = node_frame(node, self._depth)
        return Location(file=file, line=line, module=self._paths.get(id(node)))
