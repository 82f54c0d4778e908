from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright import defaults
from trainwright.parts.catalogue import option_problem
from trainwright.parts.groups import parameter_groups
from trainwright.parts.optimizers import CATALOGUE

Array = np.ndarray
Gradient = Callable[[Array], Array]


def sgd(w: Array, gradient: Gradient, *, lr: float, weight_decay: float) -> Iterator[Array]:
    while True:
        w = w - lr * (gradient(w) + weight_decay * w)
        yield w


def momentum(w: Array, gradient: Gradient, *, lr: float, weight_decay: float, momentum: float) -> Iterator[Array]:
    v = np.zeros_like(w)
    while True:
        v = momentum * v + gradient(w) + weight_decay * w
        w = w - lr * v
        yield w


def adam_step(
    gradient: Gradient, w: Array, *, decay: float, lr: float, beta1: float, beta2: float, epsilon: float
) -> Generator[Array, Array, None]:
    """Yield Adam's updates, with `decay` inside the gradient; the weights to take the gradient at are sent in."""
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    while True:
        g = gradient(w) + decay * w
        t += 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        w = yield lr * m_hat / (np.sqrt(v_hat) + epsilon)


def adam(w: Array, gradient: Gradient, *, weight_decay: float, **numbers: float) -> Iterator[Array]:
    updates = adam_step(gradient, w, decay=weight_decay, **numbers)
    update = next(updates)
    while True:
        w = w - update
        yield w
        update = updates.send(w)


def adamw(w: Array, gradient: Gradient, *, weight_decay: float, **numbers: float) -> Iterator[Array]:
    updates = adam_step(gradient, w, decay=0.0, **numbers)
    update = next(updates)
    while True:
        w = w - numbers["lr"] * weight_decay * w - update
        yield w
        update = updates.send(w)


TWINS: dict[str, Callable[..., Iterator[Array]]] = {"sgd": sgd, "momentum": momentum, "adam": adam, "adamw": adamw}
START = np.array([1.5, -2.0, 0.3, 4.0])
CURVATURE = np.array([3.0, 1.0, 0.5, 0.1])


def defaults_of(name: str) -> dict[str, float]:
    return {option: record.default for option, record in CATALOGUE[name].options.items()}


def build(name: str, weight: torch.Tensor, **changes: float) -> torch.optim.Optimizer:
    options = defaults_of(name) | changes
    return CATALOGUE[name].factory([{"params": [weight], "weight_decay": options["weight_decay"]}], **options)


def walk(name: str, steps: int, noise: Array, **changes: float) -> list[Array]:
    """Return the weights after each step on a noisy quadratic, as the catalogue's optimizer finds them in float64."""
    weight = nn.Parameter(torch.tensor(START))
    optimizer = build(name, weight, **changes)
    path = []
    for step in range(steps):
        weight.grad = torch.tensor(CURVATURE * weight.detach().numpy() + noise[step])
        optimizer.step()
        path.append(weight.detach().numpy().copy())
    return path


def twin_walk(name: str, steps: int, noise: Array, **changes: float) -> list[Array]:
    errors = iter(noise)
    twin = TWINS[name](START, lambda w: CURVATURE * w + next(errors), **(defaults_of(name) | changes))
    return [next(twin) for _ in range(steps)]


