from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vitals_nets import batch, delicate

from trainwright.records import LayerStats
from trainwright.vitals.layers import layer_stats


def by_module(model: nn.Module, x: torch.Tensor) -> dict[str, LayerStats]:
    return {layer.module: layer for layer in layer_stats(model, x, 5)}


def hand_made(dead: int, units: int = 8) -> Any:
    """Return a net of which `dead` hidden units can never fire and the others always do."""
    model: Any = nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 2))
    with torch.no_grad():
        model[0].weight.fill_(0.1)
        model[0].bias.fill_(1.0)
        model[0].bias[:dead] = -10.0
    return model


@pytest.mark.parametrize("dead", [0, 1, 3, 8])
def test_the_share_of_dead_units_is_exact(dead: int) -> None:
    x = torch.rand(20, 4)
    relu = by_module(hand_made(dead), x)["1"]
    assert (relu.kind, relu.units, relu.samples, relu.step) == ("ReLU", 8, 20, 5)
    assert relu.dead_fraction == dead / 8
    assert relu.zero_fraction == dead / 8


def test_a_unit_that_fires_for_one_sample_is_not_dead() -> None:
    model: Any = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.copy_(torch.tensor([-5.0, 0.0]))
    x = torch.tensor([[1.0]] * 9 + [[6.0]])
    relu = by_module(model, x)["1"]
    assert relu.dead_fraction == 0
    assert relu.zero_fraction == pytest.approx(9 / 20)


def test_the_units_of_a_convolution_are_its_channels() -> None:
    model: Any = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor([-1.0, 1.0, -1.0, -1.0]))
    relu = by_module(model, torch.rand(6, 1, 5, 7))["1"]
    assert (relu.units, relu.samples, relu.dead_fraction) == (4, 6, 0.75)


def test_the_units_of_a_sequence_are_its_last_dimension() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.GELU())
    assert by_module(model, torch.rand(4, 9, 3))["1"].units == 6


def test_mean_and_spread_are_those_of_the_outputs() -> None:
    model = delicate()
    x, _ = batch()
    layers = by_module(model, x)
    model.eval()
    output = x
    with torch.no_grad():
        for name, module in model.named_children():
            # A copy, because a ReLU in place overwrites what came before it.
            output = module(output.clone())
            values = output.double().numpy()
            # The statistics are taken in float32.
            assert layers[name].mean == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
            assert layers[name].std == pytest.approx(values.std(), rel=1e-5)
            assert layers[name].zero_fraction == pytest.approx(np.mean(values == 0))
    assert list(layers) == [name for name, _ in model.named_children()]


def test_layers_are_measured_without_dropout_and_always_alike() -> None:
    model, (x, _) = delicate(), batch()
    assert layer_stats(model, x, 0) == layer_stats(model, x, 0)
    layers = by_module(model, x)
    assert layers["4"].zero_fraction == layers["3"].zero_fraction


def test_norms_are_those_of_weights_and_of_the_gradients_at_hand() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    x, y = batch()
    assert by_module(model, x)["0"].gradient_norm is None
    F.cross_entropy(model(x), y).backward()
    layers = by_module(model, x)
    for name in ("0", "2"):
        parameters = [parameter.detach().double().numpy() for parameter in model[int(name)].parameters()]
        gradients = [p.grad.double().numpy() for p in model[int(name)].parameters() if p.grad is not None]
        joined = [np.concatenate([part.ravel() for part in parts]) for parts in (parameters, gradients)]
        assert layers[name].weight_norm == pytest.approx(np.linalg.norm(joined[0]), rel=1e-6)
        assert layers[name].gradient_norm == pytest.approx(np.linalg.norm(joined[1]), rel=1e-6)
    assert (layers["1"].weight_norm, layers["1"].gradient_norm) == (None, None)


def test_nested_modules_are_named_by_their_path_and_only_leaves_are_measured() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.ReLU()), nn.Linear(4, 3))
    assert list(by_module(model, batch()[0])) == ["0.0", "0.1", "1"]


def test_outputs_that_are_no_table_of_numbers_are_passed_over() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent = nn.LSTM(5, 3, batch_first=True)  # gives a tuple
            self.flat = nn.Flatten(0)  # gives one dimension
            self.head = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden, _ = self.recurrent(x[:, None])
            self.flat(hidden)
            return self.head(hidden[:, 0])

    assert list(by_module(Odd(), batch()[0])) == ["head"]


def test_layers_that_are_not_finite_are_measured_as_they_are() -> None:
    model = hand_made(0)
    with torch.no_grad():
        model[0].weight[0, 0] = float("inf")
    assert not np.isfinite(by_module(model, torch.rand(5, 4))["1"].mean)
