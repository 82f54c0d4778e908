"""What enters the loss: the last operation behind the model's output, and whether its rows are probabilities."""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.randomness import isolated
from trainwright.records import OutputFacts
from trainwright.records.loss_call import LossCall
from trainwright.tensors import buffers_restored, evaluating
from trainwright.vitals.frames import recording_frames
from trainwright.vitals.output_graph import Makers, behind_views, name_of
from trainwright.vitals.output_loss import loss_calls
from trainwright.vitals.output_order import order_of_ids
from trainwright.vitals.output_target import paddings
from trainwright.vitals.output_tokens import with_sight
from trainwright.vitals.output_values import row_sum_error

_BATCHES = 5


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def output_facts(
    model: nn.Module, x: torch.Tensor, loss: Loss | None = None, y: torch.Tensor | None = None
) -> OutputFacts:
    """Look at the model's output for samples `x` without leaving a footprint: modes, buffers, gradients, randomness.

    With a `loss` and targets `y`, also at what the loss does with the output: it is computed once, in training mode, on
    a fifth of the samples. Where the output is no single tensor, the operation is "" and the shape is empty.
    """
    depth = len(traceback.extract_stack())
    makers = Makers(depth)
    # Two samples at least: in training mode batch normalisation refuses a single one.
    count = max(2, len(x) // _BATCHES)
    holder = loss if isinstance(loss, nn.Module) and loss is not model else nn.Module()
    with isolated(), buffers_restored(model), buffers_restored(holder):
        with recording_frames(), torch.enable_grad(), _uncompiled():
            with makers.watching(model):
                output = model(x[:count].clone())
            calls, value, failure = (), None, ""
            if loss is not None and y is not None:
                calls, value, failure = loss_calls(
                    loss,
                    output,
                    x[:count],
                    y[:count],
                    rest=y[count:],
                    makers=makers,
                    depth=depth,
                    padding=paddings(model),
                )
        with evaluating(model), torch.no_grad():
            error = _row_sum_error(model, x)
        calls = with_sight(calls, model, x)
        if y is not None:
            calls = tuple(replace(call, order=order_of_ids(x, y)) if _whole(call) else call for call in calls)
    single = isinstance(output, torch.Tensor)
    node = behind_views(output.grad_fn) if single else None
    return OutputFacts(
        shape=tuple(output.shape) if single else (),
        operation=name_of(node),
        where=makers.where(node),
        batches=len(x.chunk(_BATCHES)),
        row_sum_error=error,
        loss_softmax=_applies_log_softmax(output, value),
        calls=tuple(
            replace(call, order=order_of_ids(x, y)) if _whole(call) and y is not None else call for call in calls
        ),
        loss_error=failure,
    )


def _whole(call: LossCall) -> bool:
    """Say whether a call stands for the loss as a whole, and compares one unit with whole numbers from 0."""
    target = call.target
    single = math.prod(call.input.shape[1:]) == 1
    return not call.function and single and target is not None and target.whole and target.minimum == 0


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Let compiled modules and functions run as they were written: a compiled graph is a single node."""
    compiler = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    with compiler:
        yield


def _applies_log_softmax(output: Any, value: Any) -> bool:
    """Say whether a log-softmax lies between the output and the value of the loss."""
    if not isinstance(output, torch.Tensor) or output.grad_fn is None:
        return False
    queue, seen = [getattr(value, "grad_fn", None)], {output.grad_fn}
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        if node.name().startswith("LogSoftmax"):
            return True
        seen.add(node)
        queue += [earlier for earlier, _ in node.next_functions]
    return False


def _row_sum_error(model: nn.Module, x: torch.Tensor) -> float | None:
    """Return how far from 1 a row's sum gets where all entries lie in [0, 1], None where some do not."""
    worst = 0.0
    for part in x.chunk(_BATCHES):
        output = model(part.clone())  # a model that works in place must not change the samples
        error = row_sum_error(output) if isinstance(output, torch.Tensor) else None
        if error is None:
            return None
        worst = max(worst, error)
    return worst
