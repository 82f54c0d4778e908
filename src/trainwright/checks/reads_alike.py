"""Do the validation data hold the same numbers when they are read again, under other random numbers."""

from __future__ import annotations

import numpy as np
import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.reading import Reading, read, source_of, validation_feed
from trainwright.checks.subject import Subject
from trainwright.data.feed import Feed
from trainwright.doctor.kinds_datasets import VALIDATION_READS_DIFFER
from trainwright.records import Evidence, Finding, Remedy
from trainwright.vitals.data_rows import row_hashes

SAMPLES = 512
"""Samples that are read twice."""
MOST_SHUFFLED = 4096
"""Samples of a shuffled pass, which must be read whole to find each sample again."""
TOLERANCE = 1e-3
"""A difference in standard deviations of the inputs below which it is rounding."""


def examine(subject: Subject) -> Answer:
    """Read two passes under different seeds; a shuffled one is compared as a whole, in any order."""
    feed = validation_feed(subject)
    if source_of(feed) is None:
        kept = read(feed.in_order(), feed, samples=1)
        return Answer(value="kept in memory", expected="the same at every read", measured={"samples": len(kept)})
    first, second = (read(feed.epoch(epoch), feed, samples=SAMPLES) for epoch in (0, 1))
    same_order = len(first) == len(second) and np.array_equal(_hashes(first, 1), _hashes(second, 1))
    if same_order and (_told_by_targets(first) or not _same_rows(first, second)):
        findings, share = _in_order(first, second)
    else:
        findings, share = _in_any_order(feed)
    return Answer(
        findings=findings,
        measured={"samples": len(first), "share_that_differs": share},
        value=f"{share:.0%} of the samples differ at a second read",
        expected="none",
    )


def _hashes(reading: Reading, place: int) -> np.ndarray:
    return np.concatenate([row_hashes(batch[place]) for batch in reading.batches])


def _told_by_targets(reading: Reading) -> bool:
    """Say whether equal targets in two passes show that the samples came in one order, and not by chance."""
    targets = _hashes(reading, 1)
    shares = np.unique(targets, return_counts=True)[1] / len(targets)
    return len(targets) * np.log(float((shares**2).sum())) < np.log(1e-9)


def _same_rows(first: Reading, second: Reading) -> bool:
    return np.array_equal(np.sort(_hashes(first, 0)), np.sort(_hashes(second, 0)))


def _in_order(first: Reading, second: Reading) -> tuple[tuple[Finding, ...], float]:
    one, other = (part.x.reshape(len(part), -1).double() for part in (first, second))
    if one.shape != other.shape:
        return (_finding("the shape of the inputs changes", 1.0, len(first)),), 1.0
    scale = torch.nan_to_num(one).std().clamp_min(1e-12)
    apart = torch.nan_to_num(one - other).abs().amax(1) / scale
    differ = apart > TOLERANCE
    share = float(differ.double().mean())
    if not differ.any():
        return (), 0.0
    place = int(differ.to(torch.uint8).argmax())
    return (_finding(f"first at sample {place}, by {float(apart[place]):.2g} standard deviations", share, len(one)),), (
        share
    )


def _in_any_order(feed: Feed) -> tuple[tuple[Finding, ...], float]:
    """Compare two shuffled passes as sets of rows; what `drop_last` leaves out may differ."""
    samples = feed.samples
    dropped = feed.batch_size if getattr(source_of(feed), "drop_last", False) else 0
    if samples > MOST_SHUFFLED:
        raise Skip(f"the validation data are shuffled, and {samples} samples are too many to find each one again")
    passes = [read(feed.epoch(epoch), feed, samples=MOST_SHUFFLED + 1) for epoch in (0, 1)]
    if not all(part.complete for part in passes):
        raise Skip("the validation data are shuffled, and a whole pass could not be read")
    rows, targets = ([_hashes(part, place) for part in passes] for place in (0, 1))
    missing = int((~np.isin(rows[0], rows[1])).sum())
    share = missing / len(rows[0])
    if missing <= dropped:
        return (), 0.0
    # A pass may be a random part of the data. Then its targets differ as well, and nothing can be said.
    if not np.array_equal(np.sort(targets[0]), np.sort(targets[1])):
        raise Skip("every pass over the validation data holds other samples")
    return (_finding("samples of one pass that the next does not hold", share, len(rows[0])),), share


def _finding(what: str, share: float, samples: int) -> Finding:
    return VALIDATION_READS_DIFFER.finding(
        evidence=(
            Evidence(name="share of samples that hold other numbers at a second read", value=share, threshold=0.0),
            Evidence(name="samples read twice", value=samples),
            Evidence(name="difference", value=what),
        ),
        remedies=(
            Remedy(text="give validation a data set of its own, without random transforms"),
            Remedy(text="where something must be drawn, draw it from the sample's index, not from a generator"),
        ),
    )


CHECK = Check(
    name="validation-reads",
    question="do the validation data stay the same from read to read?",
    kinds=(VALIDATION_READS_DIFFER,),
    examine=examine,
    quick=True,
    seconds=0.5,
)
