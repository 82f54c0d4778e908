"""What an iterable of batches must be, and each of its batches: one home for what is said where they are not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from trainwright.errors import DataError
from trainwright.tensors import to_tensor


def check_iterable(data: Any) -> None:
    """Raise `DataError` for what cannot give batches pass after pass. Nothing is started: no workers, no iterator."""
    if isinstance(data, TorchDataset):
        raise DataError(
            "a torch Dataset gives single samples, not batches",
            evidence=type(data).__name__,
            remedy="wrap it: DataLoader(dataset, batch_size=64, shuffle=True)",
        )
    if isinstance(data, Iterator):
        raise DataError(
            "the data can be read once only, so there would be no second epoch",
            evidence=f"{type(data).__name__} is an iterator or a generator",
            remedy="pass a DataLoader, or list(data)",
        )
    iterable = isinstance(data, Iterable) or hasattr(data, "__getitem__")
    if not iterable or isinstance(data, str | bytes | Mapping | torch.nn.Module):
        raise DataError(
            "the data are neither a pair (x, y) nor an iterable of such pairs",
            evidence=f"{type(data).__name__}, which is no pair and gives none",
            remedy="pass (x, y), two tensors or arrays of equal length, or a DataLoader",
        )


def empty(data: Any) -> DataError:
    """Return what is said of data that gave no batch."""
    return DataError(
        "the data are empty",
        evidence=f"{type(data).__name__} gave no batch",
        remedy="pass data with at least one batch; a DataLoader with drop_last=True drops a short one",
    )


def pair_of(item: Any, place: int) -> tuple[Any, Any]:
    """Return the two parts of a batch. Raises `DataError`, with what it is, where it has not two."""
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    raise no_pair(item, place, "yield (inputs, targets); several inputs go into a tuple or a dict")


def no_pair(item: Any, place: int, remedy: str) -> DataError:
    """Return what is said of a batch that is no pair."""
    inside = f" of {', '.join(type(part).__name__ for part in item)}" if isinstance(item, tuple | list) else ""
    return DataError(
        f"a batch must be a pair (x, y), and batch {place} is no pair of tensors",
        evidence=f"{type(item).__name__}{inside}",
        remedy=remedy,
    )


def batch_tensor(part: Any, name: str) -> torch.Tensor:
    """Return a part of a batch as a tensor; numpy's float64, which is nobody's choice, becomes float32.

    Raises `DataError`, naming `name`, for what is no numbers, or a tensor that holds none.
    """
    tensor = to_tensor(part, name)
    check_dense(tensor, name)
    return tensor.float() if isinstance(part, np.ndarray) and tensor.dtype == torch.float64 else tensor


def check_dense(tensor: torch.Tensor, name: str) -> None:
    """Raise `DataError`, naming `name`, for a tensor without numbers, or without a place for each of them."""
    if tensor.device.type == "meta":
        raise DataError(
            f"{name} has a shape and no numbers",
            evidence=f"shape {tuple(tensor.shape)} on the device 'meta'",
            remedy="make the samples on the CPU, without torch.device('meta') around what reads them",
        )
    if tensor.layout != torch.strided or tensor.is_nested:
        layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        raise DataError(
            f"{name} is no dense tensor",
            evidence=f"layout {layout}",
            remedy="pass x.to_dense(), of nested tensors x.to_padded_tensor(0)",
        )


def check_same_type(first: tuple[torch.Tensor, ...], batch: tuple[torch.Tensor, ...], place: int) -> None:
    """Raise `DataError` where a batch has another type than the first: a model that takes one refuses the other."""
    for name, one, other in zip(("inputs", "targets"), first, batch, strict=True):
        if one.dtype != other.dtype:
            kinds = [str(part.dtype).removeprefix("torch.") for part in (other, one)]
            raise DataError(
                f"the {name} of different batches differ in type",
                evidence=f"{kinds[0]} in batch {place}, {kinds[1]} in the first",
                remedy="let the loader give all batches in one type, x.float() for inputs",
            )


def only_once(data: Any) -> DataError:
    """Return what is said of data of which a later pass gave nothing."""
    return DataError(
        "the data can be read once only: a later pass gave no batch",
        evidence=f"iterating over {type(data).__name__} again ended at once",
        remedy="let __iter__ begin anew each time it is called, or pass list(data)",
    )


def same_count(inputs: int, targets: int, what: str) -> int:
    """Return how many samples a batch holds. Raises `DataError` where x and y disagree, or there is none."""
    remedy = "let the loader give inputs (n, ...) and targets (n, ...) with n of 1 or more"
    if inputs == 0 or targets == 0:
        raise DataError(
            "there are no samples",
            evidence=f"{what} does not hold one sample: {inputs} inputs, {targets} targets",
            remedy=remedy,
        )
    if inputs != targets:
        raise DataError(
            "inputs and targets differ in number",
            evidence=f"{what}: {inputs} inputs, {targets} targets",
            remedy=remedy,
        )
    return inputs


def unreadable(problem: BaseException, place: int) -> DataError:
    """Return what is said where the user's loader raises: its own words, the last line where a worker sent them."""
    return DataError("the data cannot be read", evidence=f"at batch {place}: {words_of(problem)}", remedy=MEND)


MEND = "mend what reads this batch; leave a broken file out where the data set lists its files"


def words_of(problem: BaseException) -> str:
    """Return type and first words of what a loader raised; a worker sends its traceback as text, the words last."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()] or [""]
    return lines[-1] if lines[0].startswith("Caught ") else f"{type(problem).__name__}: {lines[0]}"
