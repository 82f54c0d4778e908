"""Arrays that the user already has to a data set: taken as they are, for the doctor to judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from trainwright.data.dataset import TASKS, Dataset, Split, check_choice
from trainwright.data.pairs import check_dense
from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import DataError
from trainwright.records import DataShape, Task
from trainwright.tensors import digest, to_tensor

_MOST_NAMES = 10_000  # a stray label of a billion must not become a billion names


def from_arrays(
    train: Any, validation: Any = None, test: Any = None, *, task: str = "auto", name: str = "arrays"
) -> Dataset:
    """Return a data set of `(x, y)` pairs of tensors, arrays or lists, used as given: nothing scaled, nothing divided.

    x is `(n, ...)` and becomes float32. Whole or boolean y, `(n,)` or `(n, 1)`, are class ids: int64 `(n,)`, with one
    output for each id up to the largest in training; they may be any numbers, and are not checked. Whole or boolean y
    of several columns, `(n, labels)`, are labels of 0 and 1: float32. Other y are regression targets: float32, `(n,)`
    becoming `(n, 1)`. `task` "classification", "multi-label" or "regression" overrides. Raises `DataError` for data
    that are empty, of unequal lengths or shapes, without features, or no numbers; and for whole y with exactly one 1 in
    every row, unless `task` says whether these are classes in one-hot form or labels.
    """
    check_choice("task", task, TASKS)
    pairs = {"train": train, "validation": validation, "test": test}
    tensors = {part: pair_tensors(pair, part) for part, pair in pairs.items() if pair is not None or part == "train"}
    kind = _task(tensors["train"][1], task)
    splits = {part: _split(part, x, y, kind) for part, (x, y) in tensors.items()}
    _check_shapes(splits)
    y = splits["train"].y
    outputs = max(1, int(y.max()) + 1) if kind == "classification" else y.shape[1]
    named = kind != "regression" and outputs <= _MOST_NAMES
    scaled = outputs if kind == "regression" else 0
    return Dataset(
        name=name,
        shape=DataShape(input_shape=tuple(splits["train"].x.shape[1:]), outputs=outputs, task=kind),
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=tuple(str(label) for label in range(outputs)) if named else (),
        features=(),
        target_mean=(0.0,) * scaled,
        target_std=(1.0,) * scaled,
        fingerprint=digest(
            {
                f"{part}.{axis}": tensor
                for part, pair in splits.items()
                for axis, tensor in (("x", pair.x), ("y", pair.y))
            }
        ),
        preprocessing=Preprocessing(kind="arrays", plan=None).plain(),
        notes=(),
    )


def pair_tensors(pair: Any, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an `(x, y)` pair of tensors, arrays or lists as two tensors of equal length, types untouched.

    Raises `DataError`, naming `name`, for anything else, and for no samples or samples without features.
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        size = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
        raise DataError(
            f"{name} is no pair of inputs and targets",
            evidence=f"{type(pair).__name__}{size}",
            remedy="pass (x, y), two tensors or arrays of equal length",
        )
    x, y = (to_tensor(_owned(values), f"{axis} of {name}") for values, axis in zip(pair, "xy", strict=True))
    for axis, tensor in (("x", x), ("y", y)):
        check_dense(tensor, f"{axis} of {name}")
        if tensor.is_complex() or tensor.ndim == 0:
            raise DataError(
                f"{axis} of {name} is {'complex' if tensor.is_complex() else 'a single number'}",
                evidence=f"{tensor.dtype}, shape {tuple(tensor.shape)}",
                remedy="pass real numbers, one row for each sample",
            )
    if len(x) != len(y):
        raise DataError(
            f"x and y of {name} differ in length",
            evidence=f"{len(x)} inputs, {len(y)} targets",
            remedy="pass one target for each sample, in the same order",
        )
    if x.numel() == 0 or y.numel() == 0:
        raise DataError(
            f"{name} is empty",
            evidence=f"x has the shape {tuple(x.shape)}, y {tuple(y.shape)}",
            remedy="pass at least one sample with at least one feature",
        )
    return x, y


def _owned(values: Any) -> Any:
    """Return what torch can share memory with: arrays (data frames, too) that are contiguous and writable."""
    if isinstance(values, torch.Tensor) or not hasattr(values, "__array__"):
        return values
    return np.require(values, requirements=["C", "W"])


def _task(y: torch.Tensor, task: str) -> Task:
    if task in ("classification", "multi-label", "regression"):
        return task
    if y.is_floating_point():
        return "regression"
    if y.ndim != 2 or y.shape[1] == 1:
        return "classification"
    binary = bool(((y == 0) | (y == 1)).all())
    if binary and not bool((y.sum(1) == 1).all()):
        return "multi-label"
    raise DataError(
        "y of train holds whole numbers in several columns, which may mean several things",
        evidence=f"shape {tuple(y.shape)}, " + ("one 1 in every row" if binary else f"values up to {int(y.max())}"),
        remedy='pass y.argmax(1) for one-hot rows; or task="multi-label" for labels, task="regression" for quantities',
    )


def _split(part: str, x: torch.Tensor, y: torch.Tensor, task: Task) -> Split:
    if x.ndim == 1:
        raise DataError(
            f"x of {part} has no axis of features",
            evidence=f"shape {tuple(x.shape)}",
            remedy="pass one row for each sample: x.reshape(-1, 1) for a single feature",
        )
    x = x.to(torch.float32)
    y = _class_ids(part, y) if task == "classification" else y.to(torch.float32)
    if y.ndim == 1 and task != "classification":
        y = y.unsqueeze(1)
    if task == "multi-label":
        _check_labels(part, y)
    return Split(x=x, y=y, name=part, digest=digest({"x": x, "y": y}))


def _class_ids(part: str, y: torch.Tensor) -> torch.Tensor:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.squeeze(1)
    if y.ndim != 1:
        raise DataError(
            f"y of {part} does not hold one class id for each sample",
            evidence=f"shape {tuple(y.shape)}, {y.dtype}",
            remedy='pass class ids of shape (n,): y.argmax(1) for one-hot rows; or task="regression" for quantities',
        )
    if y.is_floating_point():
        broken = y != y.floor()  # NaN differs from itself; infinity does not differ from its floor
        broken |= y.isinf()
        if broken.any():
            first = int(broken.nonzero()[0])
            raise DataError(
                f"y of {part} does not hold class ids",
                evidence=f"{int(broken.sum())} of {len(y)} are not whole, the first at index {first}: {y[first]:g}",
                remedy='pass whole numbers, or task="regression"',
            )
    return y.to(torch.int64)


def _check_labels(part: str, y: torch.Tensor) -> None:
    wrong = ~((y == 0) | (y == 1))
    if y.ndim != 2 or wrong.any():
        place = wrong.nonzero()[0].tolist() if y.ndim == 2 else []
        raise DataError(
            f"y of {part} does not hold 0 or 1 for each label of each sample",
            evidence=f"shape {tuple(y.shape)}" + (f", at {place} {y[tuple(place)]:g}" if place else ""),
            remedy="pass zeros and ones of the shape (n, labels)",
        )


def _check_shapes(splits: Mapping[str, Split]) -> None:
    train = splits["train"]
    for part, split in splits.items():
        for axis, found, wanted in (("x", split.x, train.x), ("y", split.y, train.y)):
            if found.shape[1:] != wanted.shape[1:]:
                raise DataError(
                    f"{axis} of {part} has other samples than that of train",
                    evidence=f"shape {tuple(found.shape)}; train has {tuple(wanted.shape)}",
                    remedy="prepare all splits in the same way",
                )
