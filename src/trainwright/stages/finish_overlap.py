"""Whether what judges was seen before: samples of the test data among those of validation, or of either in training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from trainwright.data.feed import Batch, Feed
from trainwright.errors import UsageError
from trainwright.randomness import isolated

REFUSED = 0.05
"""Share of the samples, beyond those that repeat anyway, from which on it is refused: a few alike are an accident."""
_ERRORS = 3.0  # standard errors of a share that repeats by itself: one in a thousand by chance
_MOST = 200_000  # samples of each that are compared


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How many of `samples` samples of one part occur in another, and how many such repeats the other has by itself.

    `usual` is the share of the other part's samples that occur in it more than once.
    """

    found: int
    samples: int
    usual: float

    @property
    def is_beyond_usual(self) -> bool:
        """Say whether more are alike than repeat within the other part, but for noise."""
        noise = _ERRORS * (self.usual * (1 - self.usual) / max(self.samples, 1)) ** 0.5
        return self.found > 0 and self.found / self.samples > self.usual + noise

    @property
    def is_refused(self) -> bool:
        """Say whether they are too many for an accident."""
        return self.is_beyond_usual and self.found / self.samples - self.usual > REFUSED


def overlap(part: Feed, other: Feed) -> Overlap:
    """Return how far the samples of `part`, inputs and targets, are among those of `other`, by their hashes."""
    there = Counter(_hashes(other.in_order()))
    here = list(_hashes(part.in_order()))
    count = sum(there.values())
    repeated = sum(times for times in there.values() if times > 1)
    return Overlap(found=sum(one in there for one in here), samples=len(here), usual=repeated / count if count else 0.0)


def check_apart(parts: dict[str, Feed | None]) -> list[str]:
    """Return what is to be said of parts that share samples; `parts` are from the last looked at to the first.

    Raises `UsageError`, naming both and how many, where a part is drawn from another.
    """
    with isolated():  # a loader that shuffles must not move the caller's random numbers
        return _told_apart([(name, feed) for name, feed in parts.items() if feed is not None])


def _told_apart(given: list[tuple[str, Feed]]) -> list[str]:
    notes = []
    for place, (name, feed) in enumerate(given):
        for other, second in given[place + 1 :]:
            found = overlap(feed, second)
            told = f"{found.found:,} of {found.samples:,} {name} samples are among the {other} samples"
            if found.is_refused:
                whole = found.found == found.samples
                raise UsageError(
                    f"{name} and {other} are the same data: what is fitted there would be praised here"
                    if whole
                    else f"the {name} data are drawn in part from the {other} data",
                    evidence=f"{told}, inputs and targets alike; {100 * found.usual:.1f} % repeat by themselves",
                    remedy=f"give {name} samples that are not among the {other} samples; of a search leave both out: "
                    "it has its own",
                )
            if found.is_beyond_usual:
                notes.append(told)
    return notes


def _hashes(batches: Iterable[Batch]) -> Iterable[bytes]:
    """Yield a hash of each sample, of its inputs and its targets, whatever floating-point type they are kept in."""
    count = 0
    for x, y in batches:
        inputs, targets = (_plain(values) for values in (x, y))
        for one, other in zip(inputs, targets, strict=True):
            yield hashlib.blake2b(one.tobytes() + other.tobytes(), digest_size=16).digest()
        count += len(x)
        if count >= _MOST:
            return


def _plain(values: torch.Tensor) -> list:  # type: ignore[type-arg]
    flat = values.detach().cpu().reshape(len(values), -1)
    flat = flat.float() if flat.is_floating_point() else flat.long()
    return list((flat + 0).numpy())  # plus 0: -0.0 and 0.0 are one number
