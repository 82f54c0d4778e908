"""From a training as given to one whose gradient can be compared: copied, displaced, in float64, seen to compute."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.checks.gradcheck_copy import displace, doubled
from trainwright.checks.gradcheck_functions import deliberate, plain_backward
from trainwright.checks.gradcheck_losses import Losses
from trainwright.checks.gradcheck_plan import suppressed
from trainwright.checks.gradcheck_rounding import rounding_of
from trainwright.errors import ModelError, TrainwrightError
from trainwright.randomness import isolated

_DTYPE_WORDS = ("dtype", "scalar type", "data type", "float64", "double", "not implemented for")


@contextmanager
def surroundings(seed: int) -> Iterator[None]:
    """Give the block its own randomness, float64 for new tensors, and attention by the plain path that vectorises."""
    default, fast = torch.get_default_dtype(), torch.backends.mha.get_fastpath_enabled()
    with isolated(), torch.enable_grad(), torch.autocast("cpu", enabled=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of passes by the thousand, and each may warn
        torch.set_default_dtype(torch.float64)
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.set_default_dtype(default)
            torch.backends.mha.set_fastpath_enabled(fast)


@dataclass(frozen=True)
class Given:
    """What is to be checked: with `move` at a random point, with `lenient` leaving out what differs on purpose."""

    model: nn.Module
    loss: Any
    x: Any
    y: Any
    seed: int
    move: bool
    lenient: bool


@dataclass(kw_only=True)
class Ready:
    """A copy that was seen to compute: its losses, its gradients, and what is known of both."""

    losses: Losses
    gradients: dict[str, torch.Tensor]
    rounding: float = 0.0
    low: bool = False
    notes: list[str] = field(default_factory=list)
    masks: dict[str, torch.Tensor] = field(default_factory=dict)  # entries to leave out
    reasons: dict[str, str] = field(default_factory=dict)


def readied(given: Given, names: list[str]) -> Ready:
    """Return the losses and gradients in float64, whatever the forward casts to, or as they are where that is refused.

    Tried in turn: the copy as it is; with its casts to float32 made casts to float64; and, where an operation refuses
    float64, in the model's own types.
    """
    problems: list[Exception] = []
    for widen, casts in ((True, False), (True, True), (False, False)):
        torch.set_default_dtype(torch.float64 if widen else torch.float32)
        try:
            ready = _measured(given, names, widen=widen, casts=casts)
        except TrainwrightError:
            raise
        except Exception as problem:
            problems.append(problem)
            if not any(word in str(problem).lower() for word in _DTYPE_WORDS):
                break
            continue
        if ready.low and casts is False and widen:
            problems.append(RuntimeError("the forward casts to a lower precision"))
            continue
        if not widen:
            ready.notes.append(
                f"an operation refuses float64 ({_line(problems[-1])}), so the model stays in its own type"
            )
        elif casts:
            ready.notes.append("the forward casts to a lower precision; these casts were made to float64")
        return ready
    raise ModelError(
        "the loss cannot be computed",
        evidence=f"{type(problems[0]).__name__}: {_line(problems[0])}",
        remedy="try loss(model(x), y)",
    ) from problems[0]


def _line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def _measured(given: Given, names: list[str], *, widen: bool, casts: bool) -> Ready:
    model = given.model
    double = doubled(model, given.loss, given.x, given.y, widen=widen)
    if given.move:
        displace(double.model, given.seed)
    hooks = {
        name: list((parameter._backward_hooks or {}).values())
        for name, parameter in model.named_parameters()
        if parameter._backward_hooks
    }
    losses = Losses(double, seed=given.seed, hold=given.lenient, casts=casts, hooks={} if given.lenient else hooks)
    ready = Ready(losses=losses, gradients={})
    if hooks:
        left_out = ", and are left out" if given.lenient else ""
        ready.notes.append(f"hooks change the gradient of {', '.join(hooks)}{left_out}")
    known = {id(parameter): name for name, parameter in losses.parameters.items()}

    def watch(value: torch.Tensor) -> None:
        ready.masks, ready.reasons = suppressed(double.model, value, known)

    losses.watch = watch
    purposes = _on_purpose(losses) if given.lenient else {}
    if purposes:
        said = ", ".join(sorted(function.__name__ for function in purposes))
        ready.notes.append(f"{said}: a function that exists for its backward is taken by its forward")
    with plain_backward(purposes):
        gradients = losses.gradients()
    ready.gradients = {name: gradients[name] for name in names}
    losses.parameters = {name: losses.parameters[name] for name in names}
    losses.repeat()
    # The first displaced passes, which also show whether passes can be vectorised.
    ready.rounding, ready.low = rounding_of(losses, ready.gradients, given.seed)
    return ready


def _on_purpose(losses: Losses) -> dict[type, str]:
    """Return the functions of the graph that exist for their backward alone."""
    functions = losses.own_functions()
    return deliberate(functions, losses.plain) if functions else {}
