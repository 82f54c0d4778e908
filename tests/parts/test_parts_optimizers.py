"""What every optimizer of the catalogue must do, whatever its formula."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from parts_optimizers import Net, advance, build, options_of, weights_of
from torch import nn

from trainwright.errors import UsageError
from trainwright.parts.catalogue import option_problem
from trainwright.parts.groups import parameter_groups
from trainwright.parts.optimizer_lion import Lion
from trainwright.parts.optimizer_muon import Muon
from trainwright.parts.optimizer_sgd import ClassicalMomentum
from trainwright.parts.optimizers import CATALOGUE, averaged, has_average

FOLLOWERS = [name for name, spec in CATALOGUE.items() if not spec.closure]
OWN = {"classical_momentum": ClassicalMomentum, "lion": Lion, "muon": Muon}


# --- records ---


def test_the_catalogue_holds_what_users_expect_to_find() -> None:
    assert {
        "sgd",
        "momentum",
        "nesterov",
        "classical_momentum",
        "adagrad",
        "rmsprop",
        "adam",
        "adamw",
        "nadam",
        "radam",
        "adafactor",
        "lion",
        "muon",
        "lbfgs",
        "schedule_free",
    } <= set(CATALOGUE)
    assert {name for name, spec in CATALOGUE.items() if spec.closure} == {"lbfgs"}
    assert {name for name, spec in CATALOGUE.items() if spec.averages} == {"schedule_free", "schedule_free_sgd"}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_default_is_legal_and_has_a_source(name: str) -> None:
    spec = CATALOGUE[name]
    assert {"lr", "weight_decay"} <= set(spec.options)
    for option, record in spec.options.items():
        assert option_problem(option, record.default, record) is None
        assert record.meaning
        assert record.source


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_is_of_the_class_that_its_record_names(name: str) -> None:
    optimizer, torch_class = build(name, Net()), CATALOGUE[name].torch_class
    if name in OWN:
        assert type(optimizer) is OWN[name]
    elif torch_class:
        assert isinstance(optimizer, getattr(torch.optim, torch_class))
    else:
        assert type(optimizer).__module__.startswith("schedulefree.")
    assert has_average(optimizer) is CATALOGUE[name].averages
    for group in optimizer.param_groups:
        assert not any(group.get(switch, False) for switch in ("amsgrad", "maximize", "centered"))
        assert group.get("nesterov", False) is (name == "nesterov")


def test_the_defaults_are_those_of_the_guides_and_the_papers() -> None:
    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    assert options_of("adam") == {"lr": 3e-4, "weight_decay": 0.0, **adam}
    assert options_of("adamw") == {"lr": 3e-4, "weight_decay": 0.01, **adam}
    assert options_of("sgd") == {"lr": 0.1, "weight_decay": 0.0}
    assert {options_of(name)["momentum"] for name in ("momentum", "nesterov", "classical_momentum")} == {0.9}
    assert options_of("rmsprop")["decay"] == 0.9
    assert options_of("lion") == {"lr": 1e-4, "weight_decay": 0.03, "beta1": 0.9, "beta2": 0.99}
    assert options_of("lion")["lr"] * options_of("lion")["weight_decay"] == pytest.approx(3e-4 * 0.01)
    assert (options_of("muon")["momentum"], options_of("muon")["iterations"]) == (0.95, 5)
    assert options_of("adafactor")["decay_exponent"] == 0.8


# --- known values ---


def one_step(name: str, gradient: list[float], **changes: Any) -> torch.Tensor:
    """Return how far the first step moves weights of zero."""
    weight = nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
    weight.grad = torch.tensor(gradient, dtype=torch.float64)
    options = options_of(name, weight_decay=0.0, **changes)
    CATALOGUE[name].factory([{"params": [weight], "weight_decay": 0.0}], **options).step()
    return weight.detach()


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("adam", 1.0),
        ("adamw", 1.0),
        ("adagrad", 1.0),
        ("lion", 1.0),
        ("muon", 1.0),  # what is no matrix goes by AdamW
        ("rmsprop", 10**0.5),  # its mean holds a tenth of the square: 1 / sqrt(1 - 0.9), without a correction
    ],
)
def test_the_first_step_goes_by_the_sign_of_the_gradient_alone(name: str, length: float) -> None:
    gradient = [1e-3, -5.0, 1e4]
    # Epsilon, 1e-8, beside a gradient of 1e-3 shortens a step by a few parts in 1e5.
    np.testing.assert_allclose(
        one_step(name, gradient, lr=0.25), -0.25 * length * np.sign(gradient), rtol=5e-5, atol=0.0
    )


def test_gradient_descent_makes_the_steps_that_the_guide_prints() -> None:
    # G4: L = (w - 3)^2 from w = 0 at a rate of 0.1: 0.6, then 1.08.
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = CATALOGUE["sgd"].factory([{"params": [weight]}], lr=0.1, weight_decay=0.0)
    for expected in (0.6, 1.08):
        optimizer.zero_grad()
        ((weight - 3) ** 2).sum().backward()
        optimizer.step()
        assert weight.item() == pytest.approx(expected, abs=1e-15)


def test_adams_decay_inside_the_gradient_and_adamws_beside_it_part_ways() -> None:
    def trained(name: str, decay: float) -> torch.Tensor:
        torch.manual_seed(0)
        model = Net()
        advance(model, build(name, model, lr=0.01, weight_decay=decay), 25)
        return model.hidden.weight.detach()

    assert (trained("adam", 0.1) - trained("adamw", 0.1)).abs().max() > 1e-3
    assert torch.equal(trained("adam", 0.0), trained("adamw", 0.0))


@pytest.mark.parametrize("name", ["adamw", "nadam", "radam", "adafactor", "lion"])
def test_decoupled_decay_shrinks_every_weight_by_the_same_share_whatever_its_gradient(name: str) -> None:
    weight = nn.Parameter(torch.tensor([[2.0, -4.0], [1.0, 0.5]], dtype=torch.float64))
    start = weight.detach().clone()
    options = options_of(name, lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros_like(weight)
    CATALOGUE[name].factory([{"params": [weight], "weight_decay": 0.5}], **options).step()
    torch.testing.assert_close(weight.detach(), start * (1 - 0.1 * 0.5))


# --- the contract ---


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_finds_the_bottom_of_a_quadratic(name: str) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))  # a matrix that is hidden, and one that is not
    target = [torch.randn_like(parameter) for parameter in model.parameters()]
    rate = {"adagrad": 0.5, "lbfgs": 1.0}.get(name, 0.05)
    optimizer = build(name, model, lr=rate, weight_decay=0.0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        pairs = zip(model.parameters(), target, strict=True)
        loss = torch.stack([((parameter - goal) ** 2).sum() for parameter, goal in pairs]).sum()
        loss.backward()
        return loss

    first = closure().item()
    for step in range(400):
        for group in optimizer.param_groups:  # an average stands for the schedule where there is one
            group["lr"] = rate if CATALOGUE[name].averages else rate * (1 - step / 400)
        if CATALOGUE[name].closure:
            optimizer.step(closure)  # type: ignore[arg-type]
        else:
            closure()
            optimizer.step()
    with averaged(optimizer):
        assert closure().item() < 1e-3 * first


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_goes_on_from_its_state_as_if_never_stopped(name: str) -> None:
    model = Net()
    optimizer = build(name, model, weight_decay=0.02)
    advance(model, optimizer, 5)
    state, at_stop = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model)
    advance(model, optimizer, 5)

    second = build(name, at_stop, weight_decay=0.02)
    second.load_state_dict(state)
    advance(at_stop, second, 5)
    for key, value in weights_of(model).items():
        assert torch.equal(value, weights_of(at_stop)[key]), key

    fresh = copy.deepcopy(at_stop)
    advance(fresh, build(name, fresh, weight_decay=0.02), 5, seed=1)
    advance(at_stop, second, 5, seed=1)
    forgetful = name == "sgd"  # it has no state, and every other must have one that matters
    assert torch.equal(fresh.hidden.weight, at_stop.hidden.weight) is forgetful


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_state_is_tensors_and_plain_values(name: str) -> None:
    """A checkpoint holds tensors and JSON, and no pickle."""

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.tolist()
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        assert value is None or type(value) in (bool, int, float, str), value
        return value

    model = Net()
    optimizer = build(name, model)
    advance(model, optimizer, 3)
    json.dumps(plain(optimizer.state_dict()), allow_nan=False)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_leaves_parameters_without_gradients_alone(name: str) -> None:
    model = Net()
    before = weights_of(model)
    advance(model, build(name, model, lr=0.05, weight_decay=0.5), 5)
    for key, value in weights_of(model).items():
        assert torch.equal(value, before[key]) is key.startswith("unreached"), key


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_was_frozen_under_way_stands_still_whatever_its_momentum(name: str) -> None:
    model = Net()
    optimizer = build(name, model, lr=0.05, weight_decay=0.1)
    advance(model, optimizer, 4)
    model.hidden.requires_grad_(False)
    before = weights_of(model)
    advance(model, optimizer, 4)
    after = weights_of(model)
    assert torch.equal(after["hidden.weight"], before["hidden.weight"])
    assert torch.equal(after["hidden.bias"], before["hidden.bias"])
    assert not torch.equal(after["output.weight"], before["output.weight"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_rate_of_zero_freezes_a_part_from_the_start(name: str) -> None:
    model = Net()
    before = weights_of(model)
    options = options_of(name, lr=0.05, weight_decay=0.1)
    groups = parameter_groups(model, 0.1, lr=0.05, rates={"hidden": 0})
    advance(model, CATALOGUE[name].factory(groups, **options), 4)
    assert torch.equal(model.hidden.weight, before["hidden.weight"])
    assert torch.equal(model.hidden.bias, before["hidden.bias"])
    assert not torch.equal(model.output.weight, before["output.weight"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_keeps_decay_away_from_biases(name: str) -> None:
    layer = nn.Linear(3, 2)
    nn.init.ones_(layer.bias)
    nn.init.ones_(layer.weight)
    optimizer = build(name, layer, lr=0.1, weight_decay=0.5)

    def closure() -> torch.Tensor:
        for parameter in layer.parameters():
            parameter.grad = torch.zeros_like(parameter)
        return torch.zeros(())

    closure()
    for _ in range(2):
        optimizer.step(closure)  # type: ignore[arg-type]
    assert torch.equal(layer.bias, torch.ones(2))
    assert bool((layer.weight < 1).all())


@pytest.mark.parametrize(
    "name", [name for name in FOLLOWERS if name != "classical_momentum" and not CATALOGUE[name].averages]
)
def test_half_the_rate_makes_half_the_step_at_once_in_every_group(name: str) -> None:
    model = Net().double()
    optimizer = build(name, model, lr=0.01, weight_decay=0.0)
    advance(model, optimizer, 3)
    moves: list[dict[str, torch.Tensor]] = []
    for share in (1.0, 0.5):
        twin = copy.deepcopy(model)
        second = build(name, twin, lr=0.01, weight_decay=0.0)
        second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for group in second.param_groups:
            group["lr"] *= share
        advance(twin, second, 1)
        moves.append({key: value - weights_of(model)[key] for key, value in weights_of(twin).items()})
    for key, whole in moves[0].items():
        torch.testing.assert_close(moves[1][key], 0.5 * whole, rtol=1e-9, atol=1e-14)
    assert moves[0]["hidden.weight"].abs().max() > 1e-5


@pytest.mark.parametrize("name", FOLLOWERS)
def test_every_optimizer_returns_the_closures_loss(name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = CATALOGUE[name].factory([{"params": [weight]}], **options_of(name))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    loss: Any = optimizer.step(closure)
    assert loss.item() == 2.0
    assert bool((weight < 1).all())


@pytest.mark.parametrize("name", ["classical_momentum", "lion", "muon"])
def test_sparse_gradients_are_refused_by_what_cannot_follow_them(name: str) -> None:
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = build(name, table)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(UsageError, match=f"{name} cannot follow sparse gradients"):
        optimizer.step()
