"""Samples that stay on disk: read in blocks, divided by a hash of their place, shuffled by a seeded permutation.

An epoch puts the blocks into an order that is a function of (seed, epoch), takes them in windows of as many as fit a
fixed room, and puts the samples of each window into an order of its own. So memory does not grow with the data, every
sample comes once, and where an epoch stands is told by the number of batches alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trainwright.data.feed import Batch
from trainwright.data.splits import Preparation
from trainwright.randomness import generator, sample_uniforms

WINDOW_BYTES = 64 * 2**20
"""Room for the samples that are shuffled together: at some hundred bytes each, several hundred thousand of them."""
FEWEST_BLOCKS = 8
"""Blocks in a window at least, so that samples of far apart places meet ..."""
MOST_WINDOW_BYTES = 4 * WINDOW_BYTES
"""... unless they would take more than this, as shards that are read as a whole may: then two."""
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """The samples of one split that stay on disk.

    `counts`, int64 `(blocks,)`, says how many samples of the split each block holds; `read(block)` gives them as the
    network takes them, on the CPU, the same at every call and in any thread. `sample_bytes` is what one of them takes.
    `class_counts` says how many samples each class has, () where there are none. `workers` read ahead.
    """

    counts: np.ndarray
    read: Callable[[int], Batch]
    sample_bytes: int
    class_counts: tuple[int, ...] = ()
    workers: int = 1

    @property
    def samples(self) -> int:
        """The number of samples."""
        return int(self.counts.sum())

    @property
    def window(self) -> int:
        """The number of blocks that are shuffled together."""
        largest = max(1, int(self.counts.max(initial=1)) * self.sample_bytes)
        fewest = FEWEST_BLOCKS if FEWEST_BLOCKS * largest <= MOST_WINDOW_BYTES else 2
        return max(fewest, WINDOW_BYTES // largest)


def parts_of(preparation: Preparation, start: int, count: int, have: Sequence[str] = ()) -> np.ndarray:
    """Return which of `PARTS` each of `count` samples from place `start` on belongs to: int8 `(count,)`.

    A function of the seed and of the sample's place in the source alone, so that nothing has to be kept of it. The
    shares hold on average; parts that the source brings itself (`have`) get none.
    """
    test = 0.0 if "test" in have else preparation.test
    validation = 0.0 if "validation" in have else preparation.validation
    places = torch.arange(start, start + count)
    drawn = sample_uniforms(preparation.seed, 0, places, 1, "division")[:, 0].numpy()
    return np.where(drawn < test, 2, np.where(drawn < test + validation, 1, 0)).astype(np.int8)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Blocks that are shuffled together: the first of their samples is number `start` of the epoch."""

    blocks: tuple[int, ...]
    start: int
    samples: int
    number: int


def windows(stream: Stream, seed: int, epoch: int) -> Iterator[Window]:
    """Yield the windows of an epoch in order: a function of (seed, epoch) and of the blocks' sizes alone."""
    filled = np.flatnonzero(stream.counts)
    order = filled[torch.randperm(len(filled), generator=generator(seed, "blocks", epoch)).numpy()]
    start = 0
    for number, begin in enumerate(range(0, len(order), stream.window)):
        blocks = order[begin : begin + stream.window]
        samples = int(stream.counts[blocks].sum())
        yield Window(blocks=tuple(blocks.tolist()), start=start, samples=samples, number=number)
        start += samples


def window_order(window: Window, seed: int, epoch: int) -> torch.Tensor:
    """Return the order of the samples within a window: int64 `(samples,)`."""
    return torch.randperm(window.samples, generator=generator(seed, "window", epoch, window.number))
