from __future__ import annotations

import copy
import statistics
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vitals_nets import batch, delicate, objective_of

from trainwright.parts.schedules import Schedule
from trainwright.randomness import isolated, seed_step
from trainwright.training.clipping import Clip
from trainwright.training.rates import Rates
from trainwright.training.step import TrainStep
from trainwright.vitals.monitor import LEVELS, Measured, Monitor


def measured_step(model: nn.Module, number: int, *, lr: float = 0.1) -> tuple[Measured, float, nn.Module, nn.Module]:
    """Make one watched step; return what was measured, its loss, and the model before and after it."""
    x, y = batch()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=lr)
    rates = Rates(optimizer, Schedule(body=lambda fraction: 1.0), planned_steps=100)
    step = TrainStep(model, F.cross_entropy, optimizer, rates=rates, clip=Clip(), seed=3)
    monitor = Monitor(model, step.objective)
    old = copy.deepcopy(model)
    with isolated():
        start = monitor.before(number)
        loss = float(step([(x, y)], number).loss)
        new = copy.deepcopy(model)
        return monitor.after(start, number, [(x, y)], loss), loss, old, new


@pytest.mark.parametrize("number", [0, 3, 20])
def test_a_probe_is_the_batch_s_own_loss_along_the_update(number: int) -> None:
    measured, loss, old, new = measured_step(delicate(), number)
    x, y = batch()
    by_hand = {}
    for multiple in (0.0, 0.1, 1.0, 10.0):
        # Statistics are those after the step: what the probes find in the model when they begin.
        there = copy.deepcopy(new)
        with torch.no_grad(), isolated():
            for parameter, before, after in zip(there.parameters(), old.parameters(), new.parameters(), strict=True):
                parameter.copy_(before + multiple * (after - before))
            seed_step(3, number)
            by_hand[multiple] = float(F.cross_entropy(there(x), y))
    assert measured.probe is not None
    assert measured.probe.before == loss
    assert measured.probe.same == by_hand[1.0]
    # before + (after - before) may differ from after by a rounding of float32.
    if by_hand[1.0] < loss:
        assert measured.probe.tenfold == pytest.approx(by_hand[10.0], rel=1e-6)
        assert measured.probe.tenth is None
    else:
        assert measured.probe.tenth == pytest.approx(by_hand[0.1], rel=1e-6)
        assert measured.probe.tenfold is None
    assert len(set(by_hand.values())) == 4


def test_a_probe_uses_the_dropout_masks_of_its_step() -> None:
    # With a rate so small that nothing moves, all four losses of a probe are one.
    model = nn.Sequential(nn.Linear(5, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 3))
    measured, loss, _, _ = measured_step(model, 2, lr=1e-30)
    assert measured.probe is not None
    assert (measured.probe.same, measured.probe.tenth) == (loss, loss)


@pytest.mark.parametrize("rate", [0.3, 1.1])
def test_on_a_parabola_the_probe_shows_the_curvature(rate: float) -> None:
    # L = w^2 from w = 1 at the rate eta: w - eta k 2 w for k = 0.1, 1, 10; above 1 the update raises the loss.
    class Parabola(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.w.expand(len(x), 1)

    model = Parabola()

    def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return output.square().mean()

    monitor = Monitor(model, objective_of(model, loss))
    x, y = torch.zeros(4, 1), torch.zeros(4, 1)
    start = monitor.before(0)
    with torch.no_grad():
        model.w.mul_(1 - 2 * rate)
    measured = monitor.after(start, 0, [(x, y)], 1.0)
    assert measured.probe is not None
    tenth, same, tenfold = [(1 - 2 * rate * multiple) ** 2 for multiple in (0.1, 1.0, 10.0)]
    assert measured.probe.same == pytest.approx(same, rel=1e-12)
    if rate < 1:
        assert (measured.probe.tenth, measured.probe.tenfold) == (None, pytest.approx(tenfold, rel=1e-12))
    else:
        assert (measured.probe.tenth, measured.probe.tenfold) == (pytest.approx(tenth, rel=1e-12), None)
    assert measured.update_ratio == pytest.approx(2 * rate, rel=1e-12)
    assert model.w.item() == pytest.approx(1 - 2 * rate, rel=1e-15)


def test_the_update_ratio_is_the_median_over_weight_matrices() -> None:
    model: Any = nn.Sequential(nn.Linear(5, 6), nn.Linear(6, 7), nn.Linear(7, 3), nn.LayerNorm(3))
    monitor = Monitor(model, objective_of(model))
    x, y = batch()
    start = monitor.before(0)
    with torch.no_grad():
        for layer, share in zip(model, (0.01, 0.02, 0.4), strict=False):
            layer.weight.mul_(1 + share)
            layer.bias.add_(1e6)  # biases and gains do not count
    ratio = monitor.after(start, 0, [(x, y)], 1.0).update_ratio
    # float32 weights that differ by a share are right to 1e-7 over that share.
    assert ratio == pytest.approx(statistics.median([0.01, 0.02, 0.4]), rel=1e-4)


def test_matrices_that_were_all_zero_have_no_ratio() -> None:
    model = nn.Linear(5, 3)
    nn.init.zeros_(model.weight)
    monitor = Monitor(model, objective_of(model))
    x, y = batch()
    start = monitor.before(0)
    with torch.no_grad():
        model.weight.add_(1)
    measured = monitor.after(start, 0, [(x, y)], 1.0)
    assert measured.update_ratio is None
    assert measured.probe is not None


def test_a_step_that_is_not_sampled_costs_nothing_and_says_nothing() -> None:
    class Untouchable(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            raise AssertionError("nobody may run the model")

    x, y = batch()
    monitor = Monitor(Untouchable(5, 3), objective_of(nn.Identity()), level="off", reference=x)
    assert monitor.before(0) is None
    assert monitor.after(None, 0, [(x, y)], 1.0) == Measured()
    light = Monitor(Untouchable(5, 3), objective_of(nn.Identity()))
    assert light.before(7) is None
    assert light.layers(0) == ()  # without a reference there is nothing to measure on


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_samples_what_it_promises(level: str) -> None:
    x, _ = batch()
    monitor = Monitor(delicate(), objective_of(nn.Identity()), level=level, reference=x)
    steps = [step for step in range(10_000) if monitor.samples_step(step)]
    layers = [step for step in range(10_000) if monitor.samples_layers(step)]
    if level == "off":
        assert (steps, layers) == ([], [])
        return
    assert steps[:6] == [0, 1, 2, 3, 10, 20]
    assert layers[0] == 0
    lower = Monitor(delicate(), objective_of(nn.Identity()), level="light", reference=x)
    assert {step for step in range(10_000) if lower.samples_step(step)} <= set(steps)
    assert {step for step in range(10_000) if lower.samples_layers(step)} <= set(layers)
    if level == "full":
        assert set(range(0, 10_000, 10)) <= set(steps)
    else:
        # Each sampled step costs two forward passes: together they may not be felt.
        assert len(steps) < 150
        assert len(layers) < 30


def test_without_reference_samples_no_layers_are_due() -> None:
    monitor = Monitor(delicate(), objective_of(nn.Identity()), level="full")
    assert not any(monitor.samples_layers(step) for step in range(1000))
