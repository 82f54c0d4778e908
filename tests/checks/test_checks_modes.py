"""Both modes of a model: batch normalisation, dropout, and whether the input matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cases_wiring as nets
import pytest
import torch
from cases_wiring import CLASSES, FEATURES, WIDTH, labelled, made
from torch import nn
from torch.nn import functional as F
from wiring_nets import TwoInputs, kinds, one, two_inputs


class Normalised(nn.Sequential):
    """A convolution and batch normalisation over images."""

    def __init__(self) -> None:
        pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES))
        super().__init__(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *pooled)


def loader(samples: int, **options: Any) -> Callable[[], Any]:
    return lambda: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*labelled(samples)), **options)


def pictures() -> Any:
    return [(torch.randn(2, 1, 6, 6), torch.randint(0, CLASSES, (2,))) for _ in range(12)]


@pytest.mark.parametrize(
    ("build", "data", "expected"),
    [
        (lambda: nets.normalised().eval(), lambda: labelled(1), ["batch-norm-tiny-batch error"]),
        (nets.normalised, loader(25, batch_size=8), ["batch-norm-tiny-batch error"]),
        (nets.normalised, loader(25, batch_size=8, drop_last=True), []),
        (nets.normalised, loader(25, batch_size=5), []),
        (nets.mlp, loader(24, batch_size=2), []),
        (Normalised, pictures, ["batch-norm-tiny-batch warning"]),
    ],
    ids=["one sample", "one left over", "dropped", "five", "no normalisation", "two pictures"],
)
def test_batch_normalisation_is_held_against_the_smallest_batch(build: Any, data: Any, expected: list[str]) -> None:
    assert kinds(one(made(build, data=data)(), "modes")) == expected


def test_batch_normalisation_that_is_frozen_on_purpose_may_see_small_batches() -> None:
    def freeze(model: nn.Module) -> None:
        model.get_submodule("1").eval()

    assert one(made(nets.normalised, data=nets.batches_of(2), prepare=freeze)(), "modes").findings == ()


class Attending(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.hidden = how, [nn.Dropout(0.3)]
        self.first, self.head = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        if self.how == "attention":
            hidden = F.scaled_dot_product_attention(hidden[:, None], hidden[:, None], hidden[:, None], dropout_p=0.3)[
                :, 0
            ]
        elif self.how == "mask":
            hidden = hidden * torch.bernoulli(torch.full_like(hidden, 0.7))
        else:
            hidden = self.hidden[0](hidden)
        return self.head(hidden)


@pytest.mark.parametrize("how", ["attention", "mask", "hidden module"])
def test_dropout_that_stays_on_is_found_however_it_is_called(how: str) -> None:
    result = one(made(lambda: Attending(how))(), "modes")
    assert kinds(result) == ["dropout-always-on warning"]
    assert result.findings[0].where.file == __file__


def test_an_input_without_effect_is_named_without_complaint() -> None:
    result = one(made(lambda: TwoInputs(blind=True), data=two_inputs)(), "input-matters")
    assert result.status == "passed"
    assert result.measured["inputs_without_effect"] == "input 1"


def test_a_network_whose_units_are_all_dead_ignores_its_input() -> None:
    def kill(model: nn.Module) -> None:
        nn.init.constant_(model.get_parameter("2.bias"), -10.0)

    assert kinds(one(made(nets.mlp, prepare=kill)(), "input-matters")) == ["outputs-ignore-input warning"]


class Remembering(nn.Module):
    """Adds how often it was asked to its output."""

    def __init__(self, keeps: bool) -> None:
        super().__init__()
        self.keeps, self.head = keeps, nn.Linear(FEATURES, CLASSES)
        self.asked = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked += self.keeps
        return self.head(x) + self.asked + x[:, :1] * torch.randn(1)


def test_a_state_that_is_kept_from_pass_to_pass_is_told_apart_from_randomness() -> None:
    kept = one(made(lambda: Remembering(True))(), "modes")
    assert "by a state that it keeps" in kept.value
    assert "unless by design" in kept.expected
    random = one(made(lambda: Remembering(False))(), "modes")
    assert "a randomness of its own" in random.value
    plain = one(made(nets.mlp)(), "modes")
    assert (plain.value, plain.expected) == ("runs in both; varies by 0 in evaluation", "runs in both; varies by 0")
