"""Every shape against a second implementation: the guides' formulas in epochs and rates, and torch's own schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD, Optimizer, lr_scheduler

from trainwright.parts.schedules import CATALOGUE, Schedule, fraction_of, rates

TOP = 0.3
EPOCHS = 100


def build(name: str, **options: Any) -> Schedule:
    return CATALOGUE[name].factory(**options)


def read(schedule: Schedule, steps: int = 1000) -> np.ndarray:
    """Return the rates at t = 0, 1, ... steps, both ends included."""
    return np.array([TOP * schedule(step / steps) for step in range(steps + 1)])


# --- The guides' formulas, in rates and in their own time t of T


def g2_step(t: np.ndarray, total: float, gamma: float, every: float) -> np.ndarray:
    # eta(t) = eta0 * gamma^floor(t / S)
    return TOP * gamma ** np.floor(t / every)


def g2_cosine(t: np.ndarray, total: float, least: float) -> np.ndarray:
    # eta(t) = eta_min + 1/2 (eta_max - eta_min) (1 + cos(pi t / T))
    return least + 0.5 * (TOP - least) * (1 + np.cos(np.pi * t / total))


T = np.arange(1001, dtype=np.float64)


@pytest.mark.parametrize("factor", [0.1, 0.5])
@pytest.mark.parametrize("every", [300, 137])
def test_step_decay_is_the_guides_formula(factor: float, every: int) -> None:
    wanted = g2_step(T, 1000.0, factor, every)
    assert read(build("step", every=every / 1000, factor=factor)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.1, 1.0])
def test_cosine_is_the_guides_formula(floor: float) -> None:
    wanted = g2_cosine(T, 1000.0, floor * TOP)
    assert read(build("cosine", floor=floor)) == pytest.approx(wanted, rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("warmup", [50, 100, 500])
def test_warmup_cosine_climbs_to_the_full_rate_and_then_is_the_guides_cosine(warmup: int) -> None:
    # G2: "linear warmup for 5-10% of training, then cosine decay to zero"
    rest = g2_cosine(np.maximum(T - warmup, 0), 1000.0 - warmup, 0.0)
    wanted = np.where(warmup > T, TOP * T / warmup, rest)
    assert read(build("warmup_cosine", warmup=warmup / 1000)) == pytest.approx(wanted, rel=1e-11, abs=1e-16)


@pytest.mark.parametrize("warmup", [0, 100])
def test_warmup_and_linear_decay_are_two_straight_lines(warmup: int) -> None:
    # G1: "linearly increase ... over steps, then decay"
    wanted = np.interp(T, [0, warmup, 1000], [0, TOP, 0]) if warmup else np.interp(T, [0, 1000], [TOP, 0])
    assert read(build("linear", warmup=warmup / 1000)) == pytest.approx(wanted, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    ("shape", "curve"),
    [
        ("sqrt", lambda x: 1 - np.sqrt(x)),
        ("linear", lambda x: 1 - x),
        ("cosine", lambda x: 0.5 * (1 + np.cos(np.pi * x))),
    ],
)
@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_wsd_warms_up_stays_and_decays(shape: str, curve: Callable[[np.ndarray], np.ndarray], floor: float) -> None:
    # Hägele et al. 2024, equation 1: N steps, of which the last N_decay come down as f(n, N, N_decay).
    steps, warmup, decay = 1000, 50, 200
    left = curve(np.clip((T - (steps - decay)) / decay, 0, 1))
    wanted = TOP * np.where(warmup > T, T / warmup, floor + (1 - floor) * left)
    used = read(build("wsd", warmup=0.05, decay=0.2, shape=shape, floor=floor))
    assert used == pytest.approx(wanted, rel=1e-7, abs=1e-9)  # a root near zero magnifies rounding
    assert set(used[50:801]) == {TOP}


# --- Known values


@pytest.mark.parametrize("steps_per_epoch", [1, 7, 390])
@pytest.mark.parametrize("name", ["step", "multistep"])
@pytest.mark.parametrize("warmup", [0.0, 0.05])
def test_the_rate_drops_at_epochs_30_60_and_90_of_100(name: str, steps_per_epoch: int, warmup: float) -> None:
    # G2, chapter 6: "reduce by 10x at epochs 30, 60, and 90 for a 100-epoch run".
    schedule = build(name, warmup=warmup)
    for epoch in range(round(100 * warmup), 100):
        drops = sum(epoch >= drop for drop in (30, 60, 90))
        for place in {0, steps_per_epoch - 1}:
            fraction = fraction_of(epoch * steps_per_epoch + place, 100 * steps_per_epoch)
            assert schedule(fraction) == pytest.approx(0.1**drops), epoch


@pytest.mark.parametrize("count", [3, 7, 10, 49])
@pytest.mark.parametrize("warmup", [0.0, 0.01])
def test_drops_come_on_their_boundaries_and_not_one_step_behind(count: int, warmup: float) -> None:
    places = [place / count for place in range(1, count)]
    for schedule in (
        build("step", every=1 / count, factor=0.5, warmup=warmup),
        build("multistep", at=places, factor=0.5, warmup=warmup),
    ):
        assert [schedule(place) for place in places] == [0.5 ** (number + 1) for number in range(count - 1)]


@pytest.mark.parametrize(
    ("name", "options", "corners"),
    [
        ("constant", {}, {0: 1, 0.5: 1, 1: 1}),
        ("exponential", {"final": 0.01}, {0: 1, 0.5: 0.1, 1: 0.01}),
        ("linear", {"floor": 0.2}, {0: 1, 0.5: 0.6, 1: 0.2}),
        ("polynomial", {"power": 2.0}, {0: 1, 0.5: 0.25, 1: 0}),
        ("polynomial", {"power": 0.5, "floor": 0.5}, {0: 1, 0.75: 0.75, 1: 0.5}),
        ("cosine", {"floor": 0.1}, {0: 1, 1 / 3: 0.775, 0.5: 0.55, 1: 0.1}),
        ("warmup_cosine", {}, {0: 0, 0.025: 0.5, 0.05: 1, 0.525: 0.5, 1: 0}),
        ("one_cycle", {}, {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.500002, 1: 4e-6}),
        ("cosine_restarts", {"cycles": 2}, {0: 1, 0.25: 0.5, 0.5 - 1e-7: 0, 0.5: 1, 0.75: 0.5, 1: 0}),
        ("cosine_restarts", {"cycles": 2, "growth": 3.0}, {0: 1, 0.125: 0.5, 0.25: 1, 0.625: 0.5, 1: 0}),
        ("cyclic", {"cycles": 2}, {0: 0.25, 0.125: 0.625, 0.25: 1, 0.5: 0.25, 0.75: 1, 1: 0.25}),
        ("cyclic", {"cycles": 2, "swing_factor": 0.5, "floor": 0.0}, {0.25: 1, 0.5: 0, 0.75: 0.5, 1: 0}),
        ("wsd", {"shape": "sqrt", "decay": 0.4}, {0: 0, 0.05: 1, 0.6: 1, 0.7: 0.5, 1: 0}),
        ("plateau", {}, {0: 1, 0.5: 1, 1: 1}),
    ],
)
def test_a_schedule_passes_its_corners(name: str, options: dict[str, Any], corners: dict[float, float]) -> None:
    schedule = build(name, **options)
    for place, wanted in corners.items():
        assert schedule(place) == pytest.approx(wanted, rel=1e-9, abs=1e-11), place


def test_one_cycle_ends_far_below_its_start_and_momentum_moves_against_the_rate() -> None:
    # G3: "increases LR to a peak, then decreases to well below the starting value".
    schedule = build("one_cycle")
    used = rates(schedule, 1000, TOP)
    momenta = [schedule.momentum(fraction_of(step, 1000)) for step in range(1000)]
    assert used[-1] < used[0] / 1000 < used[0] < max(used) / 20
    assert [schedule.momentum(place) for place in (0.0, 0.3, 1.0)] == pytest.approx([0.95, 0.85, 0.95])
    for step in range(1, 1000):
        before, after = momenta[step - 1], momenta[step]
        assert before is not None
        assert after is not None
        assert (after < before) == (used[step] > used[step - 1])


# --- torch's schedulers, stepped as their documentation asks, after each of the steps


def stepped(scheduler: Callable[[Optimizer], Any], steps: int, key: str = "lr") -> list[float]:
    """Return what torch's scheduler has set before step 0, 1, ... steps."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=TOP, momentum=0.9)
    schedule = scheduler(optimizer)
    values = [optimizer.param_groups[0][key]]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        values.append(optimizer.param_groups[0][key])
    return [float(value) for value in values]


