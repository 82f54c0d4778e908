"""Mini-batches of samples that stay on disk, with the face of `Batches`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice

import torch

from trainwright.data.augmented import Augment, Batch, augmented
from trainwright.data.blocks import Stream, Window, window_order, windows
from trainwright.data.dataset import Split
from trainwright.errors import DataError, UsageError

_EVALUATION_BYTES = 16 * 2**20  # of inputs in one batch of an evaluation
_EVALUATION_BATCH = 4096


class BlockBatches:
    """The batches of a split that stays on disk; build it from the split itself.

    Each epoch's order is a function of (seed, epoch), whatever `workers` of the stream read ahead. `samples` counts the
    split, `steps_per_epoch` the batches: a last one of a single sample joins the one before. `augment` gets as
    `indices` the samples' places in the epoch.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        augment: Augment | None = None,
    ) -> None:
        if batch_size < 1:
            raise UsageError("a batch must hold at least one sample", evidence=f"batch_size = {batch_size}")
        if split.stream is None or len(split) == 0:
            raise DataError(f"the split '{split.name}' is empty", remedy="give more rows, or larger shares")
        self._split, self._stream = split, split.stream
        self.samples = len(split)
        self.digest = split.digest
        self.batch_size = batch_size
        self.seed = seed
        self.device = torch.device(device)
        self.augment = augment
        whole, rest = divmod(self.samples, batch_size)
        self._joins = rest == 1 and whole > 0
        self.steps_per_epoch = whole + (rest > 0) - self._joins

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch: every sample once, in the order of (seed, epoch)."""
        return self.epoch_from(epoch, 0)

    def epoch_from(self, epoch: int, first: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `first` on; blocks that lie wholly before it are not read."""
        place = first * self.batch_size
        for x, y in _cut(self._shuffled(epoch, place), self.batch_size, joins=self._joins):
            batch = x.to(self.device), y.to(self.device)
            if self.augment is not None:
                batch = augmented(self.augment, batch, epoch, torch.arange(place, place + len(x)))
            place += len(x)
            yield batch

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield all samples in the order of the source, for evaluation, by default in larger batches."""
        fits = _EVALUATION_BYTES // max(1, self._stream.sample_bytes)
        size = batch_size or max(self.batch_size, min(_EVALUATION_BATCH, fits))
        filled = [place for place, count in enumerate(self._stream.counts.tolist()) if count]
        for x, y in _cut(read_ahead(self._stream, filled), size):
            yield x.to(self.device), y.to(self.device)

    def take(self, count: int) -> Batch:
        """Return `count` samples, or all that were kept of a sample of the split: the same ones at every call."""
        x, y = self._split.x[:count].clone(), self._split.y[:count].clone()
        return x.to(self.device), y.to(self.device)

    def _shuffled(self, epoch: int, first: int) -> Iterator[Batch]:
        """Yield the samples of an epoch in order, from number `first` on, a window at a time."""
        ahead = [one for one in windows(self._stream, self.seed, epoch) if one.start + one.samples > first]
        blocks = read_ahead(self._stream, [block for one in ahead for block in one.blocks])
        for one in ahead:
            x, y = _gathered(blocks, one)
            order = window_order(one, self.seed, epoch)[max(0, first - one.start) :]
            for some in order.split(max(1, self.batch_size)):  # so that no second copy of the window is made
                yield x.index_select(0, some), y.index_select(0, some)


def read_ahead(stream: Stream, blocks: Sequence[int]) -> Iterator[Batch]:
    """Yield blocks in the order given, while the stream's workers read those that come next."""
    if stream.workers == 0:
        yield from map(stream.read, blocks)
        return
    waiting: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(stream.workers, thread_name_prefix="read-ahead")
    try:
        for block in blocks:
            waiting.append(pool.submit(stream.read, block))
            if len(waiting) > stream.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _gathered(blocks: Iterator[Batch], window: Window) -> Batch:
    """Return the samples of a window in one piece, filled block by block."""
    first_x, first_y = next(blocks)
    x = torch.empty((window.samples, *first_x.shape[1:]), dtype=first_x.dtype)
    y = torch.empty((window.samples, *first_y.shape[1:]), dtype=first_y.dtype)
    start = 0
    for some_x, some_y in chain([(first_x, first_y)], islice(blocks, len(window.blocks) - 1)):
        end = start + len(some_x)
        if end > window.samples:
            raise _changed(end, window.samples)
        x[start:end], y[start:end] = some_x, some_y
        start = end
    if start != window.samples:
        raise _changed(start, window.samples)
    return x, y


def _changed(found: int, wanted: int) -> DataError:
    return DataError(
        "the data have changed while they were read",
        evidence=f"{found:,} samples where there were {wanted:,}",
        remedy="leave the files alone while a run reads them, and start again",
    )


def _cut(pieces: Iterator[Batch], size: int, *, joins: bool = False) -> Iterator[Batch]:
    """Cut pieces of any size into batches of `size`; with `joins`, a last single sample joins the one before."""
    x = y = None
    for some_x, some_y in pieces:
        x, y = (some_x, some_y) if x is None or y is None else (torch.cat([x, some_x]), torch.cat([y, some_y]))
        while len(x) > size + joins:  # what is left is one batch at least
            yield x[:size].clone(), y[:size].clone()
            x, y = x[size:], y[size:]
    if x is not None and y is not None and len(x):
        yield x.clone(), y.clone()
