"""Small things that several rooms do with tensors and modules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from trainwright.errors import DataError, first_line

NORMALISATIONS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)


def to_tensor(values: Any, name: str) -> torch.Tensor:
    """Return `values` (tensor, numpy array, or nested list of numbers) as a tensor that shares memory if it can.

    Raises `DataError`, naming `name`, where the values are no numbers or the list is ragged.
    """
    if isinstance(values, torch.Tensor):
        return values.detach()
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise DataError(
            f"{name} cannot be read as a tensor of numbers",
            evidence=f"{type(values).__name__}: {first_line(problem)}",
            remedy="pass a tensor, a numpy array, or equally long lists of numbers; encode text and categories first",
        ) from None


def digest(state: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over `state`: names, dtypes, shapes and every bit of every tensor, in order of name."""
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = gathered({name: state[name].detach()})[name].cpu().contiguous()  # syncs the device
        sha.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def number(value: torch.Tensor) -> float:
    """Return a scalar as a number; one that is divided over ranks is added up, which all of them must do together."""
    whole: Any = value
    return float(whole.full_tensor() if hasattr(value, "full_tensor") else value)  # syncs the device


def gathered(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return every tensor as a whole: what is divided over ranks is gathered, which all of them must do together."""
    kept: dict[str, Any] = dict(state)
    return {name: value.full_tensor() if hasattr(value, "full_tensor") else value for name, value in kept.items()}


def copy_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a detached copy of the module's parameters and buffers that later training cannot reach."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def is_normalisation(module: nn.Module) -> bool:
    """Say whether a module normalises: torch's own classes, or a foreign one that names itself so (`RMSNorm`)."""
    return isinstance(module, NORMALISATIONS) or type(module).__name__.endswith("Norm")


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Let torch use so many threads on the CPU for the block, then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every submodule into evaluation mode for the block, then give each its own former mode back.

    `module.train()` afterwards would wake a deliberately frozen BatchNorm; this does not.
    """
    modes = [(submodule, submodule.training) for submodule in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for submodule, mode in modes:
            submodule.training = mode


@contextmanager
def buffers_restored(module: nn.Module) -> Iterator[None]:
    """Undo, at the end of the block, what forward passes did to the module's buffers (BatchNorm's statistics).

    That holds for buffers changed in place and for those replaced by another tensor (`self.mean = ...`).
    """
    kept = [
        (submodule, name, buffer, None if buffer is None else buffer.detach().clone())
        for submodule in module.modules()
        for name, buffer in submodule._buffers.items()
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for submodule, name, buffer, value in kept:
                if buffer is not None and value is not None:
                    buffer.copy_(value)
                submodule._buffers[name] = buffer


def global_norm(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the Euclidean norm over all `tensors` as one: a scalar tensor on their device, zero for none.

    Half precision is summed in float32: the square of a norm above 256 does not fit float16.
    """
    gathered = list(tensors)
    if not gathered:
        return torch.zeros(())
    wide = torch.float64 if gathered[0].dtype == torch.float64 else torch.float32
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gathered, dtype=wide)))
