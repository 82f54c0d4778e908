"""What loading gives: a data set in memory or on disk, divided, with all that is known of its preparation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainwright.data.blocks import Stream
from trainwright.errors import UsageError, did_you_mean
from trainwright.records import DataShape

TASKS = ("auto", "classification", "multi-label", "regression")
"""What `task` may be; "auto" lets the target decide."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One part of the data.

    `x` holds n samples, `(n, *input_shape)`; `y` int64 class ids `(n,)` (of text, `(n, length)`), or float32 targets
    `(n, targets)`: quantities, or 0 and 1 for each label. `name` is "train", "validation" or "test". `digest` is a
    SHA-256 (hex) over the rows of the source that the split holds, or over its content where it came on its own.

    A split that stays on disk is read from `stream`; `x` and `y` are then some of its samples, drawn at random.
    """

    x: torch.Tensor
    y: torch.Tensor
    name: str
    digest: str
    stream: Stream | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x) if self.stream is None else self.stream.samples


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A data set ready for training.

    `classes` are the names in the order of their ids, of the labels in the order of the columns of y, () for
    regression; `features` the names of the columns of x after encoding, () where x has none. Column i of the targets of
    a regression in its own units is `y[:, i] * target_std[i] + target_mean[i]`; both are () for other tasks.
    `fingerprint` is a SHA-256 over the source's content. `preprocessing` is plain JSON: all that must be known to
    prepare new rows the same way (`prepare_rows`). `notes` say in plain sentences what was done to the data that the
    user may want to know.
    """

    name: str
    shape: DataShape
    train: Split
    validation: Split | None
    test: Split | None
    classes: tuple[str, ...]
    features: tuple[str, ...]
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    fingerprint: str
    preprocessing: Mapping[str, Any]
    notes: tuple[str, ...]


def row_digest(rows: np.ndarray) -> str:
    """Return the SHA-256 over row indices, in the order given: the same on every machine."""
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


def content_digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 over the types, shapes and bytes of `arrays`."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}|{array.shape}|".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def check_choice(setting: str, value: str, known: Sequence[str]) -> None:
    """Raise `UsageError` with the nearest spelling unless `value` is one of `known`."""
    if value not in known:
        raise UsageError(
            f"{setting} cannot be '{value}'", evidence=f"known: {', '.join(known)}", remedy=did_you_mean(value, known)
        )
