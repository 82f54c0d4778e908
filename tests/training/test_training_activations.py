"""Activations that are computed again give the same gradients, the same statistics, and take less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.errors import UsageError
from trainwright.randomness import isolated
from trainwright.tensors import copy_state
from trainwright.training.activations import checkpointing


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.Dropout(0.2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(6, 8)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True) for _ in range(3)
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inside(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def mlp() -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(8):
        layers += [nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(6, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        *(layer for _ in range(3) for layer in (nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU())),
        nn.Flatten(),
        nn.Linear(2 * 36, 3),
    )


def residual() -> nn.Module:
    return nn.Sequential(*(Residual(2) for _ in range(4)), nn.Flatten(), nn.Linear(72, 3))


def in_place() -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(5):
        layers += [nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(6, 3))


def in_place_blocks() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 6), *(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 6)) for _ in range(3)), nn.Linear(6, 3)
    )


MODELS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (mlp, (7, 6)),
    (in_place, (7, 6)),
    (in_place_blocks, (7, 6)),
    (cnn, (7, 2, 6, 6)),
    (residual, (7, 2, 6, 6)),
    (Transformer, (7, 5, 6)),
]


def step(model: nn.Module, x: torch.Tensor) -> tuple[float, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the loss, the gradients by name, and the state after two passes forwards and backwards."""
    y = torch.arange(len(x)) % 3
    model.zero_grad()
    value = 0.0
    with isolated(3):
        for _ in range(2):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            value = loss.item()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return value, gradients, copy_state(model)


@pytest.mark.parametrize(("make", "shape"), MODELS)
def test_gradients_and_statistics_are_those_of_the_plain_model(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    with isolated(0):
        plain = make().double()
        x = torch.randn(shape, dtype=torch.float64)
    other = copy.deepcopy(plain)
    expected = step(plain, x)
    with checkpointing(other):
        found = step(other, x)
    assert found[0] == expected[0]
    assert found[1].keys() == expected[1].keys() == dict(plain.named_parameters()).keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-12, atol=1e-15)
    for name, value in expected[2].items():  # running statistics and their counter were updated once a step
        torch.testing.assert_close(found[2][name], value, rtol=0, atol=0)


@pytest.mark.parametrize(("make", "shape"), MODELS)
def test_names_and_forward_are_as_before_afterwards_even_after_an_error(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    model = make()
    names = list(model.state_dict())

    def fail() -> None:
        with checkpointing(model):
            assert list(model.state_dict()) == names
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not any("forward" in vars(module) for module in model.modules())


def test_fewer_tensors_are_kept_for_the_backward_pass() -> None:
    def saved_bytes(model: nn.Module, x: torch.Tensor) -> int:
        storages: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = model(x)
        assert output.requires_grad
        return sum(storages.values())

    with isolated(0):
        model = nn.Sequential(*(layer for _ in range(16) for layer in (nn.Linear(32, 32), nn.Tanh())))
        x = torch.randn(256, 32)
    plain = saved_bytes(model, x)
    with checkpointing(model):
        fewer = saved_bytes(model, x)
    assert fewer < 0.6 * plain


def test_evaluation_computes_nothing_twice() -> None:
    calls = []

    class Counts(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            calls.append(len(input))
            return super().forward(input)

    model = nn.Sequential(Counts(4, 4), nn.ReLU(), Counts(4, 4), nn.ReLU())
    with checkpointing(model):
        model.eval()
        model(torch.ones(2, 4)).sum().backward()
        assert len(calls) == 2
        model.train()
        model(torch.ones(2, 4)).sum().backward()
        assert len(calls) == 5  # the first segment once more


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(UsageError, match="no blocks"), checkpointing(nn.Linear(3, 2)):
        pass
