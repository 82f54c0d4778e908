"""Rates of parts: each part at its own, and layers that learn the slower the deeper they lie."""

from __future__ import annotations

import math
from typing import Any

import pytest
from parts_networks import Backbone, Block, Transformer, members, rates_of
from torch import nn

from trainwright.errors import UsageError
from trainwright.parts.catalogue import option_problem
from trainwright.parts.groups import OPTIONS, decay_table, parameter_groups


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
