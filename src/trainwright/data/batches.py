"""Mini-batches of data in memory: each epoch's order is a function of the seed and the epoch alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from trainwright.data.arrays import pair_tensors
from trainwright.data.augmented import Augment, Batch, augmented
from trainwright.data.dataset import Split
from trainwright.data.samplers import cumulative_weights, epoch_order, occurrences
from trainwright.data.streams import StreamBatches
from trainwright.errors import DataError, UsageError
from trainwright.randomness import generator
from trainwright.tensors import digest

__all__ = ["Augment", "Batch", "Batches", "StreamBatches", "batches_of", "is_pair"]

_GATHER_BYTES = 256 * 2**20  # an epoch up to this size is put in order once, a larger one batch by batch
_RESIDENT_BYTES = 4 * 2**30  # data up to this size are moved to an accelerator as a whole
_EVALUATION_BATCH = 512
_EVALUATION_BYTES = 64 * 2**20  # of inputs in one evaluation batch: their activations are a multiple of it


class Batches:
    """The samples of a split in mini-batches on `device`.

    `samples` counts them, `steps_per_epoch` the batches. The last batch may be short, but is never a single sample,
    which batch normalisation cannot train on: that one joins the batch before it. Nothing is drawn from torch's global
    generator, and no batch shares memory with the split.

    With `sample_weights` `(n,)`, an epoch draws as many samples as there are, with replacement, in proportion to them.
    `augment` changes the batches of `epoch`, and of nothing else. It gets x and y on `device`, and may change them in
    place; `indices`, on the CPU, are the samples' rows in the split. A sample that is drawn again in the same epoch
    comes with a number of its own: its row, plus `samples` for each time before, so that no two copies need be alike.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        sample_weights: torch.Tensor | None = None,
        augment: Augment | None = None,
    ) -> None:
        if batch_size < 1:
            raise UsageError(
                "a batch must hold at least one sample",
                evidence=f"batch_size = {batch_size}",
                remedy="set train.batch_size to 1 or more",
            )
        if len(split) == 0:
            raise DataError(f"the split '{split.name}' is empty", remedy="pass at least one sample")
        self.samples = len(split)
        self.digest = split.digest
        self.batch_size = batch_size
        self.seed = seed
        self.device = torch.device(device)
        size = split.x.nbytes + split.y.nbytes
        resident = size <= _RESIDENT_BYTES
        self._x = split.x.to(self.device) if resident else split.x
        self._y = split.y.to(self.device) if resident else split.y
        self._gathers = size <= _GATHER_BYTES
        self._sizes = _sizes(self.samples, batch_size)
        self.steps_per_epoch = len(self._sizes)
        self.augment = augment
        self._weights = None if sample_weights is None else cumulative_weights(sample_weights, self.samples)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch: every sample once, or the draws by weight, in the order of (seed, epoch)."""
        order = epoch_order(self.seed, epoch, self.samples, self._weights)
        batches = self._ordered(order)
        if self.augment is None:
            yield from batches
            return
        indices = order if self._weights is None else order + self.samples * occurrences(order)
        for batch, place in zip(batches, indices.split(self._sizes), strict=True):
            yield augmented(self.augment, batch, epoch, place)

    @property
    def inputs(self) -> torch.Tensor:
        """The inputs of all samples in the order of the source, `(samples, ...)`: to read, not to change."""
        return self._x

    def with_inputs(self, x: torch.Tensor) -> Batches:
        """Return the same batches, sample by sample in the same order, with `x` `(samples, ...)` for the inputs.

        They are not augmented.
        """
        other = copy.copy(self)
        other._x = x
        other._gathers = x.nbytes + self._y.nbytes <= _GATHER_BYTES
        other.augment = None
        return other

    def rows(self, epoch: int) -> tuple[torch.Tensor, ...]:
        """Return which rows of the split each batch of an epoch holds, int64 `(n,)` on the CPU, batch by batch."""
        return epoch_order(self.seed, epoch, self.samples, self._weights).split(self._sizes)

    def at(self, rows: torch.Tensor) -> Batch:
        """Return the samples of `rows` as they are in the split, before any augmentation."""
        return self._pick(rows.to(self._x.device))

    def _ordered(self, order: torch.Tensor) -> Iterator[Batch]:
        order = order.to(self._x.device)
        if self._gathers:
            x, y = self._x.index_select(0, order), self._y.index_select(0, order)
            x, y = x.to(self.device), y.to(self.device)
            yield from zip(x.split(self._sizes), y.split(self._sizes), strict=True)
        else:
            yield from map(self._pick, order.split(self._sizes))

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield all samples in the order of the source, for evaluation, by default in larger batches."""
        size = batch_size or self._evaluation_batch()
        for start in range(0, self.samples, size):
            # A copy, because a model that works in place must not change the data.
            x, y = self._x[start : start + size].clone(), self._y[start : start + size].clone()
            yield x.to(self.device), y.to(self.device)

    def take(self, count: int) -> Batch:
        """Return `count` samples (all of them where there are fewer): the same ones whenever it is called."""
        order = torch.randperm(self.samples, generator=generator(self.seed, "reference"))[:count]
        return self._pick(order.to(self._x.device))

    def _pick(self, order: torch.Tensor) -> Batch:
        x, y = self._x.index_select(0, order), self._y.index_select(0, order)
        return x.to(self.device), y.to(self.device)

    def _evaluation_batch(self) -> int:
        fits = _EVALUATION_BYTES // max(1, self._x.nbytes // self.samples)
        return max(self.batch_size, min(_EVALUATION_BATCH, fits))


