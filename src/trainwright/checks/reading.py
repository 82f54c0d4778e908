"""Reading a bounded part of a feed, once for all checks that ask for it in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from trainwright.checks.check import Skip
from trainwright.checks.passage import MOST_SECONDS, MOST_VALUES, Passage, Reading, passage
from trainwright.checks.subject import Subject
from trainwright.data.feed import Batch, Feed
from trainwright.data.streams import passed

__all__ = ["Reading", "passage_of", "read", "source_of", "train_feed", "training_passage", "validation_feed"]


@dataclass
class Kept(Iterator[Batch]):
    """The batches that were kept of a pass, as an iterator that `read` knows to be only a part, perhaps."""

    passage: Passage

    def __post_init__(self) -> None:
        self._rest = iter(self.passage.kept.batches)

    def __next__(self) -> Batch:
        return next(self._rest)


class Shared:
    """A loader's feed whose pass in order is read once, and not again by each check: opening workers takes time.

    What it gives in order are copies; epochs are read anew, since a check that compares two passes needs two.
    """

    def __init__(self, feed: Feed, subject: Subject) -> None:
        self._feed, self._subject, self._data = feed, subject, source_of(feed)
        self.augment: Any = getattr(feed, "augment", None)
        self.samples, self.steps_per_epoch, self.batch_size = feed.samples, feed.steps_per_epoch, feed.batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, read now."""
        return self._feed.epoch(epoch)

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield what was kept of the pass in order."""
        return Kept(passage_of(self._subject, self._feed))

    def take(self, count: int) -> Batch:
        """Return `count` samples, read now."""
        return self._feed.take(count)


def passage_of(subject: Subject, feed: Feed, *, anew: bool = False) -> Passage:
    """Return the pass in order over a loader's feed; it is read the first time, and where `anew` says so."""
    known = subject.passages.get(id(feed))
    if known is None or anew or known[0] is not feed:
        subject.passages[id(feed)] = known = (feed, passage(feed.in_order(), samples=feed.samples))
    return known[1]


def training_passage(subject: Subject, *, anew: bool = False) -> Passage | None:
    """Return the pass over the loader of the training data, of a stream without a known end the beginning.

    None for data in memory, and where the samples are no single tensors.
    """
    if subject.train is not None:
        return None if source_of(subject.train) is None else passage_of(subject, subject.train, anew=anew)
    single = isinstance(subject.x, torch.Tensor) and isinstance(subject.y, torch.Tensor)
    if subject.loader is None or not single:
        return None
    known = subject.passages.get(id(subject.loader))
    if known is None or anew:
        batches = passed(subject.loader, subject.seed, subject.x.device, "in order")
        known = subject.loader, passage(batches, samples=0, most=MOST_OF_A_STREAM)
        subject.passages[id(subject.loader)] = known
    return known[1]


MOST_OF_A_STREAM = 8192
"""Samples that are read where nobody knows how many there are: a source without an end is not read for long."""


def read(batches: Iterator[Batch], feed: Feed, *, samples: int) -> Reading:
    """Read `batches`, a pass of `feed`, until there are `samples` samples, or too many numbers, or it took too long."""
    whole = not isinstance(batches, Kept) or batches.passage.kept.complete
    started = time.perf_counter()
    found: list[Batch] = []
    count = values = 0
    complete = False
    while count < samples and values < MOST_VALUES:
        batch = next(batches, None)
        if batch is None:
            complete = whole
            break
        found.append(batch)
        count += len(batch[0])
        values += batch[0].numel()
        if time.perf_counter() - started > MOST_SECONDS:
            break
    if not complete and count >= feed.samples:
        complete = next(batches, None) is None and whole
    close = getattr(batches, "close", None)
    if close is not None:
        close()  # a loader's workers end here, and not whenever the garbage is collected
    if not found:
        problem = batches.passage.problem if isinstance(batches, Kept) else None
        raise Skip("the data gave no batch" if problem is None else f"the data cannot be read: {problem.words}")
    return Reading(batches=tuple(found), complete=complete, total=max(feed.samples, count))


def source_of(feed: Feed | None) -> Any:
    """Return the loader that a feed reads, None where it has none: data in memory, or a text."""
    return getattr(feed, "_data", None)


def train_feed(subject: Subject) -> Feed:
    """Return the training batches; raises `Skip` where they cannot be read as pairs of single tensors."""
    if subject.train is None:
        raise Skip("the training data are no pairs of single tensors, or nobody knows where they end")
    return _shared(subject.train, subject)


def validation_feed(subject: Subject) -> Feed:
    """Return the validation batches; raises `Skip` where there are none."""
    if subject.validation is None:
        raise Skip("there are no validation data")
    return _shared(subject.validation, subject)


def _shared(feed: Feed, subject: Subject) -> Feed:
    return feed if source_of(feed) is None else Shared(feed, subject)
