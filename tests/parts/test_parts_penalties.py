from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts.catalogue import option_problem
from trainwright.parts.penalties import PENALTIES, Penalty


class Net(nn.Module):
    """Has all that must not be held down beside the two weights that must."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.first = nn.Linear(4, 6)
        self.norm = nn.LayerNorm(6)
        self.last = nn.Linear(6, 3)
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gain * self.last(self.norm(torch.tanh(self.first(self.table(x)))))


def by_hand(net: Net, l1: float, l2: float) -> float:
    weights = [net.first.weight.detach().double().numpy(), net.last.weight.detach().double().numpy()]
    return sum(l1 * np.abs(w).sum() + 0.5 * l2 * (w**2).sum() for w in weights)


@given(l1=st.floats(0, 10), l2=st.floats(0, 10))
@settings(deadline=None, max_examples=25)
def test_the_penalty_is_its_formula_over_the_decaying_weights_alone(l1: float, l2: float) -> None:
    net = Net().double()
    penalty = Penalty(net, l1=l1, l2=l2)
    assert penalty.names == ("first.weight", "last.weight")
    value = penalty()
    assert value.shape == ()
    assert value.item() == pytest.approx(by_hand(net, l1, l2), rel=1e-12, abs=1e-300)


def test_the_gradient_is_l1_times_the_sign_and_l2_times_the_weight() -> None:
    net = Net().double()
    with torch.no_grad():
        net.first.weight[0, 0] = 0.0
    Penalty(net, l1=0.3, l2=0.7)().backward()
    for layer in (net.first, net.last):
        assert layer.weight.grad is not None
        weight = layer.weight.detach()
        torch.testing.assert_close(layer.weight.grad, 0.3 * weight.sign() + 0.7 * weight, rtol=1e-12, atol=0)
        assert layer.bias.grad is None
    assert net.first.weight.grad is not None
    assert net.first.weight.grad[0, 0] == 0.0  # the slope of |w| at 0 is taken as 0
    assert net.table.weight.grad is None
    assert net.norm.weight.grad is None
    assert net.gain.grad is None


def test_l2_is_the_coupled_weight_decay_of_sgd() -> None:
    one = Net().double()
    other = copy.deepcopy(one)
    x, y = torch.randint(0, 5, (20,)), torch.randint(0, 3, (20,))
    penalty = Penalty(one, l2=0.2)
    plain = torch.optim.SGD(one.parameters(), lr=0.1, momentum=0.9)
    held = [other.first.weight, other.last.weight]
    free = [parameter for parameter in other.parameters() if all(parameter is not weight for weight in held)]
    decaying = torch.optim.SGD([{"params": held, "weight_decay": 0.2}, {"params": free}], lr=0.1, momentum=0.9)
    for _ in range(10):
        plain.zero_grad()
        (nn.functional.cross_entropy(one(x), y) + penalty()).backward()
        plain.step()
        decaying.zero_grad()
        nn.functional.cross_entropy(other(x), y).backward()
        decaying.step()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-14)


def test_a_penalty_is_alive_before_any_training() -> None:
    # G2, chapter 2: with a penalty the initial loss must be higher than without it.
    net = Net()
    assert Penalty(net, l1=1e-4)().item() > 0
    assert Penalty(net, l2=1e-4)().item() > 0
    assert Penalty(net, l1=1e-4, l2=1e-4)().item() > Penalty(net, l2=1e-4)().item()


def test_it_follows_the_weights() -> None:
    net = Net().double()
    penalty = Penalty(net, l2=1.0)
    before = penalty().item()
    with torch.no_grad():
        net.first.weight.mul_(2)
        net.last.weight.mul_(2)
    assert penalty().item() == pytest.approx(4 * before, rel=1e-12)


def test_a_tied_weight_counts_once() -> None:
    first, last = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    last.weight = first.weight
    penalty = Penalty(nn.Sequential(first, nn.ReLU(), last), l2=2.0)
    assert penalty.names == ("0.weight",)
    assert penalty().item() == pytest.approx(float(first.weight.detach().square().sum()), rel=1e-6)


def test_frozen_weights_are_left_out_whenever_they_were_frozen() -> None:
    net = Net().double()
    net.first.weight.requires_grad_(False)
    penalty = Penalty(net, l2=2.0)
    assert penalty.names == ("last.weight",)
    assert penalty().item() == pytest.approx(float(net.last.weight.detach().square().sum()), rel=1e-12)
    net.last.weight.requires_grad_(False)
    assert penalty().item() == 0.0


def test_of_no_strength_it_is_zero_and_can_be_added_all_the_same() -> None:
    net = Net()
    value = Penalty(net)()
    value.backward()
    assert value.item() == 0.0
    assert all(parameter.grad is None for parameter in net.parameters())
    with torch.no_grad():
        assert not Penalty(net)().requires_grad
        assert Penalty(net, l2=1.0)().item() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    net = nn.Linear(100, 100, bias=False).to(dtype)
    with torch.no_grad():
        net.weight.fill_(100.0)  # the sum of squares, 1e8, is beyond float16
    value = Penalty(net, l1=1.0, l2=2.0)()
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(1e8 + 1e6, rel=1e-6)
    assert net.weight.grad is not None
    assert net.weight.grad.dtype == dtype
    assert net.weight.grad[0, 0].item() == pytest.approx(201.0, rel=1e-2)


@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf])
@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_strength_that_cannot_be_is_refused_by_name(name: str, bad: float) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a finite number of at least 0"):
        Penalty(Net(), **{name: bad})
    assert option_problem(name, bad, PENALTIES[name]) is not None


@pytest.mark.parametrize("model", [nn.Sequential(nn.ReLU()), nn.LayerNorm(4), nn.Embedding(3, 2)])
def test_a_model_without_a_weight_to_hold_down_is_refused(model: nn.Module) -> None:
    with pytest.raises(ModelError, match="no weight that a penalty could hold down"):
        Penalty(model, l2=0.1)


def test_both_strengths_are_off_unless_asked_for() -> None:
    assert {name: option.default for name, option in PENALTIES.items()} == {"l1": 0.0, "l2": 0.0}
    assert all(option.minimum == 0.0 and option.meaning and option.source for option in PENALTIES.values())
    assert (Penalty(Net()).l1, Penalty(Net()).l2) == (0.0, 0.0)
