"""A small network, and the optimizers of the catalogue built over it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.parts.catalogue import resolve_options
from trainwright.parts.groups import parameter_groups
from trainwright.parts.optimizers import CATALOGUE


class Net(nn.Module):
    """A hidden matrix, an output matrix, biases that do not decay, and a layer that no input reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 5)
        self.unreached = nn.Linear(3, 3)
        self.output = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(self.hidden(x)))


def options_of(name: str, **changes: Any) -> dict[str, Any]:
    return resolve_options(CATALOGUE[name].options, changes, name)


def build(name: str, model: nn.Module, **changes: Any) -> torch.optim.Optimizer:
    options = options_of(name, **changes)
    return CATALOGUE[name].factory(parameter_groups(model, options["weight_decay"], lr=options["lr"]), **options)


def advance(model: nn.Module, optimizer: torch.optim.Optimizer, count: int, *, seed: int = 0) -> None:
    """Make `count` steps on a small task, the gradients of each of them from the same data."""
    generator = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    x, y = (torch.randn(16, size, generator=generator).to(dtype) for size in (4, 2))
    for _ in range(count):

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            return loss

        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
