"""Small networks and data for the verb fit."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def net(inputs: int = 5, outputs: int = 3, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


def cases(count: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs, and three values that a linear map makes of them."""
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=source)
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(99))
    return x, x @ weights


def classes(count: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    x, values = cases(count, seed)
    return x, values.argmax(1)


def loader(x: torch.Tensor, y: torch.Tensor, **settings: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), batch_size=25, **settings)
