"""Which of the library's losses a loss calls, and what enters each: read while the loss is computed, not from its name.

A function of the user's own, `lambda z, y: F.cross_entropy(z.softmax(1), y)`, is seen through in this way.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from trainwright.records import Location
from trainwright.records.loss_call import LossCall, LossInput
from trainwright.vitals.frames import user_frame
from trainwright.vitals.output_graph import (
    Makers,
    before,
    behind_views,
    bounds,
    has_logarithm,
    layer_between,
    name_of,
    normalised,
)
from trainwright.vitals.output_target import Padding, target_facts
from trainwright.vitals.output_tokens import copied
from trainwright.vitals.output_trials import compares_all_pairs, ignores_output, weight_of
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

    def __init__(self, note: Callable[[str, torch.Tensor, Any, Mapping[str, Any]], bool]) -> None:
        super().__init__()
        self._note = note
        self.given: list[Any] = []
        """What each call that was noted returned, None for one that failed or is no loss by itself."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        function = LOSSES.get(func) if callable(func) else None
        if function is not None:
            given = args[0] if args else kwargs.get("input")
            target = None if function in _WITHOUT_TARGET else args[1] if len(args) > 1 else kwargs.get("target")
            if isinstance(given, torch.Tensor) and self._note(function, given, target, kwargs):
                self.given.append(None)
                result = func(*args, **kwargs)
                if function not in _WITHOUT_TARGET and isinstance(result, torch.Tensor):
                    self.given[-1] = result
                    return result.clone()  # what the user's loss does in place must not change what is kept here
                return result
        return func(*args, **kwargs)


def loss_calls(
    loss: Loss,
    output: Any,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    rest: torch.Tensor,
    makers: Makers,
    depth: int,
    padding: Padding = (),
) -> tuple[tuple[LossCall, ...], Any, str]:
    """Compute `loss(output, y)`; return what it called, its value, and why it failed (then the value is None).

    The last entry, without a function, is what the loss as a whole was given, where that is a single output.

    `x` are the model's inputs, `rest` the targets of further samples behind those of `y`, `padding` the padding ids of
    the model.
    """
    calls: list[LossCall] = []
    final = behind_views(output.grad_fn) if isinstance(output, torch.Tensor) else None

    def note(function: str, given: torch.Tensor, target: Any, options: Mapping[str, Any]) -> bool:
        if len(calls) >= _MOST_CALLS:
            return False
        same = given is output or (
            isinstance(output, torch.Tensor)
            and final is not None
            and behind_views(given.grad_fn) is final
            and given.numel() == output.numel()
        )
        facts = call_facts(function, given, target, options, x, y, rest, makers, depth, padding, direct=same)
        if isinstance(output, torch.Tensor) and output.grad_fn is not None and not same:
            judged = layer_between(given.grad_fn, output.grad_fn)
            facts = replace(facts, input=replace(facts.input, judged=judged))
        calls.append(facts)
        return True

    value, failure, listener = None, "", _Listener(note)
    try:
        with torch.enable_grad(), warnings.catch_warnings(), listener:
            warnings.simplefilter("ignore")
            value = loss(output, y.clone())  # a loss that works in place must not change the targets
    except Exception as problem:  # whatever the user's loss raises
        lines = str(problem).strip().splitlines()
        failure = type(problem).__name__ + (f": {lines[0]}" if lines else "")
    calls = [
        call if part is None or failure else replace(call, weight=weight_of(part, value))
        for call, part in zip(calls, listener.given, strict=True)
    ]
    if isinstance(output, torch.Tensor):
        whole = call_facts("", output, y, {}, x, y, rest, makers, depth, padding, direct=True)
        if not failure:
            whole = replace(
                whole,
                pairs=compares_all_pairs(loss, output, y),
                constant=ignores_output(loss, output, y, value),
            )
        calls.append(whole)
    return tuple(calls), value, failure


def call_facts(
    function: str,
    given: torch.Tensor,
    target: Any,
    options: Mapping[str, Any],
    x: torch.Tensor,
    y: torch.Tensor,
    rest: torch.Tensor,
    makers: Makers,
    depth: int,
    padding: Padding,
    *,
    direct: bool,
) -> LossCall:
    """Measure one call of `function`: what is `given`, its target and options.

    `x` and `y` are the inputs and targets of the batch, `rest` the targets of further samples; `direct` says that what
    is given is the model's output.
    """
    entering = _input(given, makers, direct=direct)
    if not isinstance(target, torch.Tensor) or target.is_complex():
        target = None
    ids = function in _WITH_CLASS_IDS
    ignored = None
    if target is not None and ids and not target.is_floating_point():
        ignored = int(options.get("ignore_index", -100))
    return LossCall(
        function=function,
        where=_caller(depth) if function else Location(),
        reduction=str(options.get("reduction", "mean")),
        input=entering,
        target=None
        if target is None
        else replace(
            target_facts(
                target.detach(),
                given.detach(),
                y,
                rest,
                ignored=ignored,
                reach=(entering.low, entering.high),
                padding=padding
                if ids and options.get("weight") is None and options.get("reduction") != "none"
                else None,
                tokens=x if x.dim() == 2 and not x.is_floating_point() else None,
            ),
            copied=copied(x, target, ignored) if function and ids else None,
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
        units_last=given.grad_fn is not None and makers.linear(given.grad_fn),
        **input_values(given.detach()),
    )


def _caller(depth: int) -> Location:
    """Return the user's line, if one of theirs called the library's loss."""
    frames = traceback.StackSummary.extract(traceback.walk_stack(sys._getframe()), lookup_lines=False)
    ordered = [(frame.filename, frame.lineno) for frame in reversed(frames)]
    file, line = user_frame(ordered[depth:])
    return Location(file=file, line=line)
