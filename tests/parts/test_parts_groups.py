from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts_networks import Backbone, Edges, Everything, Tied, Transformer, members
from torch import nn

from trainwright.errors import ModelError
from trainwright.parts.groups import GroupRow, decay_table, parameter_groups, render_table
from trainwright.parts.models import CATALOGUE, build
from trainwright.parts.optimizers import CATALOGUE as OPTIMIZERS
from trainwright.records import DataShape
from trainwright.tensors import is_normalisation

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
    assert rows["embed.weight"].reason == "embedding, shared as head.weight"
    assert rows["bag.weight"].reason == "embedding"
    assert rows["head.bias"].reason == "bias"
    assert rows["recurrent.bias_hh_l0"].reason == "bias"
    assert rows["attention.in_proj_bias"].reason == "bias"
    assert rows["own.position_bias_table"].reason == "bias"
    assert rows["own.position_embedding"].reason == "embedding"
    assert rows["own.gain"].reason == "1-dimensional"
    assert rows["own.temperature"].reason == "0-dimensional"
    assert rows["own.channel_scale"].reason == "a scale: at most one axis is longer than 1"
    assert rows["conv.weight"] == GroupRow(
        name="conv.weight",
        shape=(4, 1, 3, 3),
        decays=True,
        reason="weight (Conv2d)",
        rate=1.0,
        group="hidden weights",
    )


def test_a_weight_of_a_linear_layer_decays_even_where_it_has_one_row() -> None:
    assert [row.decays for row in decay_table(nn.Sequential(nn.Linear(1, 4), nn.Linear(4, 1)))] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("rates", [{}, {"head": 3.0}, {"embed": 3.0}, {"head": 3.0, "embed": 0.5}])
def test_a_tied_weight_is_judged_the_same_whatever_was_registered_first(rates: dict[str, float]) -> None:
    tables = [decay_table(Tied(head_first=order), rates=rates) for order in (False, True)]
    assert [[row.name for row in table] for table in tables] == [
        ["embed.weight", "head.bias"],
        ["head.weight", "head.bias"],
    ]
    for row in (table[0] for table in tables):
        assert not row.decays
        assert row.reason.startswith("embedding, shared as ")
        assert row.rate == (list(rates.values()) or [1.0])[-1]


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


def test_frozen_parameters_are_shown_and_in_no_group() -> None:
    model = Everything()
    rows = [row for row in decay_table(model) if row.name.startswith("frozen")]
    assert [(row.decays, row.rate, row.group, row.reason) for row in rows] == [
        (False, 0.0, "", "frozen: requires_grad = False")
    ] * 2
    assert not {id(parameter) for parameter in model.frozen.parameters()} & set(
        map(id, members(parameter_groups(model, 0.1)))
    )


def test_the_groups_carry_what_sets_them_apart_and_none_is_empty() -> None:
    groups = parameter_groups(Edges(), 0.3, lr=0.01)
    assert [(group["name"], group["weight_decay"], group["lr"], group["hidden"]) for group in groups] == [
        ("hidden weights", 0.3, 0.01, True),
        ("other weights", 0.3, 0.01, False),
        ("no decay", 0.0, 0.01, False),
    ]
    assert [group["weight_decay"] for group in parameter_groups(nn.Linear(2, 2), 0.3)] == [0.3, 0.0]
    assert [group["weight_decay"] for group in parameter_groups(nn.Linear(2, 2, bias=False), 0.3)] == [0.3]
    assert [group["weight_decay"] for group in parameter_groups(nn.LayerNorm(2), 0.3)] == [0.0]
    assert not any("lr" in group for group in parameter_groups(nn.Linear(2, 2), 0.3))


def test_hidden_weights_are_matrices_and_kernels_but_for_the_last_layer() -> None:
    hidden = {row.name for row in decay_table(Edges()) if row.group == "hidden weights"}
    assert hidden == {"first.weight", "kernel.weight", "cell.weight_ih", "cell.weight_hh"}


