from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts.catalogue import option_problem
from trainwright.parts.groups import OPTIONS, GroupRow, decay_table, parameter_groups, render_table
from trainwright.parts.models import CATALOGUE, build
from trainwright.parts.optimizers import CATALOGUE as OPTIMIZERS
from trainwright.records import DataShape
from trainwright.tensors import is_normalisation


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
        self.channel_scale = nn.Parameter(torch.ones(1, 4, 1, 1))  # four dimensions, and still a vector
        self.position_embedding = nn.Parameter(torch.ones(1, 7, 4))


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


class Edges(nn.Module):
    """What is hidden, and what only looks so."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.kernel = nn.Conv2d(6, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.upwards = nn.ConvTranspose2d(8, 8, 2)
        self.row = nn.Linear(8, 1)
        self.column = nn.Linear(1, 8)
        self.pair = nn.Bilinear(8, 8, 8)
        self.cell = nn.GRUCell(8, 8)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 3))


class Tied(nn.Module):
    def __init__(self, *, head_first: bool) -> None:
        super().__init__()
        parts: dict[str, nn.Module] = {"embed": nn.Embedding(11, 4), "head": nn.Linear(4, 11)}
        parts["head"].weight = parts["embed"].weight
        for name in sorted(parts, reverse=head_first):
            self.add_module(name, parts[name])


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


# --- rates of parts ---


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 5, 4))
        self.embed = nn.Embedding(11, 4)
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.dropout = nn.Dropout(0.1)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 11)


def rates_of(model: nn.Module, **settings: Any) -> dict[str, float]:
    return {row.name: row.rate for row in decay_table(model, **settings)}


def named(model: nn.Module, *starts: str) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith(starts)}


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("head", ("head.",)),
        ("head.bias", ("head.bias",)),
        ("blocks.1", ("blocks.1.",)),
        ("blocks.*.norm*", ("blocks.0.norm", "blocks.1.norm", "blocks.2.norm")),
        ("blocks.[02]", ("blocks.0", "blocks.2")),
        ("blocks.*.mlp", ("blocks.0.mlp", "blocks.1.mlp", "blocks.2.mlp")),
        ("*norm", ("blocks.0.norm", "blocks.1.norm", "blocks.2.norm", "norm")),
        ("position", ("position",)),
        ("*", ("",)),
    ],
)
def test_a_pattern_covers_a_part_and_all_below_it(pattern: str, covered: tuple[str, ...]) -> None:
    model = Transformer()
    found = rates_of(model, rates={pattern: 0.5})
    assert {name for name, rate in found.items() if rate == 0.5} == named(model, *covered)
    assert {name for name, rate in found.items() if rate == 1.0} == set(found) - named(model, *covered)


def test_a_path_covers_whole_names_alone() -> None:
    model = nn.ModuleDict({"block": nn.Linear(2, 2), "blocks": nn.Linear(2, 2)})
    assert rates_of(model, rates={"block": 3}) == {
        "block.weight": 3,
        "block.bias": 3,
        "blocks.weight": 1,
        "blocks.bias": 1,
    }


def test_the_last_pattern_that_covers_a_parameter_decides() -> None:
    found = rates_of(Transformer(), rates={"*": 0.0, "blocks": 0.1, "blocks.2": 0.5, "head": 10})
    assert found["embed.weight"] == 0.0
    assert found["blocks.0.norm.weight"] == 0.1
    assert found["blocks.2.norm.weight"] == 0.5
    assert found["head.bias"] == 10


def test_each_group_trains_at_its_own_rate_and_the_full_rate_comes_first() -> None:
    model = Transformer()
    groups = parameter_groups(model, 0.1, lr=0.01, rates={"embed": 0.0, "blocks": 0.1, "head": 10})
    assert [(group["name"], group["weight_decay"], group["lr"]) for group in groups] == [
        ("no decay", 0.0, 0.01),
        ("other weights, head", 0.1, 0.1),
        ("no decay, head", 0.0, 0.1),
        ("hidden weights, blocks", 0.1, pytest.approx(0.001)),
        ("no decay, blocks", 0.0, pytest.approx(0.001)),
    ]
    expected = named(model, "") - {"embed.weight"}
    assert sorted(map(id, members(groups))) == sorted(
        id(parameter) for name, parameter in model.named_parameters() if name in expected
    )


def test_a_rate_of_zero_says_so_in_the_table() -> None:
    row = next(row for row in decay_table(Transformer(), rates={"head": 0}) if row.name == "head.weight")
    assert (row.decays, row.rate, row.group, row.reason) == (False, 0.0, "", "frozen: rate 0 for 'head'")


def test_a_misspelt_pattern_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no parameter is called 'haed'") as caught:
        decay_table(Transformer(), rates={"haed": 0.1})
    assert caught.value.remedy == "did you mean 'head'?"
    assert caught.value.evidence == "the model's parts: position, embed, blocks, norm, head, body"
    with pytest.raises(UsageError) as caught:
        decay_table(Transformer(), rates={"blocks.*.nrom": 0.1})
    assert "norm" in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        decay_table(Transformer(), rates={"zzz": 0.1})
    assert caught.value.remedy == "name a part, a parameter, or a glob such as *.bias"


def test_a_part_without_parameters_has_no_rate() -> None:
    with pytest.raises(UsageError, match="no parameter is called 'dropout'"):
        decay_table(Transformer(), rates={"dropout": 0.1})


def test_a_pattern_that_later_ones_hide_is_refused() -> None:
    with pytest.raises(UsageError, match="the rate of 'head' decides nothing") as caught:
        decay_table(Transformer(), rates={"head": 1.0, "*": 0.0})
    assert "'*'" in caught.value.evidence
    assert caught.value.remedy == "put 'head' last, or leave it out"


@pytest.mark.parametrize("multiple", [-0.1, math.nan, math.inf, True, "0.1", None])
def test_a_multiple_that_is_no_number_from_zero_is_refused(multiple: Any) -> None:
    with pytest.raises(UsageError, match="the rate of 'head' must be a multiple"):
        decay_table(Transformer(), rates={"head": multiple})


def test_rates_without_the_rate_that_they_are_multiples_of_are_refused() -> None:
    with pytest.raises(UsageError, match="need the learning rate"):
        parameter_groups(Transformer(), 0.1, rates={"head": 2})
    assert members(parameter_groups(Transformer(), 0.1, rates={"embed": 0}))  # to freeze needs none


# --- layers ---


def distances(model: nn.Module) -> dict[str, int]:
    """Return how far from the output each parameter is: a decay of one half says it in powers of two."""
    return {name: round(-math.log2(rate)) for name, rate in rates_of(model, layer_decay=0.5).items()}


def test_the_rate_falls_by_a_factor_for_each_layer_from_the_output() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Dropout(), nn.Linear(3, 2))
    found = rates_of(model, layer_decay=0.8)
    assert found == {
        "0.weight": pytest.approx(0.64),
        "0.bias": pytest.approx(0.64),
        "2.weight": pytest.approx(0.8),
        "2.bias": pytest.approx(0.8),
        "4.weight": 1.0,
        "4.bias": 1.0,
    }
    groups = parameter_groups(model, 0.1, lr=0.01, layer_decay=0.8)
    assert [(group["name"], group["lr"]) for group in groups] == [
        ("other weights, layer 3 of 3", 0.01),
        ("no decay, layer 3 of 3", 0.01),
        ("hidden weights, layer 2 of 3", pytest.approx(0.008)),
        ("no decay, layer 2 of 3", pytest.approx(0.008)),
        ("hidden weights, layer 1 of 3", pytest.approx(0.0064)),
        ("no decay, layer 1 of 3", pytest.approx(0.0064)),
    ]


def test_a_block_is_one_layer_and_the_stack_is_found_below_the_root() -> None:
    found = distances(Transformer())
    for name, distance in found.items():
        part = name.split(".")[0]
        expected = 3 - int(name.split(".")[1]) if part == "blocks" else {"head": 0, "norm": 1}.get(part, 4)
        assert distance == expected, name


def test_a_normalisation_belongs_to_the_layer_before_it() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    assert [distances(model)[f"{place}.weight"] for place in (0, 1, 2, 4)] == [1, 1, 1, 0]


class Backbone(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(4, 2)


def test_the_layers_of_a_backbone_are_those_of_the_model_whatever_wraps_it() -> None:
    alone = distances(Transformer())
    for model, prefix in [
        (Backbone(Transformer()), "body."),
        (nn.Sequential(Transformer(), nn.Linear(11, 2)), "0."),
        (nn.Sequential(nn.Sequential(Transformer()), nn.Linear(11, 2)), "0.0."),
    ]:
        found = distances(model)
        assert {name: found[prefix + name] for name in alone} == {name: far + 1 for name, far in alone.items()}
    assert distances(nn.ModuleDict({"net": Transformer()})) == {f"net.{name}": far for name, far in alone.items()}


def test_blocks_beside_one_another_are_layers_whatever_is_in_them() -> None:
    model = nn.Sequential(Block(), Block(), nn.Linear(4, 2))
    assert {name.split(".")[0]: far for name, far in distances(model).items()} == {"0": 2, "1": 1, "2": 0}
    assert len({far for name, far in distances(model).items() if name.startswith("0.")}) == 1


def test_an_element_of_a_stack_is_one_layer_even_if_it_is_a_stack_itself() -> None:
    def pair() -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    found = distances(nn.Sequential(pair(), pair(), nn.Linear(4, 2)))
    assert [found[name] for name in ("0.0.weight", "0.2.weight", "1.0.weight", "1.2.weight", "2.weight")] == [
        2,
        2,
        1,
        1,
        0,
    ]


def test_the_only_content_of_a_wrapper_is_looked_into() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 2)

    assert distances(nn.Sequential(nn.Flatten(), Two())) == {
        "1.first.weight": 1,
        "1.first.bias": 1,
        "1.second.weight": 0,
        "1.second.bias": 0,
    }


def test_a_parameter_of_two_layers_belongs_to_the_first() -> None:
    model = nn.Sequential(nn.Embedding(11, 4), nn.Linear(4, 4), nn.Linear(4, 11))
    model[2].weight = model[0].weight
    assert distances(model) == {"0.weight": 2, "1.weight": 1, "1.bias": 1, "2.bias": 0}


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.LayerNorm(2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2))])
def test_a_model_of_one_layer_keeps_its_rate(model: nn.Module) -> None:
    assert set(distances(model).values()) == {0}


def test_layer_decay_and_rates_multiply() -> None:
    found = rates_of(Transformer(), layer_decay=0.5, rates={"blocks.0": 0.1, "head": 3})
    assert found["blocks.0.norm.weight"] == pytest.approx(0.5**3 * 0.1)
    assert found["blocks.1.norm.weight"] == 0.25
    assert found["head.weight"] == 3


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5, math.nan])
def test_a_layer_decay_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="layer_decay must be"):
        decay_table(nn.Linear(2, 2), layer_decay=value)


def test_the_option_of_layer_decay_is_off_by_default() -> None:
    record = OPTIONS["layer_decay"]
    assert record.default == 1.0
    assert option_problem("layer_decay", record.default, record) is None
    assert rates_of(Transformer()) == dict.fromkeys(rates_of(Transformer()), 1.0)


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
