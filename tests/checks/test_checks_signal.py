"""Activations, gradients and units before the first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cases_start as cases
import pytest
import torch
from cases_start import classes, made, mlp
from torch import nn
from torch.nn import functional as F

from trainwright.checks.initial_signal import CHECK
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of
from trainwright.vitals.linear_pairs import linear_pairs
from trainwright.vitals.signal import layer_signals, output_activation


def kinds(build: Callable[[], Subject]) -> list[str]:
    return [finding.kind for finding in run_check(made(build)(), CHECK).findings]


class Residual(nn.Module):
    """Residual branches whose last layer begins at zero, and a head that does."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.head = nn.Linear(8, 16), nn.Linear(16, 4)
        self.branches = nn.ModuleList(mlp(16, 16, 16) for _ in range(6))
        for branch in self.branches:
            for parameter in branch[-1].parameters():  # type: ignore[index]
                nn.init.zeros_(parameter)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for branch in self.branches:
            x = x + branch(F.relu(x))
        return self.head(x)


def test_residual_branches_and_heads_that_begin_at_zero_are_silent() -> None:
    assert kinds(lambda: subject_of(Residual(), "cross_entropy", classes())) == []


def test_a_softmax_regression_that_begins_at_zero_is_silent() -> None:
    def build() -> Subject:
        model = nn.Sequential(nn.Flatten(), nn.Linear(8, 4))
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        return subject_of(model, "cross_entropy", classes())

    assert kinds(build) == []


def test_constant_layers_are_named_by_their_parameter() -> None:
    [finding] = run_check(made(lambda: cases.equal_units(cases.all_equal, slice(0, 2)))(), CHECK).findings
    assert finding.where.parameter == "0.weight"
    assert finding.severity == "error"


def test_a_dead_layer_is_named_and_a_function_as_well() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 32), nn.Linear(32, 4)
            nn.init.constant_(self.first.bias, -10.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(F.relu(self.first(x)))

    result = run_check(made(lambda: subject_of(Functional(), "cross_entropy", classes()))(), CHECK)
    [finding] = [finding for finding in result.findings if finding.kind == "dead-relu"]
    assert finding.where.module == "relu(1)"
    assert finding.severity == "error"


def test_deep_networks_of_usual_initialisations_are_silent() -> None:
    def deep(depth: int, activation: type[nn.Module], fill: Callable[[torch.Tensor], object] | None) -> Subject:
        model = mlp(16, *[48] * depth, 4, activation=activation)
        if fill is not None:
            cases.filled(model, fill)
        return subject_of(model, "cross_entropy", classes(features=16))

    assert kinds(lambda: deep(9, nn.ReLU, None)) == []  # torch's own
    assert kinds(lambda: deep(20, nn.ReLU, nn.init.kaiming_normal_)) == []
    assert kinds(lambda: deep(8, nn.Tanh, nn.init.xavier_normal_)) == []
    assert kinds(lambda: deep(4, nn.Sigmoid, nn.init.xavier_normal_)) == []


def test_gates_and_recurrent_layers_are_no_saturated_activations() -> None:
    def build() -> Subject:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.cells, self.head = nn.LSTM(4, 16, batch_first=True), nn.Linear(16, 3)
                with torch.no_grad():
                    dict(self.cells.named_parameters())["bias_ih_l0"][16:32] = 50.0

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.head(self.cells(x)[0][:, -1])

        return subject_of(Net(), "cross_entropy", (torch.randn(48, 6, 4), torch.arange(48) % 3))

    assert kinds(build) == []


class Adapter(nn.Module):
    def __init__(self, rank: int) -> None:
        super().__init__()
        self.down, self.up, self.head = nn.Linear(8, rank), nn.Linear(rank, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(x + self.up(self.down(x))))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(-1)
        return self.head(F.relu(x + self.out(weights @ self.value(x))).mean(1))


@pytest.mark.parametrize(("rank", "found"), [(2, 0), (8, 1)], ids=["bottleneck", "full width"])
def test_a_bottleneck_is_no_missing_activation(rank: int, found: int) -> None:
    model = Adapter(rank)
    assert len(linear_pairs(model, lambda: model(torch.randn(5, 8)))) == found


def test_projections_of_attention_share_their_input_and_are_silent() -> None:
    model = Attention()
    assert linear_pairs(model, lambda: model(torch.randn(5, 6, 4))) == ()


def test_separable_convolutions_and_pooling_are_silent() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    )
    assert linear_pairs(model, lambda: model(torch.randn(5, 4, 8, 8))) == ()


def test_a_pair_is_found_through_views_and_in_plain_products() -> None:
    class Products(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(6, 12)), nn.Parameter(torch.randn(12, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ self.a).view(-1, 12) @ self.b

    model = Products()
    [pair] = linear_pairs(model, lambda: model(torch.randn(5, 6)))
    assert (pair.first, pair.second, pair.inputs, pair.between, pair.outputs) == ("a", "b", 6, 12, 4)


def test_signals_come_in_order_with_their_gradients_and_leave_none_behind() -> None:
    model = mlp(8, 16, 16, 4, activation=nn.Tanh)
    x, y = classes()
    signals = layer_signals(model, lambda: F.cross_entropy(model(x), y))
    assert [signal.module for signal in signals] == ["0", "1", "2", "3", "4"]
    assert all(signal.gradient is not None and signal.gradient > 0 for signal in signals)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert signals[0].std == pytest.approx(float(model[0](x).detach().std(correction=0)), rel=1e-4)


def test_the_last_activation_is_read_from_the_graph() -> None:
    model = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid(), nn.Flatten(0))
    found = output_activation(lambda: model(torch.randn(4, 3)))
    assert found is not None
    assert found[0] == "sigmoid"
    assert output_activation(lambda: model[0](torch.randn(4, 3))) is None


def test_pretrained_weights_are_not_judged_by_their_scale() -> None:
    def build() -> Subject:
        return cases.deep(lambda weight: nn.init.normal_(weight, std=1.0))

    assert run_check(dataclasses.replace(made(build)(), pretrained=True), CHECK).findings == ()
