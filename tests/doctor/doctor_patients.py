"""What the sick programs are made of: networks, data and losses with a fault planted in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from doctor_programs import Data, Run, clouds, curve, fit, network
from torch import nn
from torch.nn import functional as F

import trainwright as tw


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A program, the settings that make it sick, and those of its healthy twin.

    `points_to` are words of the source line that the finding names; `exact` kinds are certain by the third step.
    """

    name: str
    kind: str
    program: Callable[..., Run]
    sick: Mapping[str, Any]
    well: Mapping[str, Any]
    severity: str = "warning"
    points_to: str = ""
    module: str | None = None
    evidence: str = ""
    exact: bool = False


class Head(nn.Module):
    """A network whose last operation is chosen: what some people call an activation of the output."""

    def __init__(self, seed: int, head: str) -> None:
        super().__init__()
        self.body = network(seed)
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.body(x)
        if self.head == "softmax":
            return F.softmax(logits, dim=1)
        if self.head == "softmax, then view":
            return torch.softmax(logits, 1).view(len(x), -1)
        if self.head == "softmax, then squeeze":
            return logits.unsqueeze(2).softmax(1).squeeze(2)
        if self.head == "log_softmax":
            return F.log_softmax(logits, dim=1)
        return logits


class Fragile(nn.Module):
    """A network with an operation in the middle that makes NaN unless `guard` keeps it from that."""

    def __init__(self, seed: int, operation: str, guard: float) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Linear(8, 16, bias=False)
        self.last = nn.Linear(16, 3)
        self.operation, self.guard = operation, guard

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x).square()
        if self.operation == "log":
            hidden = torch.log(hidden + self.guard)
        elif self.operation == "division":
            hidden = hidden / (hidden.sum(1, keepdim=True) + self.guard)
        else:
            hidden = torch.sqrt(hidden + self.guard)
        return self.last(hidden)


def rate(seed: int, **settings: Any) -> Run:
    return fit(network(seed), clouds(seed), **settings)


def regression(seed: int, **settings: Any) -> Run:
    torch.manual_seed(seed)
    return fit(nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1)), curve(seed), **settings)


def scaled(seed: int, *, scale: float, offset: float = 0.0, norm_first: bool = False, **settings: Any) -> Run:
    x, y = clouds(seed)
    body = network(seed)
    return fit(nn.Sequential(nn.BatchNorm1d(8), *body) if norm_first else body, (x * scale + offset, y), **settings)


def grey(seed: int, *, divisor: float, norm_first: bool = False) -> Run:
    x, y = clouds(seed)
    x = ((x + 4) * 32).clamp(0, 255).round() / divisor
    body = network(seed)
    return fit(nn.Sequential(nn.BatchNorm1d(8), *body) if norm_first else body, (x, y), epochs=4)


def holes(seed: int, *, value: float, every: int) -> Run:
    x, y = clouds(seed)
    x[::every, 3] = value
    return fit(network(seed), (x, y), epochs=1)


def late_hole(seed: int, *, value: float) -> Run:
    """Return a run whose data come in pieces, too many for all to be looked at beforehand."""
    x, y = clouds(seed, samples=4800)
    x[4700, 2] = value

    class Pieces:
        def __iter__(self) -> Iterator[Data]:
            return iter(list(zip(x.split(100), y.split(100), strict=True)))

        def __len__(self) -> int:
            return 48

    return tw.fit(network(seed), Pieces(), epochs=1, lr=0.003, device="cpu", threads=1)


def numbered(seed: int, *, first: int) -> Run:
    x, y = clouds(seed)
    return fit(network(seed), (x, y + first), epochs=2, loss="cross_entropy")


def marked(seed: int, *, missing: int) -> Run:
    x, y = clouds(seed)
    y[::50] = missing
    return fit(network(seed), (x, y), epochs=2)


def two_signs(seed: int, *, no: int) -> Run:
    x, y = clouds(seed, classes=2)
    return fit(network(seed, outputs=1), (x, torch.where(y == 0, no, 1)), epochs=4, loss="bce_with_logits")


def head(seed: int, *, head: str, loss: Any = None) -> Run:
    return fit(Head(seed, head), clouds(seed), epochs=3, loss=loss)


def layered_head(seed: int, *, softmax: bool) -> Run:
    body = network(seed)
    return fit(nn.Sequential(*body, nn.Softmax(dim=1)) if softmax else body, clouds(seed), epochs=3)


def biased(seed: int, *, bias: float) -> Run:
    model = network(seed)
    nn.init.constant_(model.get_parameter("0.bias"), bias)
    return fit(model, clouds(seed), epochs=8)


def fragile(seed: int, *, operation: str, guard: float) -> Run:
    x, y = clouds(seed)
    x[::20] = 0
    return fit(Fragile(seed, operation, guard), (x, y), epochs=2)


def own_loss(seed: int, *, floor: float) -> Run:
    def likelihood(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        right = output.softmax(1).gather(1, target[:, None])
        return -torch.log(right - 0.3 if floor < 0 else right + floor).mean()

    return fit(network(seed), clouds(seed), epochs=2, loss=likelihood)


def memoriser(seed: int, *, samples: int, epochs: int, patience: int = 0) -> Run:
    x, y = clouds(seed, samples=samples + 300, noise=4.0)
    return tw.fit(
        network(seed, width=128),
        (x[:samples], y[:samples]),
        (x[samples:], y[samples:]),
        epochs=epochs,
        patience=patience,
        batch_size=16,
        lr=0.01,
        device="cpu",
        threads=1,
    )


def decayed(seed: int, *, weight_decay: float) -> Run:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 3))
    return fit(model, clouds(seed), epochs=14, weight_decay=weight_decay)


def hindered(seed: int, *, dropout: float) -> Run:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    for size in (8, 32):
        layers += [nn.Linear(size, 32), nn.ReLU(), nn.Dropout(dropout)]
    return fit(nn.Sequential(*layers, nn.Linear(32, 3)), clouds(seed), epochs=14)


def shuffled(seed: int, *, shuffle: bool) -> Run:
    x, y = clouds(seed, samples=1200)
    if shuffle:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
    return fit(nn.Sequential(nn.Linear(8, 3)), (x, y), epochs=5, lr=0.01)


def flat(seed: int, **settings: Any) -> Run:
    return fit(network(seed, width=8), clouds(seed, samples=1200, noise=4.0), epochs=8, lr=0.01, **settings)
