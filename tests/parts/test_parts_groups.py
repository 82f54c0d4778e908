from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

from trainwright.errors import ModelError
from trainwright.parts.groups import GroupRow, decay_table, parameter_groups, render_table
from trainwright.parts.models import CATALOGUE, build
from trainwright.records import DataShape


class RMSNorm(nn.Module):
    """A normalisation of somebody else's, with a gain that has two dimensions and is called `scale`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, size))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))
        self.matrix = nn.Parameter(torch.ones(3, 3))
        self.unbiased = nn.Parameter(torch.ones(3, 3))
        self.position_bias_table = nn.Parameter(torch.ones(3, 3))
        self.temperature = nn.Parameter(torch.ones(()))


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.bag = nn.EmbeddingBag(5, 4)
        self.conv = nn.Conv2d(1, 4, 3)
        self.batch = nn.BatchNorm2d(4)
        self.layer = nn.LayerNorm([4, 4])  # a gain of two dimensions
        self.group = nn.GroupNorm(2, 4)
        self.instance = nn.InstanceNorm2d(4, affine=True)
        self.rms = nn.RMSNorm([2, 2])
        self.foreign = RMSNorm(4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.recurrent = nn.LSTM(4, 4)
        self.own = Scaled()
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.head = nn.Linear(4, 11)
        self.head.weight = self.embed.weight


DECAYING = {
    "conv.weight",
    "attention.in_proj_weight",
    "attention.out_proj.weight",
    "recurrent.weight_ih_l0",
    "recurrent.weight_hh_l0",
    "own.matrix",
    "own.unbiased",
}


def test_what_decays_is_decided_by_the_module_that_owns_it() -> None:
    rows = {row.name: row for row in decay_table(Everything())}
    assert {name for name, row in rows.items() if row.decays} == DECAYING
    assert rows["batch.bias"].reason == "normalisation (BatchNorm2d)"
    assert rows["layer.weight"].reason == "normalisation (LayerNorm)"
    assert rows["foreign.scale"].reason == "normalisation (RMSNorm)"
    assert rows["embed.weight"].reason == "embedding"
    assert rows["head.bias"].reason == "bias"
    assert rows["recurrent.bias_hh_l0"].reason == "bias"
    assert rows["attention.in_proj_bias"].reason == "bias"
    assert rows["own.position_bias_table"].reason == "bias"
    assert rows["own.gain"].reason == "1-dimensional"
    assert rows["own.temperature"].reason == "0-dimensional"
    assert rows["conv.weight"] == GroupRow(
        name="conv.weight", shape=(4, 1, 3, 3), decays=True, reason="weight (Conv2d)"
    )


def members(groups: list[dict[str, Any]]) -> list[nn.Parameter]:
    return list(itertools.chain.from_iterable(group["params"] for group in groups))


def test_each_trainable_parameter_is_in_one_group_once_even_when_tied() -> None:
    model = Everything()
    found = [id(parameter) for parameter in members(parameter_groups(model, 0.01))]
    assert len(found) == len(set(found))
    assert set(found) == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert [row.name for row in decay_table(model) if row.name.startswith("head")] == ["head.bias"]


def test_a_module_used_in_two_places_is_counted_once() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    assert [row.name for row in decay_table(model)] == ["0.weight", "0.bias"]
    assert len(members(parameter_groups(model, 0.1))) == 2


def test_frozen_parameters_are_left_out() -> None:
    assert not any(row.name.startswith("frozen") for row in decay_table(Everything()))


def test_the_groups_carry_their_decay_and_none_is_empty() -> None:
    assert [group["weight_decay"] for group in parameter_groups(nn.Linear(2, 2), 0.3)] == [0.3, 0.0]
    assert [group["weight_decay"] for group in parameter_groups(nn.Linear(2, 2, bias=False), 0.3)] == [0.3]
    assert [group["weight_decay"] for group in parameter_groups(nn.LayerNorm(2), 0.3)] == [0.0]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_model_decays_its_weights_and_nothing_else(name: str) -> None:
    shape = DataShape(input_shape=(1, 8, 8), outputs=3, task="classification")
    model = build(name, shape, {option: record.default for option, record in CATALOGUE[name].options.items()})
    decaying = {row.name for row in decay_table(model) if row.decays}
    assert decaying == {
        f"{path}.weight" for path, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    }


@pytest.mark.parametrize(
    ("model", "evidence"),
    [
        (nn.Linear(2, 3).requires_grad_(False), "9 parameters, all with requires_grad = False"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), "it has no parameters at all"),
    ],
)
def test_a_model_with_nothing_to_train_is_refused(model: nn.Module, evidence: str) -> None:
    with pytest.raises(ModelError, match="no trainable parameter") as caught:
        parameter_groups(model, 0.1)
    assert caught.value.evidence == evidence


def test_the_table_shows_every_parameter_in_aligned_columns() -> None:
    text = render_table(decay_table(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))))
    assert text.splitlines() == [
        "parameter  shape    decays  reason",
        "0.weight   2x1x3x3  yes     weight (Conv2d)",
        "0.bias     2        no      bias",
        "1.weight   2        no      normalisation (BatchNorm2d)",
        "1.bias     2        no      normalisation (BatchNorm2d)",
    ]
