"""Nets that are easily disturbed, and a full account of what somebody who looks at them may leave behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.randomness import isolated, seed_step
from trainwright.tensors import digest


class RunningMean(nn.Module):
    """Keeps a running mean the way users write it: the buffer is replaced, and in evaluation too."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
        return x - self.mean


class Drawing(nn.Module):
    """Draws from every global generator, in evaluation too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        random.random()
        np.random.rand()
        return x + 1e-6 * torch.rand_like(x)


class Centred(nn.Module):
    """Works in place on what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sub_(0.5)


def delicate(outputs: int = 3, *, seed: int = 0) -> nn.Sequential:
    """Return a net with dropout, batch normalisation (one of them frozen), and statistics of its own."""
    with isolated(seed):
        model = nn.Sequential(
            RunningMean(5),
            nn.Linear(5, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(8, 8),
            nn.BatchNorm1d(8),
            nn.Linear(8, outputs),
        )
        model[6].eval()
        model[1].requires_grad_(False)
    return model


def batch(count: int = 40, *, outputs: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=generator), torch.randint(0, outputs, (count,), generator=generator)


def account(model: nn.Module, *tensors: torch.Tensor) -> dict[str, Any]:
    """Return everything about a model, some tensors and the world that a look must leave as it was."""
    numpy_state: Any = np.random.get_state()
    return {
        "state": digest(model.state_dict()),
        "parameters": [(id(parameter), parameter.requires_grad) for parameter in model.parameters()],
        "buffers": [id(buffer) for buffer in model.buffers()],
        "gradients": digest({name: p.grad for name, p in model.named_parameters() if p.grad is not None}),
        "modes": [module.training for module in model.modules()],
        "hooks": [
            len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
            for module in model.modules()
        ],
        "tensors": digest({str(number): tensor for number, tensor in enumerate(tensors)}),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (numpy_state[1].tobytes(), numpy_state[2:]),
        "random": random.getstate(),
        "anomaly": torch.is_anomaly_enabled(),
        "gradients on": torch.is_grad_enabled(),
    }


def objective_of(
    model: nn.Module, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy, seed: int = 0
) -> Callable[[Sequence[tuple[torch.Tensor, torch.Tensor]], int], float]:
    """Return what a step of one batch minimises, under the step's own masks."""

    def objective(batches: Sequence[tuple[torch.Tensor, torch.Tensor]], step: int) -> float:
        ((x, y),) = batches
        seed_step(seed, step)
        return float(loss(model(x), y))

    return objective
