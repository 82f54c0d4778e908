"""Does validation hold samples of the training data, by content, more than equal rows in the data explain."""

from __future__ import annotations

import math

import numpy as np

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.reading import Reading, read, source_of, train_feed, validation_feed
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_datasets import VALIDATION_OVERLAPS_TRAINING
from trainwright.doctor.sample_validation import ERROR_SHARE, WARNING_SHARE
from trainwright.records import Evidence, Finding, Remedy
from trainwright.vitals.data_rows import Recurrence, recurrence, row_hashes, tells_apart, tells_something

SAMPLES = 100_000
"""Samples of training and of validation that are hashed at most."""
DEVIATIONS = 4.0
"""Where rows may be equal by chance: standard deviations by which more are found than duplicates inside training
predict, counted from the upper end of what these leave open."""
FEW_VALUED = 0.1
"""Share of different rows in training below which content does not identify a sample at all."""


def examine(subject: Subject) -> Answer:
    """Hash every row of a bounded part of both and count validation rows that are found in training."""
    feed, held_feed = train_feed(subject), validation_feed(subject)
    train = read(feed.in_order(), feed, samples=SAMPLES)
    held = read(held_feed.in_order(), held_feed, samples=SAMPLES)
    if train.batches[0][0].shape[1:] != held.batches[0][0].shape[1:]:
        raise Skip("training and validation inputs differ in shape")
    known, asked = (np.concatenate([row_hashes(x) for x, _ in part.batches]) for part in (train, held))
    inside, of_held = recurrence(known), recurrence(asked)
    own = tells_apart(train.x, known)
    if not own and inside.distinct < max(2, FEW_VALUED * inside.rows):
        raise Skip(f"the inputs take few values: {inside.distinct} different ones among {inside.rows} samples")
    told = np.concatenate([tells_something(x) for x, _ in held.batches])
    places = np.flatnonzero(np.isin(asked, known) & told)
    if len(places) == 0 and _augmented(subject, known, train):
        raise Skip("the training inputs are augmented at every read, so that equal samples cannot be told")
    found = len(places) / len(asked)
    read_share = min(1.0, len(known) / max(train.total, 1))
    # Of a part of training only a part of the copies is found: the share is scaled up to the whole.
    share = min(1.0, found / read_share)
    expected = 0.0 if own else _by_chance(inside, len(asked))
    excess = share - expected
    measured = {
        "validation_samples": len(asked),
        "training_samples": len(known),
        "found": len(places),
        "share": share,
        "expected_share": expected,
        "duplicates_inside_training": inside.recurring,
        "duplicates_inside_validation": of_held.recurring,
    }
    findings: tuple[Finding, ...] = ()
    if excess > WARNING_SHARE and (read_share == 1.0 or len(places) > 1):
        findings = (_overlap(measured, int(places[0]), _place_of(known, int(asked[places[0]])), excess, train),)
    return Answer(
        findings=findings,
        measured=measured,
        value=f"{len(places)} of {len(asked)} validation samples in training",
        expected="none" if own else f"at most {expected:.1%}, as inside training",
    )


def _by_chance(inside: Recurrence, asked: int) -> float:
    """Return the share of `asked` samples that equal rows inside training allow for, at its upper end."""
    repeated = inside.recurring * inside.rows
    mean = asked * (repeated + 2 * math.sqrt(repeated + 1) + 1) / inside.rows
    return min(1.0, (mean + DEVIATIONS * math.sqrt(mean)) / asked)


def _place_of(known: np.ndarray, value: int) -> int:
    return int(np.flatnonzero(known == np.uint64(value))[0])


def _overlap(measured: dict[str, float], place: int, twin: int, excess: float, train: Reading) -> Finding:
    evidence = [
        Evidence(name="share of validation samples found in training", value=measured["share"], threshold=ERROR_SHARE),
        Evidence(
            name="samples found", value=f"{measured['found']} of {measured['validation_samples']}", threshold=None
        ),
        Evidence(name="first such pair, counted in the order read", value=f"validation {place}, training {twin}"),
    ]
    if measured["expected_share"] > 0:
        name = "share that duplicates inside training allow for"
        evidence.append(Evidence(name=name, value=measured["expected_share"]))
    if measured["training_samples"] < train.total:
        evidence.append(
            Evidence(name="training samples read", value=f"{measured['training_samples']} of {train.total}")
        )
    return VALIDATION_OVERLAPS_TRAINING.finding(
        severity="error" if excess > ERROR_SHARE and int(measured["found"]) > 1 else "warning",
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="remove duplicates before the data are divided, or divide by group"),
            Remedy(text="copy rare samples, or make new ones from them, in the training part alone"),
        ),
    )


def _augmented(subject: Subject, known: np.ndarray, train: Reading) -> bool:
    """Say whether the loader's inputs change between reads: the same items, else a whole pass under another seed."""
    source, feed = source_of(subject.train), subject.train
    if source is None or feed is None:
        return False
    dataset = getattr(source, "dataset", None)
    try:
        items = [np.concatenate([row_hashes(dataset[i][0][None]) for i in range(4)]) for _ in range(2)]  # pyright: ignore[reportOptionalSubscript]
        return not np.array_equal(items[0], items[1])
    except Exception:  # whatever a foreign data set raises: it has no items by index, or no tensors
        if not train.complete:
            return False
    again = read(feed.epoch(1), feed, samples=len(known))
    hashes = np.concatenate([row_hashes(x) for x, _ in again.batches])
    return again.complete and float(np.isin(hashes, known).mean()) < 0.5


CHECK = Check(
    name="validation-overlap",
    question="are validation samples also in the training data?",
    kinds=(VALIDATION_OVERLAPS_TRAINING,),
    examine=examine,
    quick=True,
    seconds=0.5,
)
