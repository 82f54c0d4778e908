"""Where a number stopped being finite: replays one batch and names the operation, the module and the line.

Runs only after a failure, so it may be slow; it leaves the weights, buffers and random state as it found them.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name

from trainwright.randomness import isolated, seed_step
from trainwright.records import Event
from trainwright.tensors import buffers_restored
from trainwright.vitals.frames import node_frame, recording_frames, user_frame


def locate(
    model: nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    step: int,
    seed: int,
) -> Event:
    """Return the event "non-finite": its detail holds `phase` ("input", "target", "weights", "forward", "loss",
    "backward" or "unknown"), `operation`, `module`, `parameter`, `file`, `line`, each possibly None.
    """
    place: dict[str, Any] = dict.fromkeys(("operation", "module", "parameter", "file", "line"))
    for phase, tensor in (("input", x), ("target", y)):
        if not _finite(tensor):
            bad = ~torch.isfinite(tensor.reshape(len(tensor), -1)).all(1)
            return _event(step, phase, place | {"samples": int(bad.sum()), "first_sample": int(bad.nonzero()[0])})
    for name, parameter in model.named_parameters():
        if not _finite(parameter):
            return _event(step, "weights", place | {"parameter": name})
    with isolated(), buffers_restored(model), torch.enable_grad():
        seed_step(seed, step)
        tracer = _FirstNonFinite()
        depth = len(traceback.extract_stack())
        paths = {id(module): path for path, module in model.named_modules()}
        hooks = [module.register_forward_pre_hook(tracer.enter) for module in model.modules()]
        hooks += [module.register_forward_hook(tracer.leave) for module in model.modules()]
        try:
            with recording_frames(), tracer:
                output = model(x)
                tracer.in_loss = tracer.operation is None
                value = loss(output, y)
        finally:
            for hook in hooks:
                hook.remove()
        if tracer.operation is not None:
            file, line = user_frame((frame.filename, frame.lineno) for frame in tracer.stack[depth:])
            found = {"operation": tracer.operation, "module": paths.get(tracer.module_id), "file": file, "line": line}
            return _event(step, "loss" if tracer.in_loss else "forward", place | found)
        return _event(step, *_backward(value, place, depth))


def _event(step: int, phase: str, place: dict[str, Any]) -> Event:
    return Event(step=step, name="non-finite", detail={"phase": phase, **place})


def _finite(value: Any) -> bool:
    if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
        return bool(torch.isfinite(value).all())
    return True


class _FirstNonFinite(TorchFunctionMode):
    """Remembers the first torch function that made a non-finite result out of finite arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.operation: str | None = None
        self.stack: list[traceback.FrameSummary] = []
        self.module_id = 0
        self.in_loss = False
        self._inside: list[int] = []

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self._inside.append(id(module))

    def leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._inside.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.operation is not None:
            return func(*args, **(kwargs or {}))
        given = _trouble((args, kwargs))  # before the call, which may overwrite its arguments
        result = func(*args, **(kwargs or {}))
        if not _trouble(result) <= given:
            self.operation = (resolve_name(func) or getattr(func, "__name__", "?")).replace("torch.Tensor.", "Tensor.")
            self.stack = list(traceback.extract_stack())
            self.module_id = self._inside[-1] if self._inside else 0
        return result


def _trouble(value: Any) -> set[str]:
    """Return which of "nan" and "inf" occur in the tensors and numbers of `value`.

    Numbers count, so that an infinity which the user wrote (`masked_fill(mask, -inf)`) is no operation's doing.
    """
    if isinstance(value, torch.Tensor):
        if _finite(value):
            return set()
        found = {"nan": value.isnan().any(), "inf": value.isinf().any()}
        return {kind for kind, there in found.items() if there}
    if isinstance(value, float):
        return set() if math.isfinite(value) else {"nan" if math.isnan(value) else "inf"}
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return set().union(*map(_trouble, value))
    return set()


def _backward(value: torch.Tensor, place: dict[str, Any], depth: int) -> tuple[str, dict[str, Any]]:
    """Run the backward pass and name the first function that makes a non-finite gradient out of finite ones."""
    culprits: list[Any] = []

    def watch(node: Any) -> Callable[..., None]:
        def hook(passed_on: Any, received: Any) -> None:
            if not culprits and not _trouble(passed_on) <= _trouble(received):
                culprits.append(node)

        return hook

    nodes = _nodes(value)
    if not nodes:
        return "unknown", place
    hooks = [node.register_hook(watch(node)) for node in nodes]
    leaves = [node.variable for node in nodes if hasattr(node, "variable")]
    try:
        torch.autograd.grad(value, leaves, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    if not culprits:
        return "unknown", place
    file, line = node_frame(culprits[0], depth)
    operation = re.sub(r"Backward\d*$", "", culprits[0].name())
    return "backward", place | {"operation": operation, "file": file, "line": line}


def _nodes(value: torch.Tensor) -> list[Any]:
    """Return every node of the graph behind `value`; those with a `variable` gather a leaf's gradient."""
    found: dict[Any, None] = {}
    queue: list[Any] = [value.grad_fn]
    while queue:
        node = queue.pop()
        if node is not None and node not in found:
            found[node] = None
            queue += [following for following, _ in node.next_functions]
    return list(found)