TORCH: list[tuple[str, dict[str, Any], Callable[[Optimizer], Any]]] = [
    ("constant", {}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    ("constant", {"warmup": 0.1}, lambda o: lr_scheduler.LinearLR(o, start_factor=1e-15, total_iters=EPOCHS // 10)),
    ("step", {"every": 0.3}, lambda o: lr_scheduler.StepLR(o, step_size=30, gamma=0.1)),
    ("step", {"every": 0.07, "factor": 0.7}, lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.7)),
    ("multistep", {}, lambda o: lr_scheduler.MultiStepLR(o, milestones=[30, 60, 90], gamma=0.1)),
    ("multistep", {"at": (0.5, 0.75, 0.99)}, lambda o: lr_scheduler.MultiStepLR(o, milestones=[50, 75, 99], gamma=0.1)),
    ("exponential", {"final": 0.001}, lambda o: lr_scheduler.ExponentialLR(o, gamma=0.001 ** (1 / EPOCHS))),
    ("linear", {"floor": 0.1}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=EPOCHS)),
    ("polynomial", {"power": 2.0}, lambda o: lr_scheduler.PolynomialLR(o, total_iters=EPOCHS, power=2.0)),
    ("polynomial", {"power": 0.9}, lambda o: lr_scheduler.PolynomialLR(o, total_iters=EPOCHS, power=0.9)),
    ("cosine", {"floor": 0.1}, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS, eta_min=0.1 * TOP)),
    ("cosine_restarts", {"cycles": 4}, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=25)),
    (
        "cosine_restarts",
        {"cycles": 2, "growth": 4.0, "floor": 0.1},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=20, T_mult=4, eta_min=0.1 * TOP),
    ),
    ("cyclic", {"cycles": 5}, lambda o: lr_scheduler.CyclicLR(o, TOP / 4, TOP, step_size_up=10, cycle_momentum=False)),
    (
        "cyclic",
        {"cycles": 5, "swing_factor": 0.5},
        lambda o: lr_scheduler.CyclicLR(o, TOP / 4, TOP, 10, mode="triangular2", cycle_momentum=False),
    ),
]


