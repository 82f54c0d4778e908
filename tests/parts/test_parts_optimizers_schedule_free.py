from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright.parts.optimizers import CATALOGUE, averaged, has_average

NAMES = ["schedule_free", "schedule_free_sgd"]
START = np.array([1.5, -2.0, 0.3])


def build(name: str, weight: nn.Parameter, **changes: Any) -> Any:
    options = {option: record.default for option, record in CATALOGUE[name].options.items()} | {"weight_decay": 0.0}
    return CATALOGUE[name].factory([{"params": [weight]}], **(options | changes))


def step(weight: nn.Parameter, optimizer: Any) -> None:
    optimizer.zero_grad()
    (weight**4).sum().backward()
    optimizer.step()


def trained(name: str, *, evaluate_every: int | None = None) -> tuple[nn.Parameter, Any]:
    weight = nn.Parameter(torch.linspace(-1, 1, 9))
    optimizer = build(name, weight, lr=0.05)
    for number in range(12):
        step(weight, optimizer)
        if evaluate_every and number % evaluate_every == 0:
            with averaged(optimizer):
                pass
    return weight, optimizer


@pytest.mark.parametrize("name", NAMES)
def test_it_is_ready_to_train_and_only_these_two_have_an_average(name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = build(name, weight)
    assert has_average(optimizer)
    step(weight, optimizer)  # the library refuses this where train() was not called
    assert not has_average(torch.optim.SGD([weight], lr=0.1))


def test_evaluation_sees_the_mean_of_all_steps() -> None:
    weight = nn.Parameter(torch.tensor(START))
    optimizer = build("schedule_free_sgd", weight, lr=0.1)
    z = START.copy()
    steps = []
    for _ in range(8):
        gradient = 4 * weight.detach().numpy() ** 3
        step(weight, optimizer)
        z = z - 0.1 * gradient
        steps.append(z)
    in_training = weight.detach().clone()
    with averaged(optimizer):
        np.testing.assert_allclose(weight.detach().numpy(), np.mean(steps, 0), rtol=1e-12)
    np.testing.assert_allclose(in_training.numpy(), 0.1 * z + 0.9 * np.mean(steps, 0), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_evaluated_is_the_run_that_is_not_bit_for_bit(name: str) -> None:
    plain, _ = trained(name)
    watched, optimizer = trained(name, evaluate_every=1)
    assert torch.equal(watched, plain)
    before = watched.detach().clone()
    with averaged(optimizer):
        assert not torch.equal(watched, before)
    assert torch.equal(watched, before)
    assert optimizer.param_groups[0]["train_mode"] is True


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_of_training_come_back_where_evaluation_raises(name: str) -> None:
    weight, optimizer = trained(name)
    before = weight.detach().clone()
    with pytest.raises(KeyError), averaged(optimizer):
        raise KeyError
    assert torch.equal(weight, before)
    step(weight, optimizer)


def test_one_look_inside_another_and_an_optimizer_without_an_average_change_nothing() -> None:
    weight, optimizer = trained("schedule_free")
    with averaged(optimizer):
        shown = weight.detach().clone()
        with averaged(optimizer):
            assert torch.equal(weight, shown)
        assert torch.equal(weight, shown)
    plain = torch.optim.SGD([weight], lr=0.1)
    before = weight.detach().clone()
    with averaged(plain):
        assert torch.equal(weight, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_saved_in_training_goes_on_bit_for_bit(name: str) -> None:
    weight, optimizer = trained(name)
    resumed = nn.Parameter(weight.detach().clone())
    second = build(name, resumed, lr=0.05)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(5):
        step(weight, optimizer)
        step(resumed, second)
    assert torch.equal(resumed, weight)
    with averaged(optimizer), averaged(second):
        assert torch.equal(resumed, weight)


def test_at_a_rate_of_zero_nothing_steps_and_only_the_average_draws_nearer() -> None:
    weight, optimizer = trained("schedule_free_sgd")
    z = optimizer.state[weight]["z"].clone()
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = (weight.detach() - z).abs()
    step(weight, optimizer)
    assert torch.equal(optimizer.state[weight]["z"], z)
    assert bool(((weight.detach() - z).abs() <= before).all())


def test_the_average_of_a_noisy_descent_is_better_than_its_last_step() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.full((50,), 2.0))
    optimizer = build("schedule_free_sgd", weight, lr=0.5)
    for _ in range(300):
        weight.grad = weight.detach() + torch.randn(50, generator=generator)
        optimizer.step()
    last = optimizer.state[weight]["z"].square().mean()
    with averaged(optimizer):
        assert weight.detach().square().mean() < 0.1 * last
