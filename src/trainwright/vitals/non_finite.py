"""Where a number stopped being finite: replays one batch and names the operation, the module and the line.

Runs only after a failure, so it may be slow; it leaves the weights, buffers and random state as it found them.
"""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name

from trainwright.randomness import isolated, seed_step
from trainwright.records import Event
from trainwright.tensors import buffers_restored

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))


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
            with tracer:
                output = model(x)
                tracer.in_loss = tracer.operation is None
                value = loss(output, y)
        finally:
            for hook in hooks:
                hook.remove()
        if tracer.operation is not None:
            file, line = _user_frame(tracer.stack[depth:])
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
        result = func(*args, **(kwargs or {}))
        if self.operation is None and not all(map(_finite, _tensors(result))) and all(map(_finite, _tensors(args))):
            self.operation = (resolve_name(func) or getattr(func, "__name__", "?")).replace("torch.Tensor.", "Tensor.")
            self.stack = list(traceback.extract_stack())
            self.module_id = self._inside[-1] if self._inside else 0
        return result


def _tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _user_frame(stack: Iterable[traceback.FrameSummary]) -> tuple[str | None, int | None]:
    """Return the innermost frame that is neither torch's nor ours."""
    for frame in reversed(list(stack)):
        if not frame.filename.startswith(_LIBRARIES) and "<" not in frame.filename:
            return frame.filename, frame.lineno
    return None, None


def _backward(value: torch.Tensor, place: dict[str, Any], depth: int) -> tuple[str, dict[str, Any]]:
    """Run the backward pass under autograd's anomaly mode, which names the first function that returns NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anomaly mode prints the forward stack as a warning; the error is enough here
        try:
            with torch.autograd.detect_anomaly():
                inputs = [leaf for leaf in _leaves(value) if leaf.requires_grad]
                torch.autograd.grad(value, inputs, allow_unused=True)
        except RuntimeError as problem:
            match = re.search(r"Function '(\w+?)(Backward\d*)?' returned nan", str(problem))
            return "backward", place | {"operation": match[1] if match else None}
    return "unknown", place


def _leaves(value: torch.Tensor) -> list[torch.Tensor]:
    """Return the leaf tensors that the graph of `value` accumulates gradients into."""
    found, seen, queue = [], set(), [value.grad_fn]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            found.append(variable)
        queue += [following for following, _ in node.next_functions]
    return found
