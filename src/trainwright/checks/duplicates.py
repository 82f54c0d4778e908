"""Does the training data hold exact copies, in data where no two samples are equal by chance."""

from __future__ import annotations

import numpy as np
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, IterableDataset, RandomSampler
from torch.utils.data import SequentialSampler as Sequential

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.reading import read, source_of, train_feed
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_datasets import DUPLICATE_SAMPLES
from trainwright.records import Evidence, Finding, Remedy
from trainwright.vitals.data_rows import class_ids, recurrence, row_hashes, tells_apart, tells_something

SAMPLES = 100_000
"""Training samples that are hashed at most."""
SHARE = 0.01
"""Share of samples that another equals, the first of each kind left out, above which it is worth a word."""
FEWEST = 5
"""Copies below which nothing is said: real collections hold a few."""
CONFLICTING = 0.05
"""Share of samples whose copies carry other labels, above which the copies contradict one another."""


def examine(subject: Subject) -> Answer:
    """Hash every sample of a pass that should hold each once, and count those that came before."""
    feed = train_feed(subject)
    _check_once(source_of(feed))
    part = read(feed.in_order(), feed, samples=SAMPLES)
    hashes = np.concatenate([row_hashes(x) for x, _ in part.batches])
    if not tells_apart(part.x, hashes):
        raise Skip("the inputs take so few values that samples are equal by chance")
    told = np.concatenate([tells_something(x) for x, _ in part.batches])
    kept, places = hashes[told], np.flatnonzero(told)
    found = recurrence(kept)
    copies = found.rows - found.distinct
    share = copies / max(1, len(hashes))
    findings: tuple[Finding, ...] = ()
    conflicting = _conflicting(part.y, hashes, told)
    if copies >= FEWEST and share > SHARE:
        findings = (_finding(kept, places, copies, share, conflicting),)
    return Answer(
        findings=findings,
        measured={"samples": len(hashes), "copies": copies, "share": share, "conflicting_share": conflicting},
        value=f"{copies} of {len(hashes)} samples are copies",
        expected="none",
    )


def _check_once(source: object) -> None:
    """Raise `Skip` for a loader of which nobody knows that a pass should give each sample once."""
    if source is None or isinstance(source, list | tuple):
        return
    if not isinstance(source, DataLoader):
        raise Skip("nobody knows whether a pass of this loader should hold each sample once")
    sampler, batches = source.sampler, source.batch_sampler
    plain = isinstance(sampler, Sequential | DistributedSampler) or (
        isinstance(sampler, RandomSampler) and not sampler.replacement
    )
    if isinstance(source.dataset, IterableDataset) or not plain or type(batches) is not BatchSampler:
        raise Skip("the loader's sampler may draw a sample several times on purpose")


def _conflicting(y: object, hashes: np.ndarray, told: np.ndarray) -> float:
    """Return the share of samples that have a copy with another class, 0 where targets are no classes."""
    ids = class_ids(y)  # pyright: ignore[reportArgumentType]
    if ids is None:
        return 0.0
    pairs = np.unique(np.stack([hashes[told].view(np.int64), ids.numpy()[told]]), axis=1)
    rows, labels = np.unique(pairs[0], return_counts=True)
    return float(np.isin(hashes[told].view(np.int64), rows[labels > 1]).sum() / max(1, len(hashes)))


def _finding(kept: np.ndarray, places: np.ndarray, copies: int, share: float, conflicting: float) -> Finding:
    values, first, counts = np.unique(kept, return_index=True, return_counts=True)
    again = np.flatnonzero(counts > 1)
    earliest = again[first[again].argmin()]
    twins = places[kept == values[earliest]][:2]
    evidence = [
        Evidence(name="share of training samples that are copies of others", value=share, threshold=SHARE),
        Evidence(name="copies, the first of each left out", value=copies),
        Evidence(name="first such pair, counted in the order read", value=f"{twins[0]} and {twins[1]}"),
        Evidence(name="most often one sample comes", value=int(counts.max())),
    ]
    if conflicting > CONFLICTING:
        name = "share of samples that have a copy of another class"
        evidence.append(Evidence(name=name, value=conflicting, threshold=CONFLICTING))
    return DUPLICATE_SAMPLES.finding(
        severity="warning" if conflicting > CONFLICTING else "note",
        evidence=tuple(evidence),
        remedies=(Remedy(text="remove copies before the data are divided, by rows or by the content of files"),),
    )


CHECK = Check(
    name="duplicates",
    question="is each training sample in the data once?",
    kinds=(DUPLICATE_SAMPLES,),
    examine=examine,
    quick=True,
    seconds=0.5,
)
