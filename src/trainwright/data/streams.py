"""Batches that the user's own DataLoader makes: each pass reproducible, whatever happens between the batches."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from trainwright.data.augmented import Augment, Batch, augmented
from trainwright.data.pairs import (
    batch_tensor,
    check_iterable,
    check_same_type,
    empty,
    no_pair,
    only_once,
    same_count,
    unreadable,
    words_of,
)
from trainwright.data.waiting import HungError, next_of
from trainwright.errors import DataError
from trainwright.randomness import derive, isolated

MOST_DEATHS = 3
"""Data workers that may die in a pass, as by a kernel that is short of memory, before that is an error."""
ENDLESS_BATCHES = 100_000
"""Batches after which data that do not know their length are taken for endless ..."""
ENDLESS_SECONDS = 30.0
"""... or seconds: who reads for longer to count them says how many there are, by `__len__`."""


class StreamBatches:
    """The batches of a re-iterable of `(x, y)` pairs, such as a DataLoader, moved to `device`, otherwise as they come.

    Every batch is made with the global generators (torch, numpy, random) seeded by (seed, epoch, its place), so that a
    shuffling or augmenting loader repeats its epochs exactly; the caller's generator state is not touched. A loader's
    own generator is seeded at the start of each pass. `samples` and `steps_per_epoch` are asked of a DataLoader, its
    batch sampler or a list, and of anything else counted by a pass over the data; `smallest` is the size of the
    smallest batch.

    `augment` changes the batches of `epoch`, and of nothing else. It gets x and y on `device`; `indices` are the
    samples' places in the pass, on the CPU, since nobody knows which samples a loader chose.
    """

    def __init__(
        self, data: Any, *, seed: int, device: torch.device | str = "cpu", augment: Augment | None = None
    ) -> None:
        check_iterable(data)
        self._data = data
        self.augment = augment
        self.seed = seed
        self.device = torch.device(device)
        known = _counts(data)
        if known is None:
            sizes = _sizes(data, seed)
            known = len(sizes), sum(sizes), max(sizes, default=0)
            self.smallest = min(sizes, default=0)
        else:
            whole, size = known[1], known[2]
            self.smallest = whole % size or size if whole > size else whole
        self.steps_per_epoch, self.samples, self.batch_size = known
        if self.steps_per_epoch == 0:
            raise empty(data)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch: those that the loader gives under the seed of (seed, epoch).

        Raises `DataError` where there is none, as of what can be read once only.
        """
        place = 0
        for x, y in self._pass("epoch", epoch):
            indices = torch.arange(place, place + len(x))
            place += len(x)
            # A copy, because a loader may hand out views of its own data, and an augmentation may work in place.
            yield (x, y) if self.augment is None else augmented(self.augment, (x.clone(), y.clone()), epoch, indices)
        if place == 0:
            raise only_once(self._data)

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield all batches, for evaluation, the same at every call; the loader decides on their order and size."""
        return self._pass("in order")

    def take(self, count: int) -> Batch:
        """Return the first `count` samples of a pass (all where there are fewer), the same at every call.

        They are a random sample only if the loader shuffles. Raises `DataError` where batches do not fit together.
        """
        batches: list[Batch] = []
        found = 0
        for x, y in self._pass("reference"):
            if batches and (x.shape[1:] != batches[0][0].shape[1:] or y.shape[1:] != batches[0][1].shape[1:]):
                break  # padded to the longest of each batch: those before tell enough
            batches.append((x, y))
            found += len(x)
            if found >= count:
                break
        if not batches:
            raise only_once(self._data)
        x, y = (torch.cat([batch[axis] for batch in batches])[:count] for axis in (0, 1))
        return x, y

    def _pass(self, *place: str | int) -> Iterator[Batch]:
        return passed(self._data, self.seed, self.device, *place)


def passed(data: Any, seed: int, device: torch.device, *place: str | int) -> Iterator[Batch]:
    """Yield the batches of one pass over `data`, under the seed of (seed, place). Raises `DataError` for what is none.

    Unlike in `StreamBatches`, nobody has to know where the pass ends.
    """
    batches: Iterator[Any] | None = None
    first: Batch | None = None
    position, deaths, hung = 0, 0, -1
    while True:
        try:
            if batches is None:
                batches = _begun(data, seed, place, position)
            with isolated(seed, "loader", *place, position):
                item = next_of(batches, position)
        except StopIteration:
            return
        except Exception as problem:  # whatever the user's loader raises
            again = isinstance(problem, HungError) and hung == position  # then it would hang there every time
            if deaths < MOST_DEATHS and _worker_died(problem) and not again:
                deaths += 1
                hung = position if isinstance(problem, HungError) else hung
                batches = None
                if getattr(data, "persistent_workers", False):
                    data._iterator = None  # or torch would go on with those that are dead
                happened = "hangs" if isinstance(problem, HungError) else "died"
                said = f"a data worker {happened}; its pass begins again and goes on at batch {position}: {problem}"
                warnings.warn(said, RuntimeWarning, stacklevel=2)
                continue
            raise _broken(problem, position, deaths) from problem
        x, y = _batch(item, position)
        first = first or (x, y)
        check_same_type(first, (x, y), position)
        yield x.to(device), y.to(device)
        position += 1


def _begun(data: Any, seed: int, place: tuple[str | int, ...], position: int) -> Iterator[Any]:
    """Begin a pass, and leave out the batches before `position`, which were made in it before."""
    for owner in (data, getattr(data, "sampler", None)):
        own = getattr(owner, "generator", None)
        if isinstance(own, torch.Generator):
            own.manual_seed(derive(seed, "loader", *place))
    with isolated(seed, "loader", *place):
        batches = iter(data)
    for number in range(position):
        with isolated(seed, "loader", *place, number):
            next_of(batches, number)
    return batches


def _worker_died(problem: BaseException) -> bool:
    """Say whether torch, or the pipe to it, tells that a worker is gone or hangs, which is no error of the data."""
    if isinstance(problem, ConnectionResetError | BrokenPipeError | EOFError | HungError):
        return True
    said = str(problem)
    return isinstance(problem, RuntimeError) and said.startswith("DataLoader worker") and "Caught" not in said


def _broken(problem: BaseException, position: int, deaths: int = 0) -> DataError:
    """Return what is said of a pass that cannot go on, after so many deaths of workers that it went on from."""
    if isinstance(problem, HungError):
        return DataError(
            f"a data worker hangs{' every time' if deaths else ''}, and its pass cannot go on",
            evidence=f"at batch {position}: {words_of(problem)}",
            remedy="read with num_workers=0 to see where; a lock that was held when the workers were forked, as by a "
            "library with threads, is never given back in them (try multiprocessing_context='spawn')",
        )
    if not _worker_died(problem):
        return unreadable(problem, position)
    return DataError(
        f"a data worker died{f' {deaths + 1} times' if deaths else ''}, and its pass cannot go on",
        evidence=f"at batch {position}: {words_of(problem)}",
        remedy="read with num_workers=0 to see why; one that is killed often takes too much memory",
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


def _sizes(data: Any, seed: int) -> list[int]:
    """Return the number of samples in each batch of a pass, as cheaply as it can be known for certain."""
    if isinstance(data, list | tuple):
        return [len(_batch(item, place)[0]) for place, item in enumerate(data)]
    sampler = getattr(data, "batch_sampler", None)
    if isinstance(data, DataLoader) and sampler is not None and not isinstance(data.dataset, IterableDataset):
        with isolated(seed, "loader", "count"):  # the places that it draws, without reading one sample
            return [len(places) for places in sampler]
    sizes: list[int] = []
    started = time.perf_counter()
    told = _told(data)
    # One randomness for the whole pass: to change it for each batch takes longer than many a batch.
    with isolated(seed, "loader", "count"):
        for item in _items(data):
            sizes.append(len(_batch(item, len(sizes))[0]))
            _check_end(data, told, len(sizes), time.perf_counter() - started)
    return sizes


def _items(data: Any) -> Iterator[Any]:
    given = 0
    try:
        batches = iter(data)
        while True:
            try:
                item = next_of(batches, given)
            except StopIteration:
                return
            given += 1
            yield item
    except Exception as problem:  # whatever the user's loader raises
        raise _broken(problem, given) from problem


def _check_end(data: Any, told: int | None, count: int, seconds: float) -> None:
    """Raise `DataError` where more batches came than there can be."""
    if told is None and (seconds > ENDLESS_SECONDS or count >= ENDLESS_BATCHES):
        raise DataError(
            "the data do not end, as far as they were read, so an epoch has no length",
            evidence=f"{type(data).__name__} gave {count} batches, and more followed",
            remedy="let a pass end after the batches of one epoch, as itertools.islice does, or give the data a "
            "__len__ that tells how many batches a pass holds",
        )
    if told is not None and count > 64 * max(told, 1):  # workers that each give all of a stream are fewer
        raise DataError(
            "the data give far more batches than they say",
            evidence=f"len() of {type(data).__name__} is {told}, and {count} came",
            remedy="let __len__ tell how many batches a pass holds, and let a pass end there",
        )


def _told(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


def _batch(item: Any, position: int) -> Batch:
    arrays = (torch.Tensor, np.ndarray)
    if not isinstance(item, tuple | list) or len(item) != 2 or not all(isinstance(part, arrays) for part in item):
        raise no_pair(item, position, "let the loader give pairs of inputs and targets (see its collate_fn)")
    x, y = (batch_tensor(part, f"{axis} of batch {position}") for part, axis in zip(item, "xy", strict=True))
    counts = [len(part) if part.ndim else 0 for part in (x, y)]
    shapes = f"batch {position}, x of the shape {tuple(x.shape)}, y {tuple(y.shape)}"
    same_count(counts[0], counts[1], shapes)
    return x, y
