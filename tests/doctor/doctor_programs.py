"""Small data and small networks for the patients and the healthy controls, as functions of the seed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import trainwright as tw

Data = tuple[torch.Tensor, torch.Tensor]
Run = tw.Run


def clouds(seed: int, *, samples: int = 400, classes: int = 3, features: int = 8, noise: float = 1.0) -> Data:
    """Return clouds of points, one for each class, standardised."""
    generator = torch.Generator().manual_seed(seed)
    # The centres are the same for every seed, so that no task is harder than another.
    centres = 1.5 * torch.randn(classes, features, generator=torch.Generator().manual_seed(99))
    y = torch.randint(0, classes, (samples,), generator=generator)
    x = centres[y] + noise * torch.randn(samples, features, generator=generator)
    return (x - x.mean(0)) / x.std(0), y


def curve(seed: int, *, samples: int = 400, noise: float = 0.1) -> Data:
    """Return a smooth function of four features, with noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 4, generator=generator)
    y = (2 * x[:, 0]).sin() + x[:, 1] * x[:, 2] + noise * torch.randn(samples, generator=generator)
    return x, y - y.mean()


def network(seed: int, inputs: int = 8, outputs: int = 3, width: int = 32) -> nn.Sequential:
    """Return a network with two hidden layers."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def fit(model: nn.Module, data: Data, **settings: Any) -> Run:
    """Train on the first three quarters of the data and validate on the rest."""
    x, y = data
    cut = 3 * len(x) // 4
    given = {"epochs": 10, "batch_size": 16, "lr": 0.003, "device": "cpu", "threads": 1} | settings
    return tw.fit(model, (x[:cut], y[:cut]), (x[cut:], y[cut:]), **given)


def kinds(run: Run) -> list[str]:
    """Return the kinds of a run's findings, in their order."""
    return [finding.kind for finding in run.findings]


def alarms(run: Run) -> list[str]:
    """Return what a healthy run must not have: findings worse than a note."""
    return [f"{finding.kind}: {finding.evidence}" for finding in run.findings if finding.severity != "note"]
