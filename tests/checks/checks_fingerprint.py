"""Everything of a subject that a check must leave as it was, as plain values that can be compared bit for bit."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from trainwright.checks.inputs import tensors
from trainwright.checks.subject import Subject
from trainwright.randomness import isolated


def fingerprint(subject: Subject) -> dict[str, Any]:
    """Return one entry for each thing, under a name that says what it is."""
    found: dict[str, Any] = {}
    for path, module in _modules(subject.model, "model"):
        found |= _module(path, module)
    if isinstance(subject.loss, nn.Module):
        for path, module in _modules(subject.loss, "loss"):
            found |= _module(path, module)
    if subject.optimizer is not None:
        found |= _optimizer(subject.optimizer)
    if subject.scheduler is not None:
        found["scheduler"] = str({k: v for k, v in vars(subject.scheduler).items() if k != "optimizer"})
    for place, tensor in enumerate([*tensors(subject.x), *tensors(subject.y)]):
        found[f"batch {place}"] = _tensor(tensor)
    for name, source in _generators(subject.loader):
        found[f"loader.{name}"] = _bits(source.get_state())
    return found | world()


def world() -> dict[str, Any]:
    """Return what does not belong to the subject: random states, torch's switches, threads and processes."""
    return {
        "torch's random state": _bits(torch.get_rng_state()),
        "numpy's random state": str(np.random.get_state()),
        "Python's random state": hash(random.getstate()),
        "grad mode": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "anomaly detection": torch.is_anomaly_enabled(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "global hooks": [
            list(table)
            for name, table in vars(nn.modules.module).items()
            if name.startswith("_global_") and isinstance(table, dict)
        ],
        "torch's threads": torch.get_num_threads(),
        **_alive(),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the names of what is not the same. A loader's workers that were sent home have a moment to go."""
    patience = time.monotonic() + 5
    while any(before[name] < after[name] for name in _ALIVE) and time.monotonic() < patience:
        gc.collect()
        time.sleep(0.05)
        after = after | _alive()
    missing = object()
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name, missing) != after.get(name, missing)
    )


_ALIVE = ("threads", "processes")


def _alive() -> dict[str, int]:
    return {"threads": threading.active_count(), "processes": len(multiprocessing.active_children())}


def epochs(subject: Subject, count: int = 2) -> list[str]:
    """Return the batches that the next passes over the subject's data will give: its loader, and its feeds."""
    found = []
    with isolated(7, "next epochs"):
        for _ in range(count):
            found += [_bits(tensor) for batch in subject.loader or () for tensor in tensors(list(batch))]
        for feed in (subject.train, subject.validation):
            if feed is not None:
                found += [_bits(tensor) for epoch in range(count) for pair in feed.epoch(epoch) for tensor in pair]
    return found


def _bits(tensor: torch.Tensor) -> str:
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(values).hexdigest()[:16]


def _tensor(tensor: torch.Tensor) -> tuple[Any, ...]:
    wants = tensor.requires_grad, tensor.is_leaf
    gradient = (id(tensor.grad), _bits(tensor.grad)) if tensor.is_leaf and tensor.grad is not None else None
    hooks = [list(getattr(tensor, name) or ()) for name in ("_backward_hooks", "_post_accumulate_grad_hooks")]
    return id(tensor), tensor.dtype, tuple(tensor.shape), tensor.data_ptr(), _bits(tensor), *wants, gradient, hooks


def _modules(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield a module and all in it, those in plain lists included."""
    yield path, module
    for name, child in module.named_children():
        yield from _modules(child, f"{path}.{name}")
    for name, value in vars(module).items():
        if isinstance(value, list | tuple) and not name.startswith("_"):
            for place, hidden in enumerate(value):
                if isinstance(hidden, nn.Module):
                    yield from _modules(hidden, f"{path}.{name}[{place}]")


def _module(path: str, module: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {path: (id(module), type(module), module.training)}
    for name, value in vars(module).items():
        if isinstance(value, dict):  # also the tables of hooks: the keys, and which objects they are
            found[f"{path}.{name}"] = [(key, id(part)) for key, part in value.items()]
        elif isinstance(value, torch.Tensor):
            found[f"{path}.{name}"] = _tensor(value)
        else:
            found[f"{path}.{name}"] = value if isinstance(value, bool | int | float | str) else id(value)
    for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
        found[f"{path}.{name}"] = _tensor(tensor)
    return found


def _optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "optimizer": [(name, id(value)) for name, value in vars(optimizer).items()],
        "optimizer.hooks": [list(value) for value in vars(optimizer).values() if isinstance(value, OrderedDict)],
        "optimizer.groups": [
            (id(group), {name: _value(value) for name, value in group.items()}) for group in optimizer.param_groups
        ],
    }
    for parameter, entries in optimizer.state.items():
        found[f"optimizer.state {id(parameter)}"] = {name: _value(value) for name, value in entries.items()}
    return found


def _value(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    return [_value(part) for part in value] if isinstance(value, list | tuple) else value


def _generators(loader: Any) -> Iterator[tuple[str, torch.Generator]]:
    for name in ("generator", "sampler.generator", "dataset.generator", "batch_sampler.sampler.generator"):
        holder = loader
        for part in name.split("."):
            holder = getattr(holder, part, None)
        if isinstance(holder, torch.Generator):
            yield name, holder