def _sizes(samples: int, batch_size: int) -> list[int]:
    """Return the sizes of an epoch's batches: a last one of a single sample joins the one before."""
    whole, rest = divmod(samples, batch_size)
    if rest == 1 and whole > 0:
        return [batch_size] * (whole - 1) + [batch_size + 1]
    return [batch_size] * whole + [rest] * (rest > 0)


def batches_of(
    data: Any,
    *,
    batch_size: int,
    seed: int,
    device: torch.device | str = "cpu",
    sample_weights: torch.Tensor | None = None,
    augment: Augment | None = None,
) -> Batches | StreamBatches:
    """Return mini-batches of `data`: a `Split`, an `(x, y)` pair of tensors, arrays or lists, or an iterable of pairs.

    Pairs are used as given, types and shapes included, but for numpy's float64, which become float32. An iterable, such
    as a DataLoader, makes its own batches: `batch_size` is then not used, and `sample_weights` raise `UsageError`.
    Raises `DataError` for anything else.
    """
    if not isinstance(data, Split) and is_pair(data):
        x, y = pair_tensors([_single(values) for values in data], "the data")
        data = Split(x=x, y=y, name="train", digest=digest({"x": x, "y": y}))
    if isinstance(data, Split):
        return Batches(
            data, batch_size=batch_size, seed=seed, device=device, sample_weights=sample_weights, augment=augment
        )
    if sample_weights is not None:
        raise UsageError(
            "sample_weights cannot reach into data that make their own batches",
            evidence=type(data).__name__,
            remedy="give the DataLoader a WeightedRandomSampler, or pass (x, y)",
        )
    return StreamBatches(data, seed=seed, device=device, augment=augment)


def is_pair(data: Any) -> bool:
    """Tell (x, y) from two batches [(x1, y1), (x2, y2)]: those are pairs of arrays themselves."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        return False
    return not any(
        isinstance(part, tuple | list) and any(getattr(item, "ndim", 0) > 0 for item in part) for part in data
    )


def _single(values: Any) -> Any:
    if isinstance(values, torch.Tensor) or not hasattr(values, "__array__"):
        return values
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype == np.float64 else array
