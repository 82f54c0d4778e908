"""Samples that two loaders share: by their places in one data set, or by content where the data lie in memory.

Nothing is read through a data set, which might draw random numbers, or count: only places and tensors are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)
from torch.utils.data.distributed import DistributedSampler

from trainwright.vitals.data_rows import recurrence, row_hashes, tells_apart, tells_something

_WHOLE = (SequentialSampler, RandomSampler, DistributedSampler)
"""Samplers that go through the whole data set."""
_PLACES = 5_000_000  # beyond it indices are not compared
_ELEMENTS = 8_000_000  # numbers that are hashed, of both, where some rows seem equal: some tenth of a second
_NUMBERS = 32  # of each row, by which most rows are told apart
_ALL = 0.98
"""From this share on one of the two is meant to be a part of the other: scores on training data, or on all there is."""
_DEVIATIONS = 4.0
"""Standard deviations by which more must be found than equal rows inside of the training data explain."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How many of the `asked` samples were `found` among those that are learnt from, and what chance explains."""

    found: int
    asked: int
    expected: float
    by_index: bool


def overlap(train: Any, held: Any) -> Overlap | None:
    """Compare two loaders; None where they share nothing, cannot be compared, or one is a part of the other."""
    if not isinstance(train, DataLoader) or not isinstance(held, DataLoader):
        return None
    one, other = _rows(train), _rows(held)
    if one is None or other is None:
        return None
    (data, places), (data_held, places_held) = one, other
    if data is data_held:
        return _by_index(places, places_held)
    if isinstance(data, TensorDataset) and isinstance(data_held, TensorDataset):
        return _by_content(data.tensors[0], places, data_held.tensors[0], places_held)
    return None


def _rows(loader: DataLoader[Any]) -> tuple[Any, np.ndarray] | None:
    """Return the data set at the bottom, and the places in it that the loader reads; None where nobody can say."""
    sampler, batches = getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)
    if batches is not None and type(batches) is not BatchSampler:
        return None
    data: Any = loader.dataset
    if isinstance(sampler, SubsetRandomSampler):
        places = np.asarray(list(sampler.indices))
    elif isinstance(sampler, _WHOLE):
        size = len(data)
        places = np.arange(size if size <= _PLACES else 0)
    else:
        return None
    while isinstance(data, Subset):
        own = np.asarray(data.indices)
        if own.ndim != 1 or not np.issubdtype(own.dtype, np.integer):
            return None
        places, data = own[places], data.dataset
    return (data, places) if 0 < len(places) <= _PLACES else None


def _by_index(places: np.ndarray, held: np.ndarray) -> Overlap | None:
    size = int(max(places.max(), held.max())) + 1
    one, other = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    one[places], other[held] = True, True
    return _told(int((one & other).sum()), int(other.sum()), int(one.sum()), 0.0, by_index=True)


def _by_content(x: torch.Tensor, places: np.ndarray, held: torch.Tensor, places_held: np.ndarray) -> Overlap | None:
    numbers = sum(math.prod(part.shape[1:]) * len(own) for part, own in ((x, places), (held, places_held)))
    if x.shape[1:] != held.shape[1:] or x.dim() < 2 or not x.is_cpu or not held.is_cpu or numbers > _ELEMENTS:
        return None
    some, others = _thin(x)[torch.from_numpy(places)], _thin(held)[torch.from_numpy(places_held)]
    if not np.isin(row_hashes(others), row_hashes(some)).any():
        return None  # as nearly always: rows that differ in a few numbers need not be read to the end
    train, asked = x[torch.from_numpy(places)], held[torch.from_numpy(places_held)]
    known, hashes = row_hashes(train), row_hashes(asked)
    found = int((np.isin(hashes, known) & tells_something(asked)).sum())
    if found == 0:
        return None
    expected = 0.0
    if not tells_apart(train, known):  # rows of few different values are equal by chance, as inside of training
        inside = recurrence(known)
        repeated = inside.recurring * inside.rows
        mean = len(hashes) * (repeated + 2 * math.sqrt(repeated + 1) + 1) / inside.rows
        expected = min(1.0, (mean + _DEVIATIONS * math.sqrt(mean)) / len(hashes))
    back = int(np.isin(known, hashes).sum())
    return _told(found, len(hashes), len(known), expected, by_index=False, back=back)


def _thin(x: torch.Tensor) -> torch.Tensor:
    flat = x.reshape(len(x), -1)
    return flat[:, :: max(1, flat.shape[1] // _NUMBERS)]


def _told(
    found: int, asked: int, learnt: int, expected: float, *, by_index: bool, back: int | None = None
) -> Overlap | None:
    if found == 0 or (found if back is None else back) >= _ALL * learnt:
        return None
    if by_index and found >= _ALL * asked:
        return None
    return Overlap(found=found, asked=asked, expected=expected, by_index=by_index)