def test_a_tied_head_is_still_the_last_layer() -> None:
    model = nn.Sequential(nn.Embedding(11, 4), nn.Linear(4, 4), nn.Linear(4, 11))
    model[2].weight = model[0].weight
    assert {row.name for row in decay_table(model) if row.group == "hidden weights"} == {"1.weight"}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_models_layers_decay_and_its_biases_norms_and_embeddings_do_not(name: str) -> None:
    spec = CATALOGUE[name]
    input_shape = {1: (12,), 2: (12, 6), 3: (1, 16, 16)}[1 if spec.tokens else max(spec.dimensions)]
    shape = DataShape(input_shape=input_shape, outputs=3, task="classification", vocabulary=11 if spec.tokens else None)
    model = build(name, shape, {option: record.default for option, record in spec.options.items()})
    rows = {row.name: row for row in decay_table(model)}
    judged = set()
    for path, module in model.named_modules():
        for own, _ in module.named_parameters(recurse=False):
            key = f"{path}.{own}" if path else own
            if key not in rows or "shared" in rows[key].reason:
                continue
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.MultiheadAttention) and "bias" not in own:
                assert rows[key].decays, key
                judged.add(True)
            elif is_normalisation(module) or "bias" in own or isinstance(module, nn.Embedding):
                assert not rows[key].decays, key
                judged.add(False)
    assert judged == {True, False}


@pytest.mark.parametrize(
    ("model", "rates", "evidence"),
    [
        (nn.Linear(2, 3).requires_grad_(False), {}, "9 parameters, all with requires_grad = False"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), {}, "it has no parameters at all"),
        (nn.Linear(2, 3), {"*": 0}, "9 parameters, all frozen by train.freeze, or by a rate of 0"),
    ],
)
def test_a_model_with_nothing_to_train_is_refused(model: nn.Module, rates: dict[str, float], evidence: str) -> None:
    with pytest.raises(ModelError, match="no trainable parameter") as caught:
        parameter_groups(model, 0.1, rates=rates)
    assert caught.value.evidence == evidence


# --- properties ---


def networks() -> Iterator[nn.Module]:
    yield Everything()
    yield Edges()
    yield Transformer()
    yield Backbone(Transformer())


@settings(max_examples=40, deadline=None)
@given(data=st.data(), layer_decay=st.floats(0.1, 1.0), lr=st.floats(1e-6, 10.0))
def test_groups_part_the_parameters_and_agree_with_the_table(
    data: st.DataObject, layer_decay: float, lr: float
) -> None:
    model = data.draw(st.sampled_from(list(networks())))
    tops = list(dict.fromkeys(name.split(".")[0] for name, _ in model.named_parameters()))
    rates = data.draw(st.dictionaries(st.sampled_from(tops), st.sampled_from([0.0, 0.1, 1.0, 2.5]), max_size=3))
    tied = {"embed", "head"} <= set(rates) and isinstance(model, Everything)  # then only one of both may decide
    if tied or all(row.rate == 0 for row in decay_table(model, layer_decay=layer_decay, rates=rates)):
        return
    rows = decay_table(model, layer_decay=layer_decay, rates=rates)
    groups = parameter_groups(model, 0.2, lr=lr, layer_decay=layer_decay, rates=rates)
    parameters = dict(model.named_parameters())
    assert [row.name for row in rows] == list(parameters)
    assert len({group["name"] for group in groups}) == len(groups)
    assert len(members(groups)) == sum(row.rate > 0 for row in rows)
    place = {id(parameter): group for group in groups for parameter in group["params"]}
    for row in rows:
        group = place.get(id(parameters[row.name]))
        assert (group is None) is (row.rate == 0)
        if group is not None:
            assert group["name"] == row.group
            assert group["lr"] == lr * row.rate
            assert group["weight_decay"] == (0.2 if row.decays else 0.0)
            assert not group["hidden"] or row.decays


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "lbfgs"])
def test_every_optimizer_takes_the_groups_as_they_are(name: str) -> None:
    groups = parameter_groups(Transformer(), 0.2, lr=0.01, layer_decay=0.5, rates={"embed": 0, "head": 2})
    options: Any = {option: record.default for option, record in OPTIMIZERS[name].options.items()}
    optimizer = OPTIMIZERS[name].factory(groups, **options)
    keys = ("name", "lr", "weight_decay")
    assert [[group[key] for key in keys] for group in optimizer.param_groups] == [
        [group[key] for key in keys] for group in groups
    ]


# --- the table ---


def test_the_table_shows_every_parameter_in_aligned_columns() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2, bias=False), nn.PReLU())
    text = render_table(decay_table(model, rates={"2": 0.25, "3": 0}))
    assert text.splitlines() == [
        "parameter  shape    decays  rate    group             reason",
        "0.weight   2x1x3x3  yes     x1      hidden weights    weight (Conv2d)",
        "0.bias     2        no      x1      no decay          bias",
        "1.weight   2        no      x1      no decay          normalisation (BatchNorm2d)",
        "1.bias     2        no      x1      no decay          normalisation (BatchNorm2d)",
        "2.weight   2x2      yes     x0.25   other weights, 2  weight (Linear)",
        "3.weight   1        no      frozen  -                 frozen: rate 0 for '3'",
    ]
