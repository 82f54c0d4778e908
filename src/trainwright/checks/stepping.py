"""Real steps of an optimizer, and whose weights are the same afterwards, bit for bit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainwright.checks.planned import base_rate, peak_of
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import loss_of, nudge, scalar

STEPS = 3
"""Steps that are made: momentum and warm-up may hold the first one back."""
_LARGER = 1e6  # times the rate: of steps this much longer, what could not be stored of the shorter ones can be


def unmoved(
    subject: Subject,
    x: Any,
    y: Any,
    expected: Mapping[str, nn.Parameter],
    found: Mapping[str, torch.Tensor | None],
) -> tuple[list[str], list[str]]:
    """Return who is bit for bit the same after real steps and a pass; second, whose steps are lost in rounding."""
    before = {name: parameter.detach().clone() for name, parameter in expected.items()}
    _warm(subject)
    same = list(expected)
    for _ in range(STEPS):
        if subject.optimizer is None:
            nudge(expected.values(), [found[name] for name in expected])
        else:
            _step(subject, x, y)
        loss_of(subject, x, y)  # a forward pass that sets weights undoes the step here
        same = [name for name, parameter in expected.items() if torch.equal(parameter, before[name])]
        if not same:
            break
    if not same or subject.optimizer is None:
        return same, []
    # A rate that is tiny on purpose: its steps cannot be stored, those of a far higher one can.
    for group in subject.optimizer.param_groups:
        if isinstance(group.get("lr"), float | int | torch.Tensor):
            group["lr"] = group["lr"] * _LARGER
    _step(subject, x, y)
    loss_of(subject, x, y)
    still = [name for name in same if torch.equal(expected[name], before[name])]
    return still, [name for name in same if name not in still]


def _warm(subject: Subject) -> None:
    """Give groups whose rate a warm-up has set low, or will, the rate that it rises to."""
    for group in [] if subject.optimizer is None else subject.optimizer.param_groups:
        rate = group.get("lr")
        if isinstance(rate, float | int | torch.Tensor):
            highest = max(float(rate), base_rate(group) * peak_of(subject))
            group["lr"] = torch.as_tensor(highest).to(rate) if isinstance(rate, torch.Tensor) else highest


def rates_of(optimizer: torch.optim.Optimizer | None) -> dict[int, float]:
    """Return the learning rate of each parameter, by its id; groups without one are left out."""
    rates = {}
    for group in [] if optimizer is None else optimizer.param_groups:
        if isinstance(group.get("lr"), float | int | torch.Tensor):
            rates |= {id(parameter): float(group["lr"]) for parameter in group["params"]}
    return rates


def _step(subject: Subject, x: Any, y: Any) -> None:
    optimizer = subject.optimizer
    assert optimizer is not None

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            value = scalar(loss_of(subject, x, y))
            value.backward()
        return value

    into_training = getattr(optimizer, "train", None)
    if callable(into_training):  # schedule-free optimizers step in their training mode only
        into_training()
    wanted = inspect.signature(optimizer.step).parameters.get("closure")
    if wanted is None or wanted.default is not inspect.Parameter.empty:
        closure()
        try:
            optimizer.step()
            return
        except (ValueError, TypeError, AssertionError, RuntimeError):
            if wanted is None:
                raise
    optimizer.step(lambda: float(closure().detach()))  # L-BFGS and its like ask for the loss as often as they want
