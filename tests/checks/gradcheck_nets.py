"""Small networks for the gradient check."""

from __future__ import annotations

import torch
from torch import nn


def mlp(activation: type[nn.Module] = nn.Tanh) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 12), activation(), nn.Linear(12, 12), activation(), nn.Linear(12, 3))


def rows(samples: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(samples, 5), torch.randint(0, 3, (samples,))
