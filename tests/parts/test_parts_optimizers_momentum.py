"""Momentum: its two forms, and that schedules can read and move it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from parts_optimizers import Net, build, options_of
from torch import nn

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.parts.optimizers import CATALOGUE, momentum_of, set_momentum

# --- momentum in its two forms ---


def ride(name: str, rates: list[float]) -> list[float]:
    """Return the steps under a gradient of 1, one for each rate."""
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = CATALOGUE[name].factory([{"params": [weight]}], **options_of(name, momentum=0.5))
    steps = []
    for rate in rates:
        before = weight.item()
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        steps.append(weight.item() - before)
    return steps


def test_at_a_constant_rate_both_forms_of_momentum_are_one() -> None:
    assert ride("momentum", [0.5] * 6) == ride("classical_momentum", [0.5] * 6)


def test_a_falling_rate_slows_torchs_momentum_at_once_and_the_guides_only_by_and_by() -> None:
    # torch: v = 1, 1.5, 1.75 times the rate. The guides: v = -1, then half of it, then half of that.
    assert ride("momentum", [1.0, 0.0, 1.0]) == [-1.0, 0.0, -1.75]
    assert ride("classical_momentum", [1.0, 0.0, 1.0]) == [-1.0, -0.5, -1.25]


# --- momentum that schedules move ---

WITHOUT = {"sgd", "adagrad", "rmsprop", "adafactor", "lbfgs", "schedule_free", "schedule_free_sgd"}


@pytest.mark.parametrize("name", CATALOGUE)
def test_momentum_can_be_read_and_moved_wherever_there_is_one(name: str) -> None:
    optimizer = build(name, Net())
    before = copy.deepcopy(optimizer.state_dict()["param_groups"])
    if name in WITHOUT:
        assert momentum_of(optimizer) is None
        set_momentum(optimizer, 0.7)
        assert optimizer.state_dict()["param_groups"] == before
        return
    assert momentum_of(optimizer) == (defaults.MUON_MOMENTUM if name == "muon" else defaults.MOMENTUM).value
    set_momentum(optimizer, 0.7)
    assert momentum_of(optimizer) == 0.7
    for group, old in zip(optimizer.param_groups, before, strict=True):
        assert group["betas"] == (0.7, old["betas"][1]) if "betas" in group else group["momentum"] == 0.7


def mover(name: str) -> Callable[[float], float]:
    """Return the third step, under a gradient that has turned, as a function of the momentum set before it."""
    turned = {"lion": -0.01, "nadam": -0.05}.get(
        name, -0.5
    )  # Lion's mean has hardly begun to rise, NAdam's counts half

    def moved(value: float) -> float:
        weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.float64))
        optimizer = CATALOGUE[name].factory([{"params": [weight]}], **options_of(name, lr=0.01, weight_decay=0.0))
        for gradient in (1.0, 1.0, turned):
            set_momentum(optimizer, value)
            weight.grad = torch.full_like(weight, gradient)
            before = weight.detach().clone()
            optimizer.step()
        return float((weight.detach() - before).sum())

    return moved


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - WITHOUT))
def test_a_moved_momentum_changes_the_steps(name: str) -> None:
    step = mover(name)
    assert step(0.95) < 0 < step(0.2)  # much momentum still goes down the old gradient, little turns with the new one


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_momentum_that_was_switched_off_stays_off(name: str) -> None:
    optimizer = build(name, Net(), **({"momentum": 0.0} if name == "momentum" else {"beta1": 0.0}))
    assert momentum_of(optimizer) is None
    set_momentum(optimizer, 0.9)
    assert momentum_of(optimizer) is None


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, float("nan")])
def test_a_momentum_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="momentum must be above 0 and below 1"):
        set_momentum(build("momentum", Net()), value)
