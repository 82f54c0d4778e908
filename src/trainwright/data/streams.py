"""Batches that the user's own DataLoader makes: each pass reproducible, whatever happens between the batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from trainwright.data.augmented import Augment, Batch, augmented
from trainwright.errors import DataError
from trainwright.randomness import derive, isolated
from trainwright.tensors import to_tensor


class StreamBatches:
    """The batches of a re-iterable of `(x, y)` pairs, such as a DataLoader, moved to `device`, otherwise as they come.

    Every batch is made with the global generators (torch, numpy, random) seeded by (seed, epoch, its place), so that a
    shuffling or augmenting loader repeats its epochs exactly; the caller's generator state is not touched. A loader's
    own generator is seeded at the start of each pass. `samples` and `steps_per_epoch` are asked of a DataLoader, and
    of anything else counted by a pass over the data.

    `augment` changes the batches of `epoch`, and of nothing else. It gets x and y on `device`; `indices` are the
    samples' places in the pass, on the CPU, since nobody knows which samples a loader chose.
    """

    def __init__(
        self, data: Any, *, seed: int, device: torch.device | str = "cpu", augment: Augment | None = None
    ) -> None:
        _check_iterable(data)
        self._data = data
        self.augment = augment
        self.seed = seed
        self.device = torch.device(device)
        known = _counts(data)
        if known is None:
            sizes = [len(x) for x, _ in self._pass("count")]
            known = len(sizes), sum(sizes), max(sizes, default=0)
        self.steps_per_epoch, self.samples, self.batch_size = known
        if self.steps_per_epoch == 0:
            raise DataError(
                "the data are empty",
                evidence=f"{type(data).__name__} gave no batch",
                remedy="pass data with at least one batch; a DataLoader with drop_last=True drops a short one",
            )

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch: those that the loader gives under the seed of (seed, epoch)."""
        place = 0
        for x, y in self._pass("epoch", epoch):
            if self.augment is None:
                yield x, y
                continue
            indices = torch.arange(place, place + len(x))
            place += len(x)
            # A copy, because a loader may hand out views of its own data, and an augmentation may work in place.
            yield augmented(self.augment, (x.clone(), y.clone()), epoch, indices)

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield all batches, for evaluation, the same at every call; the loader decides on their order and size."""
        return self._pass("in order")

    def take(self, count: int) -> Batch:
        """Return the first `count` samples of a pass (all where there are fewer), the same at every call.

        They are a random sample only if the loader shuffles.
        """
        batches: list[Batch] = []
        found = 0
        for x, y in self._pass("reference"):
            batches.append((x, y))
            found += len(x)
            if found >= count:
                break
        x, y = (torch.cat([batch[axis] for batch in batches])[:count] for axis in (0, 1))
        return x, y

    def _pass(self, *place: str | int) -> Iterator[Batch]:
        for owner in (self._data, getattr(self._data, "sampler", None)):
            own = getattr(owner, "generator", None)
            if isinstance(own, torch.Generator):
                own.manual_seed(derive(self.seed, "loader", *place))
        with isolated(self.seed, "loader", *place):
            batches = iter(self._data)
        position = 0
        while True:
            with isolated(self.seed, "loader", *place, position):
                try:
                    item = next(batches)
                except StopIteration:
                    return
            x, y = _batch(item, position)
            yield x.to(self.device), y.to(self.device)
            position += 1


def _check_iterable(data: Any) -> None:
    if isinstance(data, TorchDataset):
        raise DataError(
            "a torch Dataset gives single samples, not batches",
            evidence=type(data).__name__,
            remedy="wrap it: DataLoader(dataset, batch_size=64, shuffle=True)",
        )
    # Asked by type: iter() would start a loader's workers.
    if isinstance(data, Iterator):
        raise DataError(
            "the data can be read once only, so there would be no second epoch",
            evidence=f"{type(data).__name__} is an iterator or a generator",
            remedy="pass a DataLoader, or list(data)",
        )
    if not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        raise DataError(
            "the data are neither a pair (x, y) nor an iterable of such pairs",
            evidence=type(data).__name__,
            remedy="pass (x, y), two tensors or arrays of equal length, or a DataLoader",
        )


def _counts(data: Any) -> tuple[int, int, int] | None:
    """Return steps, samples and batch size as a DataLoader knows them, None where they must be counted."""
    batch_size, sampler = getattr(data, "batch_size", None), getattr(data, "sampler", None)
    if not isinstance(batch_size, int) or not isinstance(sampler, Sized):
        return None
    try:
        steps, rows = len(data), len(sampler)
    except TypeError:  # over an iterable data set, of which nobody knows the length
        return None
    return steps, min(rows, steps * batch_size), batch_size


def _batch(item: Any, position: int) -> Batch:
    arrays = (torch.Tensor, np.ndarray)
    if not isinstance(item, tuple | list) or len(item) != 2 or not all(isinstance(part, arrays) for part in item):
        inside = f" of {', '.join(type(part).__name__ for part in item)}" if isinstance(item, tuple | list) else ""
        raise DataError(
            f"batch {position} is no pair (x, y) of tensors",
            evidence=f"{type(item).__name__}{inside}",
            remedy="let the loader give pairs of inputs and targets (see its collate_fn)",
        )
    x, y = to_tensor(item[0], f"x of batch {position}"), to_tensor(item[1], f"y of batch {position}")
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
        raise DataError(
            f"batch {position} does not hold as many inputs as targets, one at least",
            evidence=f"x has the shape {tuple(x.shape)}, y {tuple(y.shape)}",
            remedy="let the loader give inputs (n, ...) and targets (n, ...) with n of 1 or more",
        )
    return x, y
