from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright.errors import UsageError
from trainwright.parts.groups import parameter_groups
from trainwright.parts.optimizer_lbfgs import LBFGS
from trainwright.parts.optimizers import CATALOGUE


def build(model: nn.Module, *, weight_decay: float = 0.0, rates: dict[str, float] | None = None, **changes: Any) -> Any:
    options: dict[str, Any] = {name: option.default for name, option in CATALOGUE["lbfgs"].options.items()}
    options |= {"weight_decay": weight_decay} | changes
    groups = parameter_groups(model, weight_decay, lr=options["lr"], rates=rates or {})
    return CATALOGUE["lbfgs"].factory(groups, **options)


def task() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    return x, (x[:, 0] + 0.5 * torch.randn(40, generator=generator, dtype=torch.float64) > 0.3).double()


def loss_of(model: nn.Module) -> torch.Tensor:
    x, y = task()
    return nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y)


def closure_of(model: nn.Module, optimizer: Any) -> Any:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    return closure


def by_newton(weight_decay: float) -> np.ndarray:
    """Return the weights and the bias that minimise the loss plus decay / 2 |w|^2, by Newton's method in float64."""
    x, y = (part.numpy() for part in task())
    inputs = np.hstack([x, np.ones((len(x), 1))])
    decay = weight_decay * np.diag([1.0, 1.0, 1.0, 0.0])  # the bias does not decay
    w, gradient = np.zeros(4), np.ones(4)
    for _ in range(50):
        p = 1 / (1 + np.exp(-inputs @ w))
        gradient = inputs.T @ (p - y) / len(y) + decay @ w
        curvature = inputs.T @ (inputs * (p * (1 - p))[:, None]) / len(y) + decay
        w = w - np.linalg.solve(curvature, gradient)
    assert np.abs(gradient).max() < 1e-14
    return w


@pytest.mark.parametrize("weight_decay", [0.01, 0.3])
def test_it_finds_the_minimum_of_loss_and_decay(weight_decay: float) -> None:
    model = nn.Linear(3, 1).double()
    optimizer = build(model, weight_decay=weight_decay)
    for _ in range(5):
        optimizer.step(closure_of(model, optimizer))
    found = torch.cat([model.weight.detach().flatten(), model.bias.detach()]).numpy()
    # torch ends a search where the loss falls by less than 1e-9: the weights are right to about its root.
    np.testing.assert_allclose(found, by_newton(weight_decay), atol=3e-5)
    assert np.abs(by_newton(weight_decay) - by_newton(0.9 * weight_decay)).max() > 1e-3


def test_it_returns_the_loss_before_the_step_without_the_decay() -> None:
    model = nn.Linear(3, 1).double()
    optimizer = build(model, weight_decay=10.0)
    before = loss_of(model).item()
    assert optimizer.step(closure_of(model, optimizer)).item() == before


def test_its_options_reach_torch_and_its_line_search_is_strong() -> None:
    optimizer = build(nn.Linear(3, 1), iterations=7, history=3, lr=0.5)
    group = optimizer.param_groups[0]
    assert isinstance(optimizer, torch.optim.LBFGS)
    assert (group["max_iter"], group["history_size"], group["lr"]) == (7, 3, 0.5)
    assert group["line_search_fn"] == "strong_wolfe"


def test_a_search_never_ends_higher_than_it_began() -> None:
    """Rosenbrock's valley, where a step of the full length from the start would climb."""
    weight = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    optimizer = LBFGS([weight], decaying=[], lr=1.0, iterations=4, history=10)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (1 - weight[0]) ** 2 + 100 * (weight[1] - weight[0] ** 2) ** 2
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(15)]
    assert losses == sorted(losses, reverse=True)
    torch.testing.assert_close(weight.detach(), torch.ones(2, dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_different_rates_are_refused_and_a_frozen_part_is_not() -> None:
    first = nn.Linear(3, 3)
    model = nn.Sequential(first, nn.Linear(3, 1)).double()
    with pytest.raises(UsageError, match="cannot train parts of a model at different rates") as caught:
        build(model, rates={"1": 0.5})
    assert caught.value.evidence == "the groups have the rates 0.5, 1"

    optimizer = build(model, rates={"0": 0})
    assert len(optimizer.param_groups) == 1
    kept = first.weight.detach().clone()
    before = loss_of(model).item()
    optimizer.step(closure_of(model, optimizer))
    assert torch.equal(first.weight, kept)
    assert loss_of(model).item() < before


def test_all_parts_at_one_other_rate_are_fine() -> None:
    assert build(nn.Linear(3, 1), rates={"*": 0.5}).param_groups[0]["lr"] == 0.5


def test_a_search_that_was_broken_off_leaves_no_half_kept_history() -> None:
    model = nn.Linear(3, 1).double()
    optimizer = build(model)
    whole, calls = closure_of(model, optimizer), 0

    def broken() -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise FloatingPointError
        return whole()

    with pytest.raises(FloatingPointError):
        optimizer.step(broken)
    first = optimizer.step(whole).item()
    assert loss_of(model).item() < first


def test_a_change_of_what_learns_begins_the_history_anew() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    optimizer = build(model, iterations=3)
    for _ in range(3):
        optimizer.step(closure_of(model, optimizer))
    state = optimizer.state[optimizer.param_groups[0]["params"][0]]
    assert state["n_iter"] > 3
    model[0].requires_grad_(False)
    optimizer.step(closure_of(model, optimizer))
    assert 1 <= state["n_iter"] <= 3