def test_every_optimizer_has_a_twin() -> None:
    assert set(TWINS) == set(CATALOGUE)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_follows_its_formula(name: str, weight_decay: float) -> None:
    steps = 30
    noise = np.random.default_rng(0).normal(size=(steps, 4))
    path = walk(name, steps, noise, lr=0.05, weight_decay=weight_decay)
    twin = twin_walk(name, steps, noise, lr=0.05, weight_decay=weight_decay)
    # Both count in float64, in another order of operations: thirty steps of rounding at 1e-16 each.
    np.testing.assert_allclose(path, twin, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_reads_each_of_its_options(name: str) -> None:
    noise = np.random.default_rng(1).normal(size=(12, 4))
    plain = walk(name, 12, noise, weight_decay=0.01)
    for option, record in CATALOGUE[name].options.items():
        value = {"lr": 2 * record.default, "weight_decay": 0.05, "epsilon": 0.5}.get(option, record.default * 0.9)
        changed = {"weight_decay": 0.01} | {option: value}
        path = walk(name, 12, noise, **changed)
        assert not np.allclose(path[-1], plain[-1], rtol=1e-6), option
        np.testing.assert_allclose(path, twin_walk(name, 12, noise, **changed), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_first_step_is_rate_times_sign_of_the_gradient(name: str) -> None:
    weight = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimizer = build(name, weight, lr=0.25)
    weight.grad = torch.tensor([1e-3, -5.0, 1e4], dtype=torch.float64)
    optimizer.step()
    # Epsilon, 1e-8, beside a gradient of 1e-3 shortens the step by 1e-5 of its length.
    torch.testing.assert_close(weight.detach(), -0.25 * weight.grad.sign(), rtol=2e-5, atol=0.0)


def test_without_bias_correction_adam_would_begin_three_times_too_long() -> None:
    biased = (1 - defaults.ADAM_BETA1.value) / math.sqrt(1 - defaults.ADAM_BETA2.value)
    assert biased == pytest.approx(3.16, abs=0.01)
    path = walk("adam", 1, np.zeros((1, 4)), lr=0.1)
    np.testing.assert_allclose(np.abs(path[0] - START), 0.1, rtol=1e-6)


def test_decay_inside_the_gradient_and_decay_beside_it_part_ways() -> None:
    noise = np.random.default_rng(2).normal(size=(25, 4))
    inside = walk("adam", 25, noise, lr=0.01, weight_decay=0.1)
    beside = walk("adamw", 25, noise, lr=0.01, weight_decay=0.1)
    assert np.abs(inside[-1] - beside[-1]).max() > 1e-3
    without = walk("adam", 25, noise, lr=0.01, weight_decay=0.0)
    np.testing.assert_array_equal(without, walk("adamw", 25, noise, lr=0.01, weight_decay=0.0))


def test_decoupled_decay_shrinks_every_weight_by_the_same_share_whatever_its_gradient() -> None:
    weight = nn.Parameter(torch.tensor([2.0, -4.0], dtype=torch.float64))
    optimizer = build("adamw", weight, lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([2.0, -4.0], dtype=torch.float64) * (1 - 0.1 * 0.5))


def test_at_a_constant_rate_momentum_is_that_of_the_guides() -> None:
    # G2, chapter 5: v <- mu v - eta g; w <- w + v.
    w, v = START.copy(), np.zeros(4)
    guide = []
    for _ in range(25):
        v = 0.9 * v - 0.02 * CURVATURE * w
        w = w + v
        guide.append(w)
    np.testing.assert_allclose(walk("momentum", 25, np.zeros((25, 4)), lr=0.02), guide, rtol=1e-12)


def test_a_falling_rate_slows_momentum_at_once() -> None:
    # With the rate inside the velocity, as in the guides, the step after the drop would still be 0.9 v.
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = build("momentum", weight, lr=1.0)
    for rate, expected in [(1.0, -1.0), (0.0, -1.0)]:
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        assert weight.item() == expected


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_converges_on_a_quadratic(name: str) -> None:
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = build(name, weight, lr=0.05, weight_decay=0.0)
    for _ in range(600):
        optimizer.zero_grad()
        ((weight - 3) ** 2).sum().backward()
        optimizer.step()
    # Adam circles its target at about a hundredth of its rate; the others are there to the last digit.
    assert abs(weight.item() - 3) < 1e-3


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_default_is_legal_and_reaches_torch(name: str) -> None:
    spec = CATALOGUE[name]
    assert spec.name == name
    for option, record in spec.options.items():
        assert option_problem(option, record.default, record) is None
        assert record.meaning
        assert record.source
    optimizer = build(name, nn.Parameter(torch.zeros(1)))
    assert type(optimizer) is getattr(torch.optim, spec.torch_class)
    group = optimizer.param_groups[0]
    expected: dict[str, Any] = defaults_of(name)
    assert group["lr"] == expected["lr"]
    assert group["weight_decay"] == expected["weight_decay"]
    assert group.get("momentum", 0.0) == expected.get("momentum", 0.0)
    if "beta1" in expected:
        assert group["betas"] == (expected["beta1"], expected["beta2"])
        assert group["eps"] == expected["epsilon"]
    assert not group.get("nesterov", False)
    assert not group.get("amsgrad", False)
    assert not group.get("maximize", False)


def test_the_defaults_are_those_of_the_guides() -> None:
    assert defaults_of("adam") == {"lr": 3e-4, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    assert defaults_of("adamw") == {"lr": 3e-4, "weight_decay": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    assert defaults_of("sgd") == {"lr": 0.1, "weight_decay": 0.0}
    assert defaults_of("momentum")["momentum"] == 0.9


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_goes_on_from_its_state_as_if_never_stopped(name: str) -> None:
    def steps(weight: nn.Parameter, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            (weight**4).sum().backward()
            optimizer.step()

    weight = nn.Parameter(torch.linspace(-1, 1, 7))
    optimizer = build(name, weight, weight_decay=0.01)
    steps(weight, optimizer, 5)
    state, at_stop = copy.deepcopy(optimizer.state_dict()), weight.detach().clone()
    steps(weight, optimizer, 5)

    resumed = nn.Parameter(at_stop)
    second = build(name, resumed, weight_decay=0.01)
    second.load_state_dict(state)
    steps(resumed, second, 5)
    assert torch.equal(resumed, weight)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_keeps_decay_away_from_biases(name: str) -> None:
    layer = nn.Linear(3, 2)
    nn.init.ones_(layer.bias)
    nn.init.ones_(layer.weight)
    options = defaults_of(name) | {"lr": 0.1, "weight_decay": 0.5}
    optimizer = CATALOGUE[name].factory(parameter_groups(layer, 0.5), **options)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(layer.bias, torch.ones(2))
    assert bool((layer.weight < 1).all())
