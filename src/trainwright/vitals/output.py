"""What enters the loss: the last operation behind the model's output, and whether its rows are probabilities."""

from __future__ import annotations

import re
import traceback
import warnings
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


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def output_facts(
    model: nn.Module, x: torch.Tensor, loss: Loss | None = None, y: torch.Tensor | None = None
) -> OutputFacts:
    """Look at the model's output for samples `x` without leaving a footprint: modes, buffers, gradients, randomness.

    With a `loss` and targets `y`, also at what the loss does first with the output.

    Where the output is no single tensor, the operation is "" and the shape is empty.
    """
    with isolated(), buffers_restored(model):
        # Two samples at least: in training mode batch normalisation refuses a single one.
        count = max(2, len(x) // _BATCHES)
        output, node, where = _trace(model, x[:count].clone())
        softmax = loss is not None and y is not None and _applies_log_softmax(loss, output, y[:count])
        with evaluating(model), torch.no_grad():
            error = _row_sum_error(model, x)
    return OutputFacts(
        shape=tuple(output.shape) if isinstance(output, torch.Tensor) else (),
        operation=re.sub(r"Backward\d*$", "", node.name()) if node is not None else "",
        where=where,
        batches=len(x.chunk(_BATCHES)),
        row_sum_error=error,
        loss_softmax=softmax,
    )


def _trace(model: nn.Module, x: torch.Tensor) -> tuple[Any, Any, Location]:
    """Run the model once; return the output, the last node of its graph that is not a view, and that node's place."""
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
        return output, None, Location()
    node = output.grad_fn
    while node is not None and _VIEWS.match(node.name()) and node.next_functions:
        node = node.next_functions[0][0]
    if node is None:
        return output, None, Location()
    file, line = node_frame(node, depth)
    return output, node, Location(file=file, line=line, module=makers.get(id(node)))


def _applies_log_softmax(loss: Loss, output: Any, y: torch.Tensor) -> bool:
    """Say whether a log-softmax lies between the output and the value of the loss."""
    if not isinstance(output, torch.Tensor) or output.grad_fn is None:
        return False
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = loss(output, y)
    except Exception:  # a loss that cannot take this is refused with its reason before training starts
        return False
    queue, seen = [getattr(value, "grad_fn", None)], {output.grad_fn}
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        if node.name().startswith("LogSoftmax"):
            return True
        seen.add(node)
        queue += [before for before, _ in node.next_functions]
    return False


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
