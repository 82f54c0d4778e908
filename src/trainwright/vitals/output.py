"""What enters the loss: the last operation behind the model's output, and whether its rows are probabilities."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.randomness import isolated
from trainwright.records import Location, OutputFacts
from trainwright.tensors import buffers_restored, evaluating

_VIEWS = re.compile(
    r"^(View|ReshapeAlias|UnsafeView|Squeeze|Unsqueeze|Transpose|T|Permute|Clone|Alias|ToCopy|Expand|AsStrided)Backward\d*$"
)
_BATCHES = 5
_OURS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))


def output_facts(model: nn.Module, x: torch.Tensor) -> OutputFacts:
    """Look at the model's output for samples `x` without leaving a footprint: modes, buffers, gradients, randomness.

    Where the output is no single tensor, the operation is "" and the shape is empty.
    """
    with isolated(), buffers_restored(model):
        node, where, shape = _trace(model, x[: max(1, len(x) // _BATCHES)])
        with evaluating(model), torch.no_grad():
            error = _row_sum_error(model, x)
    return OutputFacts(
        shape=shape,
        operation=re.sub(r"Backward\d*$", "", node.name()) if node is not None else "",
        where=where,
        batches=_BATCHES,
        row_sum_error=error,
    )


def _trace(model: nn.Module, x: torch.Tensor) -> tuple[Any, Location, tuple[int, ...]]:
    """Run the model once; return the last node of the graph that is not a view, its place, and the output's shape."""
    makers: dict[int, str] = {}  # id of a graph node -> the module whose output it made
    kept: list[Any] = []  # keeps the nodes alive, so that no id is used twice

    def remember(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.grad_fn is not None:
                makers.setdefault(id(output.grad_fn), path)
                kept.append(output.grad_fn)

        return hook

    hooks = [module.register_forward_hook(remember(path)) for path, module in model.named_modules() if path]
    # In anomaly mode autograd keeps, with each node, the stack of the forward call that made it.
    was_on, was_checking = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    depth = len(traceback.extract_stack())
    try:
        with torch.enable_grad():
            output = model(x)
    finally:
        torch.autograd.set_detect_anomaly(was_on, was_checking)
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor):
        return None, Location(), ()
    node = output.grad_fn
    while node is not None and _VIEWS.match(node.name()) and node.next_functions:
        node = node.next_functions[0][0]
    if node is None:
        return None, Location(), tuple(output.shape)
    metadata: Any = node.metadata
    file, line = _user_frame(metadata.get("traceback_", []), depth)
    return node, Location(file=file, line=line, module=makers.get(id(node))), tuple(output.shape)


def _user_frame(stack: list[str], depth: int) -> tuple[str | None, int | None]:
    """Return the innermost frame, inside the model's own forward, that is the user's and not a library's."""
    for frame in reversed(stack[depth:]):
        match = re.match(r'\s*File "(.+)", line (\d+)', frame)
        if match and not match[1].startswith(_OURS) and "<" not in match[1]:
            return match[1], int(match[2])
    return None, None


def _row_sum_error(model: nn.Module, x: torch.Tensor) -> float | None:
    """Return how far from 1 a row's sum gets where all entries lie in [0, 1], None where some do not."""
    worst = 0.0
    for part in x.chunk(_BATCHES):
        output = model(part)
        if not isinstance(output, torch.Tensor) or output.dim() < 2 or output.shape[1] < 2:
            return None
        if not bool(((output >= 0) & (output <= 1)).all()):
            return None
        worst = max(worst, float((output.sum(1) - 1).abs().max()))
    return worst
