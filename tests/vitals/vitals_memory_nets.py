"""Small networks of every kind, and the step that they are trained with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.vitals.step_plan import Batch, StepPlan


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(0.1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class Transformer(nn.Module):
    def __init__(self, width: int = 32, layers: int = 3, vocabulary: int = 60) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True) for _ in range(layers)
        )
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x).transpose(1, 2)


def mlp() -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(24, 96), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Linear(96, 96), nn.LayerNorm(96), nn.GELU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers, nn.Linear(96, 10))


def cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for stage, (before, after) in enumerate([(3, 8), (8, 16), (16, 16)]):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        if stage == 1:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def residual() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        *(Residual(8) for _ in range(4)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def images(count: int) -> Batch:
    return torch.randn(count, 3, 12, 12), torch.randint(0, 10, (count,))


def vectors(count: int) -> Batch:
    return torch.randn(count, 24), torch.randint(0, 10, (count,))


def tokens(count: int) -> Batch:
    return torch.randint(0, 60, (count, 16)), torch.randint(0, 60, (count, 16))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Batch]]] = {
    "mlp": (mlp, vectors),
    "cnn": (cnn, images),
    "residual": (residual, images),
    "transformer": (Transformer, tokens),
}


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01)


PLAN = StepPlan(loss=F.cross_entropy, optimizer=adamw)
