"""State as files hold it: it comes back bit for bit, in its order in memory, and each moment with its own weight."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import RunError
from trainwright.parts.optimizers import CATALOGUE
from trainwright.tensors import digest
from trainwright.training.optimizer_state import kept_of, put_back
from trainwright.training.packing import copied, pack, tensors_of, unpack

CPU = torch.device("cpu")
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.text() | st.integers()
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner),
    max_leaves=20,
)


def through_a_file(tree: Any) -> Any:
    plain, tensors = pack(tree)
    kept = {name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    return unpack(json.loads(json.dumps(plain)), kept, CPU)


@settings(deadline=None)
@given(trees)
def test_plain_values_come_back_as_they_were(tree: Any) -> None:
    assert repr(through_a_file(tree)) == repr(tree)


def test_tensors_come_back_with_their_bits_types_and_order_in_memory() -> None:
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    one = torch.randn(4, 1, 3, 3).to(memory_format=torch.channels_last)  # contiguous in both senses, yet not the same
    tree = {
        "image": image,
        "one": one,
        "nested": [{3: torch.tensor(math.nan)}, (torch.zeros(0, 2), torch.ones(2, dtype=torch.bfloat16))],
        "turned": torch.randn(3, 4).t(),
        "part": torch.randn(4, 6)[:, ::2],
    }
    back = through_a_file(tree)
    for old, new in zip(tensors_of(tree), tensors_of(back), strict=True):
        assert digest({"x": old}) == digest({"x": new})
    assert back["image"].stride() == image.stride()
    assert back["one"].stride() == one.stride()
    assert back["turned"].stride() == (1, 4)


def test_a_copy_is_out_of_reach() -> None:
    tree = {"a": [torch.zeros(2)]}
    kept = copied(tree)
    tree["a"][0].fill_(7.0)
    assert kept["a"][0].tolist() == [0.0, 0.0]


def test_what_no_file_can_hold_is_refused_with_its_place() -> None:
    with pytest.raises(RunError, match="cannot keep") as caught:
        pack({"optimizer": {"callback": [len]}})
    assert "optimizer/callback/0 is a builtin" in caught.value.evidence


def trained(name: str, order: int = 1) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    spec = CATALOGUE[name]
    options = {key: option.default for key, option in spec.options.items()} | {"lr": 0.05}
    weights = [{"params": list(model.parameters())[::order]}]
    return model, spec.factory(weights, **options)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for number in range(count):
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(number))

        def closure(x: torch.Tensor = x) -> torch.Tensor:
            optimizer.zero_grad()
            loss = (model(x) - x.flip(1)).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_optimizer_goes_on_from_its_state_bit_for_bit(name: str) -> None:
    model, optimizer = trained(name)
    if hasattr(optimizer, "train"):
        optimizer.train()  # type: ignore[operator]
    step(model, optimizer, 3)
    kept = through_a_file(kept_of(optimizer, model))
    weights = copied(model.state_dict())
    step(model, optimizer, 3)
    other, fresh = trained(name)
    other.load_state_dict(weights)
    put_back(fresh, other, kept)
    step(other, fresh, 3)
    assert digest(other.state_dict()) == digest(model.state_dict())


def test_moments_follow_their_names_where_parameters_come_in_another_order() -> None:
    model, optimizer = trained("adam")
    step(model, optimizer, 3)
    kept = kept_of(optimizer, model)
    weights = copied(model.state_dict())
    step(model, optimizer, 2)
    other, turned = trained("adam", order=-1)
    other.load_state_dict(weights)
    put_back(turned, other, kept)
    step(other, turned, 2)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)
    named = dict(other.named_parameters())
    assert set(kept["state"]) == set(named)


def test_an_optimizer_of_other_parameters_is_refused() -> None:
    model, optimizer = trained("adam")
    step(model, optimizer, 1)
    other = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    with pytest.raises(RunError, match="does not hold the parameters") as caught:
        put_back(torch.optim.Adam(other.parameters()), other, kept_of(optimizer, model))
    assert "2.weight" in caught.value.evidence
