"""Leaving no footprint: everything a check may change of model, optimizer, data and random state is put back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from trainwright.checks.keeping import DATA_BYTES, keep
from trainwright.randomness import isolated


@contextmanager
def untouched(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    loader: Any = None,
    *,
    also: Iterable[Any] = (),
    feeds: Iterable[Any] = (),
    seed: int = 0,
) -> Iterator[None]:
    """Run the block under the randomness of `seed`, and put back afterwards, bit for bit, what it changed.

    That is: parameters and their gradients (values, and which tensors they are), what requires a gradient, buffers,
    modes, hooks, modules and attributes added or replaced, also in modules that hide in lists; the optimizer's state
    and groups; the same of everything in `also` (a loss, a batch); the generators and places of the loader and of
    `feeds`, with their samplers and data sets; torch's, numpy's and Python's random state, and torch's global
    switches, such as the default dtype. Of data, tensors are put back up to `DATA_BYTES`: more is not copied.
    """
    undo = keep([model, optimizer, *also, *_GLOBAL_HOOKS])
    undo_data = keep([loader, *feeds], room=DATA_BYTES)
    switches = [(get, put, get()) for get, put in _SWITCHES]
    with isolated(seed, "checks"), torch.set_grad_enabled(True):
        try:
            yield
        finally:
            undo()
            undo_data()
            for get, put, value in switches:
                if get() != value:
                    put(value)


_GLOBAL_HOOKS = [
    value
    for name in ("torch.nn.modules.module", "torch.optim.optimizer")
    for attribute, value in vars(importlib.import_module(name)).items()
    if attribute.startswith("_global_") and isinstance(value, dict)
]

_SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (lambda: torch.is_autocast_enabled("cpu"), lambda on: torch.set_autocast_enabled("cpu", on)),
)
"""How each of torch's global switches is read and set."""
