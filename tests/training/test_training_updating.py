"""The optimizer's update by torch's kernels directly: bit for bit what `optimizer.step()` does, or left to it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.parts import optimizers
from trainwright.training import optimizer_state
from trainwright.training.updating import Updating

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {"weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "adamw amsgrad": (torch.optim.AdamW, {"amsgrad": True}),
    "adamw maximize": (torch.optim.AdamW, {"maximize": True}),
    "sgd": (torch.optim.SGD, {}),
    "sgd maximize": (torch.optim.SGD, {"maximize": True, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd momentum": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    "sgd nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}


class Forked(nn.Module):
    """A network whose second branch takes part where it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, both: bool = True) -> torch.Tensor:
        hidden = self.first(x) + self.second(x) if both else self.first(x)
        return self.last(torch.relu(hidden))


def made(kind: str, **more: Any) -> tuple[Forked, torch.optim.Optimizer]:
    torch.manual_seed(3)
    model = Forked()
    build, settings = KINDS[kind]
    groups = [
        {"params": [model.first.weight, model.second.weight, model.last.weight]},
        {"params": [model.first.bias, model.second.bias, model.last.bias], "weight_decay": 0.0, "lr": 0.02},
    ]
    kernel = {} if build is torch.optim.SGD else {"fused": True}
    return model, build(groups, lr=0.01, **(kernel | settings | more))


def trained(kind: str, *, directly: bool, steps: int = 12, **more: Any) -> tuple[Forked, torch.optim.Optimizer]:
    """Train with rates that move, a step in which a branch has no gradient, and a state that is loaded on the way."""
    model, optimizer = made(kind, **more)
    updating = Updating(optimizer)
    generator = torch.Generator().manual_seed(5)
    for step in range(steps):
        x, y = torch.randn(6, 4, generator=generator), torch.randint(0, 3, (6,), generator=generator)
        for group in optimizer.param_groups:
            group["lr"] *= 0.9
        if step == 8:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        if directly:
            updating.clear_gradients()
        else:
            optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x, both=step != 4), y).backward()
        if directly:
            updating.apply()
        else:
            optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("kind", KINDS)
def test_every_bit_is_that_of_the_optimizers_own_step(kind: str) -> None:
    ours, our_optimizer = trained(kind, directly=True)
    theirs, their_optimizer = trained(kind, directly=False)
    assert Updating(our_optimizer).reason == ""
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    own, other = our_optimizer.state_dict()["state"], their_optimizer.state_dict()["state"]
    assert own.keys() == other.keys()
    for place, kept in other.items():
        for name, value in kept.items():
            assert value is own[place][name] is None or torch.equal(own[place][name], value), (place, name)


def test_the_kernels_are_called_directly_from_the_second_step_on(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    original = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: steps.append(1) or original(self))
    trained("adamw", directly=True)
    # The first, which makes the state; the one without a gradient; the one after a state was loaded.
    assert len(steps) == 3


def test_who_watches_the_optimizer_by_hooks_sees_every_step() -> None:
    model, optimizer = made("adamw")
    updating, seen = Updating(optimizer), []
    x, y = torch.randn(6, 4), torch.randint(0, 3, (6,))
    for step in range(6):
        if step == 3:
            optimizer.register_step_post_hook(lambda *_: seen.append(1))
        updating.clear_gradients()
        F.cross_entropy(model(x), y).backward()
        updating.apply()
    assert len(seen) == 3


def test_an_optimizer_of_another_class_or_without_fused_kernels_is_stepped_by_itself_and_says_why() -> None:
    weight = nn.Parameter(torch.ones(2))
    assert "Adagrad" in Updating(torch.optim.Adagrad([weight])).reason
    assert "fused" in Updating(torch.optim.AdamW([weight])).reason
    assert "fused" in Updating(torch.optim.SGD([weight], lr=0.1, fused=True)).reason
    assert "tensor" in Updating(torch.optim.AdamW([weight], lr=torch.tensor(0.1), fused=True)).reason
    updating = Updating(torch.optim.Adagrad([weight], lr=0.1))
    updating.clear_gradients()
    weight.sum().backward()
    updating.apply()
    assert weight.tolist() == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_the_catalogues_optimizers_take_the_direct_way_on_a_cpu(name: str) -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    spec = optimizers.CATALOGUE[name]
    options = {option: record.default for option, record in spec.options.items()}
    assert Updating(spec.factory([{"params": [weight]}], **options)).reason == ""


def test_gradients_are_forgotten_not_set_to_zero() -> None:
    model, optimizer = made("sgd")
    model(torch.randn(2, 4)).sum().backward()
    Updating(optimizer).clear_gradients()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_is_put_back_is_what_the_next_update_works_on(kind: str) -> None:
    model, optimizer = made(kind)
    updating = Updating(optimizer)

    def step(number: int) -> None:
        generator = torch.Generator().manual_seed(number)
        x, y = torch.randn(6, 4, generator=generator), torch.randint(0, 3, (6,), generator=generator)
        updating.clear_gradients()
        F.cross_entropy(model(x), y).backward()
        updating.apply()

    for number in range(3):
        step(number)
    weights, kept = copy.deepcopy(model.state_dict()), optimizer_state.kept_of(optimizer, model)
    step(3)
    step(4)
    expected = copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    optimizer_state.put_back(optimizer, model, kept)
    step(3)
    step(4)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_sparse_gradients_are_left_to_the_optimizer() -> None:
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), lr=0.5)
    updating, before = Updating(optimizer), table.weight.detach().clone()
    for _ in range(3):
        updating.clear_gradients()
        table(torch.tensor([1])).sum().backward()
        updating.apply()
    assert torch.equal(table.weight[1], before[1] - 1.5)
    assert torch.equal(table.weight[0], before[0])
