"""What enters the loss: the last operation behind the model's output, and whether its rows are probabilities."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainwright.randomness import isolated
from trainwright.records import Location, OutputFacts
from trainwright.tensors import buffers_restored, evaluating
from trainwright.vitals.frames import node_frame, recording_frames

_VIEWS = re.compile(
    r"^(View|ReshapeAlias|UnsafeView|Squeeze|Unsqueeze|Transpose|T|Permute|Clone|Alias|ToCopy|Expand|AsStrided)Backward\d*$"
)
_BATCHES = 5


def output_facts(model: nn.Module, x: torch.Tensor) -> OutputFacts:
    """Look at the model's output for samples `x` without leaving a footprint: modes, buffers, gradients, randomness.

    Where the output is no single tensor, the operation is "" and the shape is empty.
    """
    with isolated(), buffers_restored(model):
        # Two samples at least: in training mode batch normalisation refuses a single one.
        node, where, shape = _trace(model, x[: max(2, len(x) // _BATCHES)].clone())
        with evaluating(model), torch.no_grad():
            error = _row_sum_error(model, x)
    return OutputFacts(
        shape=shape,
        operation=re.sub(r"Backward\d*$", "", node.name()) if node is not None else "",
        where=where,
        batches=len(x.chunk(_BATCHES)),
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
    depth = len(traceback.extract_stack())
    try:
        with recording_frames(), torch.enable_grad():
            output = model(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor):
        return None, Location(), ()
    node = output.grad_fn
    while node is not None and _VIEWS.match(node.name()) and node.next_functions:
        node = node.next_functions[0][0]
    if node is None:
        return None, Location(), tuple(output.shape)
    file, line = node_frame(node, depth)
    return node, Location(file=file, line=line, module=makers.get(id(node))), tuple(output.shape)


def _row_sum_error(model: nn.Module, x: torch.Tensor) -> float | None:
    """Return how far from 1 a row's sum gets where all entries lie in [0, 1], None where some do not."""
    worst = 0.0
    for part in x.chunk(_BATCHES):
        output = model(part.clone())  # a model that works in place must not change the samples
        if not isinstance(output, torch.Tensor) or output.dim() < 2 or output.shape[1] < 2:
            return None
        if not bool(((output >= 0) & (output <= 1)).all()):
            return None
        worst = max(worst, float((output.sum(1) - 1).abs().max()))
    return worst
