"""Networks whose dimensions, sharing or gradients are unusual and right: taggers, maps, deep nets, rounding."""

from __future__ import annotations

from typing import Any

import torch
from checks_controls import adam, blobs, curve, images, named, perceptron
from checks_controls import sequences as token_sequences
from controls_plain import successors
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


class Tagger(nn.Module):
    """A tag for each token from what stands on both sides: `(N, tags, L)`."""

    def __init__(self, tokens: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, 8)
        self.cells = nn.GRU(8, 8, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, tags)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(self.embedding(ids))[0]).transpose(1, 2)


def tags_from_both_sides() -> Subject:
    """The tag says whether the next token is higher: it is read from the right, and may be."""
    ids, _ = token_sequences()
    y = (ids.roll(-1, 1) > ids).long()
    model = Tagger(12, 2)
    return subject_of(model, "cross_entropy", (ids, y), optimizer=adam(model))


def masked_tokens_from_both_sides() -> Subject:
    ids, _ = successors(tokens=10)
    hidden = torch.rand(ids.shape) < 0.2
    hidden[:, 3] = True
    x, y = torch.where(hidden, 10, ids), torch.where(hidden, ids, -100)
    model = Tagger(11, 10)
    return subject_of(model, nn.CrossEntropyLoss(), (x, y), optimizer=adam(model))


class Causal(nn.Module):
    """Predicts the next token by convolutions that look back only."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(10, 16), nn.Conv1d(16, 10, 1)
        self.layers = nn.ModuleList(nn.Conv1d(16, 16, 2, dilation=step) for step in (1, 2))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids).transpose(1, 2)
        for layer, step in zip(self.layers, (1, 2), strict=True):
            x = x + F.gelu(layer(F.pad(x, (step, 0))))
        return self.head(x)


def causal_convolutions() -> Subject:
    model = Causal()
    return subject_of(model, "cross_entropy", successors(), optimizer=adam(model))


class TimeFirst(nn.Module):
    """Puts time first for the layers that want it so, and back again."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.cells = nn.Embedding(12, 8), nn.LSTM(8, 8)
        self.attention, self.head = nn.MultiheadAttention(8, 2), nn.Linear(8, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.cells(self.embedding(ids).transpose(0, 1))[0]  # (L, N, 8)
        return self.head((x + self.attention(x, x, x, need_weights=False)[0]).mean(0))


def time_as_the_first_dimension() -> Subject:
    model = TimeFirst()
    return subject_of(model, "cross_entropy", token_sequences(), optimizer=adam(model))


def classes_of_pixels() -> Subject:
    x, _ = images()
    y = (F.avg_pool2d(x, 3, 1, 1)[:, 0] > 0).long() + (x[:, 0] > 1).long()
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model, 1e-2))


def mask_of_pixels() -> Subject:
    x, _ = images()
    y = (F.avg_pool2d(x, 3, 1, 1) > 0).float()
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)
    )
    return subject_of(model, nn.BCEWithLogitsLoss(), (x, y), optimizer=adam(model, 1e-2))


def probabilities_into_the_loss_for_probabilities() -> Subject:
    x, y = blobs(classes=2)
    model = nn.Sequential(perceptron(8, 1), nn.Sigmoid())
    return subject_of(model, nn.BCELoss(), (x, y.float()[:, None]), optimizer=adam(model))


def logarithm_of_probabilities_in_a_loss_of_ones_own() -> Subject:
    def likelihood(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return -output.gather(1, target[:, None]).clamp_min(1e-8).log().mean()

    model = nn.Sequential(perceptron(8, 4), nn.Softmax(dim=1))
    return subject_of(model, likelihood, blobs(), optimizer=adam(model))


def divergence_from_soft_targets() -> Subject:
    x, y = blobs()
    soft = F.softmax(3 * F.one_hot(y, 4).float() + torch.randn(len(y), 4), 1)
    model = nn.Sequential(perceptron(8, 4), nn.LogSoftmax(dim=1))
    return subject_of(model, nn.KLDivLoss(reduction="batchmean"), (x, soft), optimizer=adam(model))


def bounded_output_for_bounded_targets() -> Subject:
    x, y = curve()
    model = nn.Sequential(perceptron(6, 1), nn.Tanh())
    return subject_of(model, "mse", (x, torch.tanh(y)), optimizer=adam(model))


class Gathering(nn.Module):
    """Weighs the parts of a sample by a softmax inside the network."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.value, self.head = nn.Linear(8, 1), nn.Linear(8, 16), perceptron(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((self.score(x).softmax(1) * self.value(x)).sum(1))


def softmax_within_the_network() -> Subject:
    x, y = blobs(classes=3)
    bags = torch.randn(192, 5, 8)
    bags[:, 0] = 1.5 * x
    model = Gathering()
    return subject_of(model, "cross_entropy", (bags, y), optimizer=adam(model))


class Again(nn.Module):
    """One block over and over, kept in a plain list too, and activations in a list that hold no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.block, self.leave = nn.Linear(8, 24), nn.Linear(24, 24), nn.Linear(24, 4)
        self.steps = [self.block, self.block, self.block]
        self.activations = [nn.Tanh(), nn.Tanh(), nn.Tanh()]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for step, activation in zip(self.steps, self.activations, strict=True):
            x = x + activation(step(x))
        return self.leave(x)


def one_block_over_and_over() -> Subject:
    model = Again()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


def deep_plain_net_after_he() -> Subject:
    model = perceptron(8, 4, width=32, depth=10)
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model, 1e-3))


class Residual(nn.Module):
    """Twelve branches, each behind its norm, as in transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.leave = nn.Linear(8, 24), nn.LayerNorm(24), nn.Linear(24, 4)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24)) for _ in range(12)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for branch in self.branches:
            x = x + checkpoint(branch, x, use_reentrant=False)
        return self.leave(self.norm(x))


def deep_residual_net_that_computes_again() -> Subject:
    model = Residual()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model, 1e-3))


class Round(torch.autograd.Function):
    """Rounds, and lets the gradient through as if it had not (the straight-through estimator)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return (4 * x).round() / 4

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0]


class Rounded(nn.Module):
    """A network with coarse activations."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 24), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden: Any = Round.apply(torch.tanh(self.enter(x)))
        return self.leave(hidden)


def rounding_that_lets_gradients_through() -> Subject:
    model = Rounded()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


class Branching(nn.Module):
    """Decides in Python by what it sees, works in place, and makes constants in single precision."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 24), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu_(self.enter(x))
        if hidden.mean().item() > 1e6:
            hidden = hidden / hidden.norm().item()
        return self.leave(hidden + torch.zeros(24, dtype=torch.float32))


def decisions_in_python() -> Subject:
    model = Branching()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


def weights_normalised_by_parametrisation() -> Subject:
    normed = nn.utils.parametrizations.weight_norm
    model = nn.Sequential(normed(nn.Linear(8, 24)), nn.ReLU(), normed(nn.Linear(24, 4)))
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


CONTROLS = named(
    tags_from_both_sides,
    masked_tokens_from_both_sides,
    causal_convolutions,
    time_as_the_first_dimension,
    classes_of_pixels,
    mask_of_pixels,
    probabilities_into_the_loss_for_probabilities,
    logarithm_of_probabilities_in_a_loss_of_ones_own,
    divergence_from_soft_targets,
    bounded_output_for_bounded_targets,
    softmax_within_the_network,
    one_block_over_and_over,
    deep_plain_net_after_he,
    deep_residual_net_that_computes_again,
    rounding_that_lets_gradients_through,
    decisions_in_python,
    weights_normalised_by_parametrisation,
)
