"""Reading a bounded part of a feed, and what a loader of torch's says of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from trainwright.checks.check import Skip
from trainwright.checks.subject import Subject
from trainwright.data.feed import Batch, Feed

MOST_VALUES = 2**24
"""Numbers of the inputs that are read at most: 64 MiB of float32, some tenths of a second to hash."""
MOST_SECONDS = 2.0
"""After this long no further batch is asked for: a slow loader is judged by what it gave until then."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Some batches of a pass, in order. `complete` says that the pass ended; `total` what a pass holds."""

    batches: tuple[Batch, ...]
    complete: bool
    total: int

    def __len__(self) -> int:
        """Return the number of samples."""
        return sum(len(x) for x, _ in self.batches)

    @property
    def x(self) -> torch.Tensor:
        """The inputs, one after the other; raises `Skip` where batches differ in shape."""
        return _joined([x for x, _ in self.batches], "inputs")

    @property
    def y(self) -> torch.Tensor:
        """The targets, one after the other; raises `Skip` where batches differ in shape."""
        return _joined([y for _, y in self.batches], "targets")


def _joined(parts: list[torch.Tensor], what: str) -> torch.Tensor:
    if len({part.shape[1:] for part in parts}) > 1:
        raise Skip(f"the {what} of different batches have different shapes")
    return torch.cat(parts)


def read(batches: Iterator[Batch], feed: Feed, *, samples: int) -> Reading:
    """Read `batches`, a pass of `feed`, until there are `samples` samples, or too many numbers, or it took too long."""
    started = time.perf_counter()
    found: list[Batch] = []
    count = values = 0
    complete = False
    while count < samples and values < MOST_VALUES:
        batch = next(batches, None)
        if batch is None:
            complete = True
            break
        found.append(batch)
        count += len(batch[0])
        values += batch[0].numel()
        if time.perf_counter() - started > MOST_SECONDS:
            break
    if not complete and count >= feed.samples:
        complete = next(batches, None) is None
    close = getattr(batches, "close", None)
    if close is not None:
        close()  # a loader's workers end here, and not whenever the garbage is collected
    if not found:
        raise Skip("the data gave no batch")
    return Reading(batches=tuple(found), complete=complete, total=max(feed.samples, count))


def source_of(feed: Feed | None) -> Any:
    """Return the loader that a feed reads, None where it has none: data in memory, or a text."""
    return getattr(feed, "_data", None)


def train_feed(subject: Subject) -> Feed:
    """Return the training batches; raises `Skip` where they cannot be read as pairs of single tensors."""
    if subject.train is None:
        raise Skip("the training data are no pairs of single tensors, or nobody knows where they end")
    return subject.train


def validation_feed(subject: Subject) -> Feed:
    """Return the validation batches; raises `Skip` where there are none."""
    if subject.validation is None:
        raise Skip("there are no validation data")
    return subject.validation
