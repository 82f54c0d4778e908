"""Which of the library's losses a loss calls, and what enters each: read while the loss is computed, not from its name.

A function of the user's own, `lambda z, y: F.cross_entropy(z.softmax(1), y)`, is seen through in this way.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from trainwright.records import Location
from trainwright.records.loss_call import LossCall, LossInput
from trainwright.vitals.frames import user_frame
from trainwright.vitals.output_graph import Makers, before, behind_views, bounds, has_logarithm, name_of, normalised
from trainwright.vitals.output_target import Padding, target_facts
from trainwright.vitals.output_values import input_values

Loss = Callable[[Any, Any], torch.Tensor]

LOSSES: Mapping[Any, str] = {
    F.cross_entropy: "cross_entropy",
    F.nll_loss: "nll_loss",
    F.kl_div: "kl_div",
    F.binary_cross_entropy: "binary_cross_entropy",
    F.binary_cross_entropy_with_logits: "binary_cross_entropy_with_logits",
    F.mse_loss: "mse_loss",
    F.l1_loss: "l1_loss",
    F.smooth_l1_loss: "smooth_l1_loss",
    F.huber_loss: "huber_loss",
    F.poisson_nll_loss: "poisson_nll_loss",
    F.log_softmax: "log_softmax",
    torch.log_softmax: "log_softmax",
    torch.Tensor.log_softmax: "log_softmax",
    F.logsigmoid: "logsigmoid",
}
"""Function of torch -> what it is called here. The last four are what losses written by hand begin with."""
_WITHOUT_TARGET = ("log_softmax", "logsigmoid")
_WITH_CLASS_IDS = ("cross_entropy", "nll_loss", "")
_MOST_CALLS = 8  # of one loss: a sum over the layers of a deeply supervised network repeats itself


class _Listener(TorchFunctionMode):
    """Notes each call of a loss of the library, before it is made: what fails is seen too."""

    def __init__(self, note: Callable[[str, torch.Tensor, Any, Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        function = LOSSES.get(func) if callable(func) else None
        if function is not None:
            given = args[0] if args else kwargs.get("input")
            target = None if function in _WITHOUT_TARGET else args[1] if len(args) > 1 else kwargs.get("target")
            if isinstance(given, torch.Tensor):
                self._note(function, given, target, kwargs)
        return func(*args, **kwargs)


def loss_calls(
    loss: Loss, output: Any, y: torch.Tensor, *, rest: torch.Tensor, makers: Makers, depth: int, padding: Padding = ()
) -> tuple[tuple[LossCall, ...], Any, str]:
    """Compute `loss(output, y)`; return what it called, its value, and why it failed (then the value is None).

    The last entry, without a function, is what the loss as a whole was given, where that is a single output.

    `rest` holds the targets of further samples behind those of `y`; `padding` the padding ids of the model.
    """
    calls: list[LossCall] = []
    final = behind_views(output.grad_fn) if isinstance(output, torch.Tensor) else None

    def note(function: str, given: torch.Tensor, target: Any, options: Mapping[str, Any]) -> None:
        if len(calls) < _MOST_CALLS:
            same = given is output or (
                isinstance(output, torch.Tensor)
                and final is not None
                and behind_views(given.grad_fn) is final
                and given.numel() == output.numel()
            )
            calls.append(_call(function, given, target, options, y, rest, makers, depth, padding, direct=same))

    value, failure = None, ""
    try:
        with torch.enable_grad(), warnings.catch_warnings(), _Listener(note):
            warnings.simplefilter("ignore")
            value = loss(output, y.clone())  # a loss that works in place must not change the targets
    except Exception as problem:  # whatever the user's loss raises
        lines = str(problem).strip().splitlines()
        failure = type(problem).__name__ + (f": {lines[0]}" if lines else "")
    if isinstance(output, torch.Tensor):
        calls.append(_call("", output, y, {}, y, rest, makers, depth, padding, direct=True))
    return tuple(calls), value, failure


def _call(
    function: str,
    given: torch.Tensor,
    target: Any,
    options: Mapping[str, Any],
    y: torch.Tensor,
    rest: torch.Tensor,
    makers: Makers,
    depth: int,
    padding: Padding,
    *,
    direct: bool,
) -> LossCall:
    entering = _input(given, makers, direct=direct)
    if not isinstance(target, torch.Tensor) or target.is_complex():
        target = None
    ids = function in _WITH_CLASS_IDS
    return LossCall(
        function=function,
        where=_caller(depth) if function else Location(),
        reduction=str(options.get("reduction", "mean")),
        input=entering,
        target=None
        if target is None
        else target_facts(
            target.detach(),
            given.detach(),
            y,
            rest,
            ignored=int(options.get("ignore_index", -100)) if ids and not target.is_floating_point() else None,
            reach=(entering.low, entering.high),
            padding=padding if ids and options.get("weight") is None and options.get("reduction") != "none" else (),
        ),
    )


def _input(given: torch.Tensor, makers: Makers, *, direct: bool) -> LossInput:
    node = behind_views(given.grad_fn)
    dimension, shape = normalised(node)
    low, high = bounds(node)
    return LossInput(
        shape=tuple(given.shape),
        operation=name_of(node),
        previous=name_of(before(node)),
        where=makers.where(node),
        low=low,
        high=high,
        dimension=dimension,
        operation_shape=shape,
        logarithm=has_logarithm(given.grad_fn),
        direct=direct,
        **input_values(given.detach()),
    )


def _caller(depth: int) -> Location:
    """Return the user's line, if one of theirs called the library's loss."""
    frames = traceback.StackSummary.extract(traceback.walk_stack(sys._getframe()), lookup_lines=False)
    ordered = [(frame.filename, frame.lineno) for frame in reversed(frames)]
    file, line = user_frame(ordered[depth:])
    return Location(file=file, line=line)
