"""One pass over data, in order and within a time: what is kept of it for the checks, and what was searched for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from trainwright.checks.check import Skip
from trainwright.data.feed import Batch
from trainwright.data.pairs import MEND, words_of
from trainwright.errors import TrainwrightError
from trainwright.vitals.frames import user_frame

MOST_VALUES = 2**24
"""Numbers of the inputs that are kept at most: 64 MiB of float32, some tenths of a second to hash."""
MOST_SAMPLES = 100_000
"""Samples that are kept at most."""
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


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Where a pass broke off, or a batch that does not fit the first: which batch, and in what words."""

    batch: int
    title: str
    words: str
    remedy: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Broken:
    """The first batch with a value that is not finite, and the samples before it."""

    before: int
    values: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What a pass gave. `kept` are its first batches; `samples` and `batches` count all that were read.

    `complete` says that the pass ended by itself; `x` and `y` are the first inputs and targets that are not finite.
    """

    kept: Reading
    batches: int
    samples: int
    smallest: int  # samples in the smallest batch
    complete: bool
    x: Broken | None
    y: Broken | None
    problem: Problem | None

    @property
    def share(self) -> float:
        """The share of the samples that was read, as far as anybody knows how many there are."""
        return 1.0 if self.complete else min(1.0, self.samples / max(self.kept.total, 1))


def passage(
    batches: Iterator[Batch], *, samples: int, most: int | None = None, seconds: float | None = MOST_SECONDS
) -> Passage:
    """Read a pass to its end, or for so many `seconds` or `most` samples, and keep the beginning of it as copies.

    `samples` is what a pass is said to hold. What the source raises becomes the `problem`.
    """
    started = time.perf_counter()
    kept: list[Batch] = []
    first: Batch | None = None
    place = count = values = smallest = 0
    complete, problem = False, None
    broken: list[Broken | None] = [None, None]
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            complete = True
            break
        except Exception as raised:  # whatever the user's loader raises
            problem = _raised(raised, place)
            break
        first = first or batch
        if values < MOST_VALUES and count < MOST_SAMPLES:
            # Copies, because a loader may fill one and the same tensor again for every batch.
            kept.append((batch[0].clone(), batch[1].clone()))
        for axis, part in enumerate(batch):
            if broken[axis] is None and not torch.isfinite(part).all():
                broken[axis] = Broken(before=count, values=part.clone())
        problem = problem or _unlike(first, batch, place)
        smallest = min(smallest or len(batch[0]), len(batch[0]))
        place, count, values = place + 1, count + len(batch[0]), values + batch[0].numel()
        if (seconds is not None and time.perf_counter() - started > seconds) or (most is not None and count >= most):
            break
    close = getattr(batches, "close", None)
    if close is not None:
        close()  # a loader's workers end here, and not whenever the garbage is collected
    size = sum(len(x) for x, _ in kept)
    return Passage(
        kept=Reading(batches=tuple(kept), complete=complete and size == count, total=max(samples, count)),
        batches=place,
        samples=count,
        smallest=smallest,
        complete=complete,
        x=broken[0],
        y=broken[1],
        problem=problem,
    )


def _raised(problem: Exception, place: int) -> Problem:
    """Return what is said of a pass that broke off, with the user's line where their own code raised."""
    frames, trace = [], (problem.__cause__ or problem).__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    file, line = user_frame(frames) if problem.__cause__ is not None else (None, None)
    if isinstance(problem, TrainwrightError):
        title, words, remedy = problem.what, problem.evidence, problem.remedy
    else:
        title, words, remedy = "the data cannot be read", words_of(problem), MEND
    return Problem(batch=place, title=title, words=words or title, remedy=remedy, file=file, line=line)


def _unlike(first: Batch, batch: Batch, place: int) -> Problem | None:
    """Return in what a batch differs from the first, which a model that took that one cannot be asked to take."""
    for name, one, other in (("inputs", first[0], batch[0]), ("targets", first[1], batch[1])):
        if one.dim() != other.dim():
            words = f"shape {tuple(other.shape)} in batch {place}, {tuple(one.shape)} in the first"
            title = f"the {name} of different batches differ in their number of dimensions"
            return Problem(batch=place, title=title, words=words, remedy="give all batches the same dimensions")
    return None