@pytest.mark.parametrize(("name", "options", "twin"), TORCH)
def test_torch_sets_the_same_rate_at_every_step(
    name: str, options: dict[str, Any], twin: Callable[[Optimizer], Any]
) -> None:
    # The end itself is left out: there torch's restarts and drops already belong to a cycle that the run has not.
    wanted = stepped(twin, EPOCHS)[:-1]
    assert read(build(name, **options), EPOCHS)[:-1] == pytest.approx(wanted, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("rise", [0.25, 0.3, 0.5])
def test_torchs_one_cycle_sets_the_same_rate_and_momentum_at_every_step(rise: float) -> None:
    # torch's peak is at step rise * total - 1, its last step at total - 1.
    total, last = 400, 399
    schedule = build("one_cycle", rise=(rise * total - 1) / last)
    make = lambda o: lr_scheduler.OneCycleLR(o, TOP, total_steps=total, pct_start=rise)  # noqa: E731
    assert read(schedule, last) == pytest.approx(stepped(make, last), rel=1e-9)
    wanted = stepped(make, last, key="momentum")
    assert [schedule.momentum(step / last) for step in range(total)] == pytest.approx(wanted, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(cycles=st.integers(1, 5), growth=st.integers(1, 3), unit=st.integers(2, 10))
def test_restarts_fall_where_whole_cycles_end(cycles: int, growth: int, unit: int) -> None:
    lengths = [unit * growth**cycle for cycle in range(cycles)]
    total = sum(lengths)
    schedule = build("cosine_restarts", cycles=cycles, growth=growth)
    starts = [sum(lengths[:cycle]) for cycle in range(cycles)]
    assert [step for step in range(total) if schedule(step / total) > 1 - 1e-9] == starts
    assert math.isclose(schedule(1.0), 0.0, abs_tol=1e-12)
