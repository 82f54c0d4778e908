"""What is frozen and until when: weights, statistics and modes, by the names of parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts.freezing import FOREVER, GRADUAL_SHARE, Freezing, freezing_of
from trainwright.parts.groups import decay_table
from trainwright.parts.models import CATALOGUE, build
from trainwright.records import DataShape


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(6, 6),
        nn.Dropout(0.5),
        nn.Linear(6, 2),
    )


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"embed": nn.Linear(4, 6), "drop": nn.Dropout(0.1), "norm": nn.BatchNorm1d(6)})
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.1)) for _ in range(4))
        self.plain = nn.BatchNorm1d(6, affine=False)
        self.head = nn.Linear(6, 2)


def parts(freezing: Freezing) -> set[str]:
    return {name.rpartition(".")[0] for name in freezing.parameters}


def test_nothing_is_frozen_where_nothing_is_asked_for() -> None:
    assert not freezing_of(chain())


def test_a_part_is_frozen_with_the_modules_below_it() -> None:
    found = freezing_of(Blocks(), freeze=["body", "blocks.*"])
    assert parts(found) == {"body.embed", "body.norm", *(f"blocks.{place}.0" for place in range(4))}
    assert {"body", "body.drop", "body.norm", "blocks", "blocks.3", "blocks.3.1"} <= set(found.modules)
    assert set(found.parameters.values()) == {FOREVER}
    assert "head" not in found.modules
    assert "plain" not in found.modules


def test_body_is_all_but_the_last_layer_where_no_part_is_called_so() -> None:
    found = freezing_of(chain(), freeze=["body"])
    assert parts(found) == {"0", "1", "4"}
    assert set(found.modules) == {"0", "1", "2", "3", "4", "5"}


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_body_and_head_divide_every_built_in_network_of_images(name: str) -> None:
    shape = DataShape(input_shape=(1, 8, 8), outputs=3, task="classification")
    model = build(name, shape, {})
    body, head = (set(freezing_of(model, freeze=[part]).parameters) for part in ("body", "head"))
    assert not body & head
    assert body | head == set(dict(model.named_parameters()))
    assert {model.get_parameter(name).shape[0] for name in head} == {3}
    assert name in CATALOGUE


def test_a_rate_of_zero_is_the_same_as_freeze() -> None:
    by_rate, by_name = freezing_of(chain(), rates={"0": 0.0, "1": 0}), freezing_of(chain(), freeze=["0", "1"])
    assert by_rate == by_name
    assert set(by_rate.modules) == {"0", "1"}


def test_a_module_of_which_a_part_learns_keeps_its_mode() -> None:
    assert freezing_of(chain(), freeze=["*bias"]).modules == {}
    assert set(freezing_of(chain(), freeze=["1.weight", "1.bias"]).modules) == {"1"}


def test_modules_without_parameters_can_be_named() -> None:
    found = freezing_of(Blocks(), freeze=["plain", "body.drop"])
    assert found.parameters == {}
    assert set(found.modules) == {"plain", "body.drop"}


def test_tied_weights_are_frozen_under_any_of_their_names() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(5, 4)
            self.mix = nn.Linear(4, 4)
            self.output = nn.Linear(4, 5, bias=False)
            self.output.weight = self.embedding.weight

    assert set(freezing_of(Tied(), freeze=["output"]).parameters) == {"embedding.weight"}


def test_parts_are_freed_at_their_time_and_out_of_what_is_frozen_for_good() -> None:
    found = freezing_of(
        Blocks(), freeze=["body", "blocks"], unfreeze={"blocks.3": 0.2, "blocks.2": 0.4, "body.norm": 0.0}
    )
    assert found.parameters["blocks.3.0.weight"] == found.modules["blocks.3.1"] == 0.2
    assert found.parameters["blocks.2.0.weight"] == 0.4
    assert found.parameters["blocks.1.0.weight"] == FOREVER
    assert "body.norm.weight" not in found.parameters
    assert found.times == (0.2, 0.4)
    assert "blocks.2.0.weight" not in found.always


def test_gradual_frees_layer_after_layer_from_the_last() -> None:
    model = chain()
    found = freezing_of(model, unfreeze="gradual")
    assert "6.weight" not in found.parameters
    assert found.parameters["4.weight"] == GRADUAL_SHARE / 2
    assert found.parameters["0.weight"] == found.parameters["1.weight"] == GRADUAL_SHARE
    assert found.modules["1"] == GRADUAL_SHARE
    partly = freezing_of(model, freeze=["0"], unfreeze="gradual")
    assert partly.parameters["0.weight"] == FOREVER


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"freeze": ["bdy"]}, "no parameter is called 'bdy'"),
        ({"unfreeze": {"blokcs.1": 0.5}}, "no parameter is called 'blokcs.1'"),
        ({"unfreeze": {"body": 1.0}}, "from 0 to less than 1"),
        ({"unfreeze": {"body": -0.1}}, "from 0 to less than 1"),
        ({"rates": {"body": 0.0}, "unfreeze": {"body": 0.5}}, "and has a rate of 0"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_a_remedy(asked: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        freezing_of(Blocks(), **asked)
    assert caught.value.remedy


def test_a_misspelt_part_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        freezing_of(Blocks(), freeze=["blokcs"])
    assert caught.value.remedy == "did you mean 'blocks'?"


def test_a_run_whose_first_steps_would_train_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="everything is frozen when the run begins"):
        freezing_of(chain(), unfreeze={"*": 0.3})


def test_the_head_can_have_a_rate_of_its_own_beside_lower_ones_for_earlier_layers() -> None:
    rows = {row.name: row for row in decay_table(chain(), layer_decay=0.5, rates={"head": 10.0}, frozen={"0.weight"})}
    assert rows["6.weight"].rate == 10.0
    assert rows["4.weight"].rate == 0.5
    assert rows["0.bias"].rate == 0.25
    assert (rows["0.weight"].rate, rows["0.weight"].group) == (0.0, "")


def test_nothing_is_changed_by_asking() -> None:
    model = chain()
    freezing_of(model, freeze=["body"])
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(module.training for module in model.modules())
    assert not torch.is_inference_mode_enabled()
