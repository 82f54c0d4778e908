"""Weights, activations and modes that begin in an unusual state on purpose."""

from __future__ import annotations

import math

import torch
from checks_controls import adam, blobs, curve, images, named, perceptron
from checks_controls import sequences as token_sequences
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


def relu_net_with_half_of_its_units_at_zero() -> Subject:
    model = perceptron(8, 4, width=32, depth=4)
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model, 1e-3))


class ZeroBranches(nn.Module):
    """Residual branches whose last scale is zero, so that the network begins as a shallow one."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8, 3)
        self.branches = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
                *(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)),
            )
            for _ in range(2)
        )
        for branch in self.branches:
            nn.init.zeros_(list(branch.parameters())[-2])  # the scale of the last norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for branch in self.branches:
            x = F.relu(x + branch(x))
        return self.leave(x.mean((2, 3)))


def residual_branches_that_begin_at_zero() -> Subject:
    model = ZeroBranches()
    return subject_of(model, "cross_entropy", images(), optimizer=adam(model))


class Adapted(nn.Module):
    """A frozen layer with an adapter of low rank, whose second factor begins at zero (LoRA)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(3, layer.in_features) / math.sqrt(layer.in_features))
        self.up = nn.Parameter(torch.zeros(layer.out_features, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + x @ self.down.T @ self.up.T


def adapters_of_low_rank() -> Subject:
    plain = perceptron(8, 4)
    layers = [Adapted(layer) if isinstance(layer, nn.Linear) else layer for layer in plain]
    model = nn.Sequential(*layers)
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model, 1e-2))


def head_that_begins_at_zero() -> Subject:
    model = perceptron(8, 4)
    nn.init.zeros_(list(model.parameters())[-2])
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


class Prenet(nn.Module):
    """Dropout before the layers that also stays on when the network is used, as in Tacotron 2."""

    def __init__(self) -> None:
        super().__init__()
        self.prenet, self.rest = nn.Linear(8, 32), perceptron(32, 4, depth=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(F.dropout(F.relu(self.prenet(x)), 0.3, training=True))


def prenet_with_dropout_that_is_always_on() -> Subject:
    model = Prenet()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


class Remembering(nn.Module):
    """An LSTM whose forget gates begin nearly open, to remember over long sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.cells, self.head = nn.Embedding(12, 8), nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 2)
        with torch.no_grad():
            biases = dict(self.cells.named_parameters())
            biases["bias_ih_l0"][16:32] = 5.0
            biases["bias_hh_l0"][16:32] = 0.0

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(self.embedding(ids))[0].mean(1))


def lstm_with_open_gates() -> Subject:
    model = Remembering()
    return subject_of(model, "cross_entropy", token_sequences(), optimizer=adam(model))


class Pointing(nn.Module):
    """Attention that looks at nearly one place, by a sharp temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.query = nn.Embedding(12, 16), nn.Parameter(torch.randn(4, 16))
        self.head = nn.Linear(64, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids)
        weights = (2.0 * x @ self.query.T).softmax(1)  # (N, L, 4), nearly one-hot over the places
        return self.head((weights.transpose(1, 2) @ x).flatten(1))


def attention_that_is_nearly_one_hot() -> Subject:
    model = Pointing()
    return subject_of(model, "cross_entropy", token_sequences(), optimizer=adam(model))


def gated_layers() -> Subject:
    """Sigmoids as gates between layers, as in gated linear units."""

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.values, self.gates, self.head = nn.Linear(8, 24), nn.Linear(8, 24), nn.Linear(24, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.values(x) * torch.sigmoid(self.gates(x)))

    model = Gated()
    return subject_of(model, "mse", curve(features=8), optimizer=adam(model))


def self_normalising_layers() -> Subject:
    model = nn.Sequential(
        *(nn.Linear(6, 24), nn.SELU(), nn.Linear(24, 24), nn.SELU(), nn.Linear(24, 24), nn.SELU(), nn.Linear(24, 1))
    )
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
    return subject_of(model, "mse", curve(), optimizer=adam(model, 1e-3))


def evaluation_mode_without_dropout_or_batch_norm() -> Subject:
    model = perceptron(8, 4).eval()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


def linear_model_on_purpose() -> Subject:
    model = nn.Linear(8, 4)
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


class Crops(nn.Module):
    """Several crops of each image, one after the other through batch norm, and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)


def batch_norm_over_many_crops() -> Subject:
    x, y = images()
    crops = torch.stack([x[:, :, a : a + 6, b : b + 6] for a, b in ((0, 0), (0, 2), (2, 0), (2, 2))], 1)
    model = Crops()
    return subject_of(model, "cross_entropy", (crops, y), optimizer=adam(model))


CONTROLS = named(
    relu_net_with_half_of_its_units_at_zero,
    residual_branches_that_begin_at_zero,
    adapters_of_low_rank,
    head_that_begins_at_zero,
    prenet_with_dropout_that_is_always_on,
    lstm_with_open_gates,
    attention_that_is_nearly_one_hot,
    gated_layers,
    self_normalising_layers,
    evaluation_mode_without_dropout_or_batch_norm,
    linear_model_on_purpose,
    batch_norm_over_many_crops,
)
