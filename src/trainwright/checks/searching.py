"""Where in all of the data a value is not finite, and how much of them was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.utils.data import DataLoader, IterableDataset, SequentialSampler

from trainwright.checks.inputs import count
from trainwright.checks.passage import Broken, Passage
from trainwright.checks.reading import passage_of, source_of, training_passage
from trainwright.checks.subject import Subject
from trainwright.data.blockbatches import BlockBatches
from trainwright.data.feed import Feed

Axis = Literal["x", "y"]


@dataclass(frozen=True, kw_only=True)
class BrokenPart(Broken):
    """The first batch with such a value in `part`: "training" or "validation"."""

    part: str


def broken_parts(subject: Subject, axis: Axis) -> list[BrokenPart]:
    """Return the first values that are not finite in training and in validation: one of each at most.

    Data in memory are looked at as a whole, of a loader what it gives in some seconds.
    """
    found = []
    for part, feed in (("training", subject.train), ("validation", subject.validation)):
        given = training_passage(subject) if part == "training" else _validation(subject)
        broken = getattr(given, axis) if given is not None else _in_memory(feed, axis)
        if broken is not None:
            found.append(BrokenPart(before=broken.before, values=broken.values, part=part))
    return found


def first_place(subject: Subject, part: str) -> str:
    """Return how the place of a sample is called that was counted in a pass: a row of the data, unless it shuffles."""
    loader = source_of(subject.validation if part == "validation" else subject.train) or subject.loader
    indexed = isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset)
    shuffled = indexed and not isinstance(loader.sampler, SequentialSampler)
    return "first such sample, counted from 0 in " + ("the order of a shuffled pass" if shuffled else "order")


def searched(subject: Subject) -> tuple[int, str]:
    """Return how many training samples were searched, and that in words."""
    given = training_passage(subject)
    if given is not None:
        if given.complete:
            return given.samples, f"all {given.samples} samples searched"
        share = f", {given.share:.0%}" if subject.train is not None else ", nobody knows of how many"
        return given.samples, f"{given.samples} samples searched{share}"
    samples = subject.train.samples if subject.train is not None else count(subject.x)
    return samples, f"{'all ' if subject.train is not None else ''}{samples} samples searched"


def _validation(subject: Subject) -> Passage | None:
    feed = subject.validation
    return None if feed is None or source_of(feed) is None else passage_of(subject, feed)


def _in_memory(feed: Feed | None, axis: Axis) -> Broken | None:
    if isinstance(feed, BlockBatches):
        return None  # what stays on disk was judged in the pass that measured it, and is each time that it is read
    before = 0
    for batch in feed.in_order() if feed is not None else ():
        values = batch[0] if axis == "x" else batch[1]
        if not values.is_floating_point() and not values.is_complex():
            return None  # whole numbers, of one type throughout
        if not torch.isfinite(values).all():
            return Broken(before=before, values=values)
        before += len(values)
    return None
