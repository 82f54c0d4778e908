"""Several inputs, several answers, several networks: and a loss that looks into the model."""

from __future__ import annotations

from typing import Any

import torch
from checks_controls import adam, blobs, named, perceptron
from checks_controls import sequences as token_sequences
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


class Discriminator(nn.Module):
    """Tells real samples from those that a generator makes of the noise beside them: `(N, 2)` logits."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))
        normed = nn.utils.parametrizations.spectral_norm
        self.judge = nn.Sequential(
            *(normed(nn.Linear(8, 24)), nn.LeakyReLU(0.2), normed(nn.Linear(24, 24)), nn.LeakyReLU(0.2)),
            nn.Linear(24, 1),
        )

    def forward(self, real: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            made = self.generator(noise)
        return torch.cat([self.judge(real), self.judge(made.detach())], 1)


def discriminator_of_a_generator_without_gradient() -> Subject:
    """The generator has an optimizer of its own, which is none of this step's business."""
    model = Discriminator()
    real = 0.5 * torch.randn(128, 8) + torch.randn(8)
    y = torch.tensor([[0.9, 0.0]]).repeat(128, 1)
    optimizer = torch.optim.Adam(model.judge.parameters(), lr=2e-3, betas=(0.5, 0.999))
    return subject_of(model, F.binary_cross_entropy_with_logits, ((real, torch.randn(128, 4)), y), optimizer=optimizer)


def critic_with_a_gradient_penalty() -> Subject:
    x, y = blobs(classes=2)
    model = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 1))
    sign = (2 * y - 1).float()[:, None]

    def distance(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        points = 0.5 * torch.randn(16, 8)
        points.requires_grad_(True)
        (slope,) = torch.autograd.grad(model(points).sum(), points, create_graph=True)
        return -(output * target).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()

    return subject_of(model, distance, (x, sign), optimizer=adam(model, 1e-3))


class Siamese(nn.Module):
    """One tower for two inputs, and whether they belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.head = perceptron(8, 12, depth=1), nn.Linear(12, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.head((self.tower(left) - self.tower(right)).abs())


def siamese_towers() -> Subject:
    (left, a), (right, b) = (blobs(160, classes=2) for _ in range(2))
    model = Siamese()
    y = (a == b).float()[:, None]
    right = torch.where(y == 1, left + 0.3 * torch.randn_like(left), right)
    return subject_of(model, "bce_with_logits", ((left, right), y), optimizer=adam(model))


class Several(nn.Module):
    """Numbers and a text, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.EmbeddingBag(12, 8), perceptron(16, 2)

    def forward(self, *, numbers: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([numbers, self.embedding(ids)], 1))


def inputs_by_name() -> Subject:
    ids, y = token_sequences()
    x: Any = {"numbers": torch.randn(len(y), 8), "ids": ids}
    model = Several()
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


class Both(nn.Module):
    """Two answers by name: the class, and a quantity."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.label, self.amount = (
            nn.Sequential(nn.Linear(8, 24), nn.ReLU()),
            nn.Linear(24, 4),
            nn.Linear(24, 1),
        )

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.trunk(x)
        return {"label": self.label(hidden), "amount": self.amount(hidden)}


def answers_and_targets_by_name() -> Subject:
    def both(output: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> torch.Tensor:
        label = F.cross_entropy(output["label"], target["label"])
        return label + 0.5 * F.mse_loss(output["amount"], target["amount"])

    x, y = blobs()
    targets: Any = {"label": y, "amount": x[:, :1] * x[:, 1:2]}
    model = Both()
    return subject_of(model, both, [(x[:96], _half(targets, 0)), (x[96:], _half(targets, 96))], optimizer=adam(model))


def _half(targets: dict[str, torch.Tensor], start: int) -> dict[str, torch.Tensor]:
    return {name: values[start : start + 96] for name, values in targets.items()}


def double_precision() -> Subject:
    x, y = blobs()
    model = perceptron(8, 4).double()
    return subject_of(model, "cross_entropy", (x.double(), y), optimizer=adam(model))


CONTROLS = named(
    discriminator_of_a_generator_without_gradient,
    critic_with_a_gradient_penalty,
    siamese_towers,
    inputs_by_name,
    answers_and_targets_by_name,
    double_precision,
)
