"""Which parameters the loss reaches, which hide, and which the optimizer holds and moves."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cases_wiring as nets
import pytest
import torch
from cases_wiring import WIDTH, Plain, adam, made
from torch import nn
from torch.nn import functional as F
from wiring_nets import Holder, adam_of, kinds, one

from trainwright.errors import ModelError


class UsesData(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(F.linear(x, self.encoder.weight.data, self.encoder.bias)))


def test_a_single_weight_taken_out_of_the_graph_is_named_with_its_line() -> None:
    (finding,) = one(made(UsesData)(), "parameters-reached").findings
    assert finding.kind == "parameters-without-gradient"
    assert finding.where.parameter == "encoder.weight"
    assert finding.where.file == __file__
    assert finding.where.line is not None
    with open(__file__) as source:
        assert ".data" in source.readlines()[finding.where.line - 1]


def test_a_detached_encoder_that_the_optimizer_does_not_hold_is_a_probe_on_purpose() -> None:
    subject = made(nets.CutBetween, optimizer=lambda model: adam_of(model, "head.weight", "head.bias"))()
    assert one(subject, "parameters-reached").findings == ()


def test_a_loss_that_is_a_plain_number_is_refused_with_what_it_returned() -> None:
    with pytest.raises(ModelError, match="a number without a graph"):
        made(Plain, loss=lambda output, target: F.cross_entropy(output, target).item())()


class Hidden(Plain):
    """Keeps a layer, or a weight, where the model does not see it."""

    def __init__(self, hold: Callable[[], Any], get: Callable[[Any], Any]) -> None:
        super().__init__()
        self.kept, self.get = hold(), get

    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        part = self.get(self.kept)
        return hidden * part if isinstance(part, torch.Tensor) else part(hidden)


@pytest.mark.parametrize(
    ("hold", "get", "name"),
    [
        (lambda: {"a": [nn.Linear(WIDTH, WIDTH)]}, lambda kept: kept["a"][0], "kept['a'][0].weight"),
        (lambda: (nn.Linear(WIDTH, WIDTH),), lambda kept: kept[0], "kept[0].weight"),
        (lambda: Holder(nn.Linear(WIDTH, WIDTH)), lambda kept: kept.held, "kept.held.weight"),
        (lambda: torch.ones(WIDTH, requires_grad=True), lambda kept: kept, "kept"),
    ],
    ids=["dict of lists", "tuple", "plain object", "plain tensor"],
)
def test_hidden_weights_are_found_wherever_they_hide(hold: Any, get: Any, name: str) -> None:
    (finding,) = one(made(lambda: Hidden(hold, get))(), "layers-registered").findings
    assert (finding.kind, finding.where.parameter) == ("unregistered-submodule", name)
    assert finding.where.line is not None


def test_hidden_weights_that_the_optimizer_holds_are_trained_and_no_fault() -> None:
    def build(model: nn.Module) -> torch.optim.Optimizer:
        assert isinstance(model, nets.Listed)
        return torch.optim.SGD(
            [*model.parameters(), *(p for layer in model.layers for p in layer.parameters())], lr=0.1
        )

    assert one(made(lambda: nets.Listed(list), optimizer=build)(), "layers-registered").findings == ()


def twice(model: nn.Module) -> torch.optim.Optimizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch only warns of it
        return torch.optim.SGD([*model.parameters(), next(model.parameters())], lr=0.1)


def frozen_between(model: nn.Module) -> torch.optim.Optimizer:
    model.get_submodule("2").requires_grad_(False)
    return adam(model)


def frozen_only(model: nn.Module) -> torch.optim.Optimizer:
    assert isinstance(model, Plain)
    return torch.optim.SGD(model.encoder.requires_grad_(False).parameters(), lr=0.1)


def handed_on(model: nn.Module) -> torch.optim.Optimizer:
    assert isinstance(model, Plain)
    model.encoder.requires_grad_(False)
    return adam(model)


@pytest.mark.parametrize(
    ("build", "optimizer", "expected"),
    [
        (nets.mlp, twice, ["parameters-not-in-optimizer error"]),
        (nets.mlp, lambda model: adam_of(model, "0.weight", "0.bias"), ["parameters-not-in-optimizer error"]),
        (Plain, lambda model: adam_of(model, "head.weight", "head.bias"), ["parameters-not-in-optimizer note"]),
        (nets.mlp, frozen_between, ["parameters-frozen warning"]),
        (Plain, frozen_only, ["parameters-frozen error"]),
        (Plain, handed_on, ["parameters-frozen note"]),
        (lambda: Plain().requires_grad_(False), None, ["parameters-frozen error"]),
        (nets.Overwritten, adam, ["weights-never-updated warning"]),
        (nets.Overwritten, None, ["weights-never-updated warning"]),
    ],
    ids=[
        "twice",
        "first only",
        "probe",
        "between",
        "frozen only",
        "handed on",
        "all frozen",
        "set",
        "set, no optimizer",
    ],
)
def test_who_is_in_the_optimizer_and_moves(build: Any, optimizer: Any, expected: list[str]) -> None:
    assert kinds(one(made(build, optimizer=optimizer)(), "parameters-updated")) == expected
