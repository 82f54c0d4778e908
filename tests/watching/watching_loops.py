"""Loops as people write them, each with one thing done wrong or differently, for the watcher to see."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.watching.watch import Watch, watch

Step = Callable[[nn.Module, torch.optim.Optimizer, torch.Tensor, torch.Tensor, int], None]


def network(*, dropout: float = 0.0, norm: bool = False) -> nn.Module:
    """Return a small classifier of 20 numbers into 3 classes, the same each time."""
    torch.manual_seed(1)
    layers: list[nn.Module] = [nn.Linear(20, 32)]
    layers += [nn.BatchNorm1d(32)] if norm else []
    layers += [nn.ReLU()]
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(32, 3))


def samples(count: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and classes that follow from them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 20, generator=generator)
    return x, x[:, :3].argmax(1)


def run(step: Step, *, steps: int = 24, model: nn.Module | None = None, rate: float = 1e-2) -> Watch:
    """Return a watch over `steps` batches that went through `step`."""
    x, y = samples()
    with watch(quiet=True) as watched:
        model = model or network()
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for index in range(steps):
            start = 32 * index % len(x)
            step(model, optimizer, x[start : start + 32], y[start : start + 32], index)
    assert watched.problem is None
    return watched


def seen(watched: Watch) -> dict[str, int]:
    """Return what was sighted, and how often; not what is measured at every start."""
    loop = watched.chart.info.loop
    assert loop is not None
    return {name: sighting.count for name, sighting in loop.sightings.items() if name != "right-classes-at-start"}


def healthy(model, optimizer, x, y, index) -> None:
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def never_zeroed(model, optimizer, x, y, index) -> None:
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


def zeroed_by_hand(model, optimizer, x, y, index) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.data.zero_()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


def zeroed_by_model(model, optimizer, x, y, index) -> None:
    model.zero_grad(set_to_none=False)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


def erased(model, optimizer, x, y, index) -> None:
    F.cross_entropy(model(x), y).backward()
    optimizer.zero_grad()
    optimizer.step()


def erased_in_place(model, optimizer, x, y, index) -> None:
    F.cross_entropy(model(x), y).backward()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()


def never_stepped(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()


def by_hand(model, optimizer, x, y, index) -> None:
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad


def no_backward(model, optimizer, x, y, index) -> None:
    F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    optimizer.step()


def same_gradients_again(model, optimizer, x, y, index) -> None:
    if index == 0:
        F.cross_entropy(model(x), y).backward()
    optimizer.step()


def clipped(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def clipped_too_early(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


def clipped_too_late(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)


def accumulated(model, optimizer, x, y, index) -> None:
    (F.cross_entropy(model(x), y) / 4).backward()
    if index % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()


def accumulated_and_scaled_after(model, optimizer, x, y, index) -> None:
    F.cross_entropy(model(x), y).backward()
    if index % 4 == 3:
        for parameter in model.parameters():
            parameter.grad /= 4
        optimizer.step()
        optimizer.zero_grad()


def accumulated_without_dividing(model, optimizer, x, y, index) -> None:
    F.cross_entropy(model(x), y).backward()
    if index % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()


def zeroed_while_accumulating(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    (F.cross_entropy(model(x), y) / 4).backward()
    if index % 4 == 3:
        optimizer.step()


def two_losses(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    F.cross_entropy(model(x + 0.1), y).backward()
    optimizer.step()


def sharpness_aware(model, optimizer, x, y, index) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    moves = []
    with torch.no_grad():
        for parameter in model.parameters():
            moves.append(0.01 * parameter.grad)
            parameter.add_(moves[-1])
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    with torch.no_grad():
        for parameter, move in zip(model.parameters(), moves, strict=True):
            parameter.sub_(move)
    optimizer.step()
