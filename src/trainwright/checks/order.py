"""Are the training data shuffled: labels in an order that chance would give, and another order in the next epoch."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import SequentialSampler

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.reading import Reading, read, source_of, train_feed
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_datasets import DATA_NOT_SHUFFLED
from trainwright.records import Evidence, Finding, Remedy
from trainwright.vitals.data_order import LabelOrder, label_order
from trainwright.vitals.data_rows import class_ids, row_hashes

SAMPLES = 2048
"""Samples of each of two epochs that are read."""
DEVIATIONS = 8.0
"""Standard deviations by which the runs of equal labels are too few: by chance once in 10**15 shuffles."""
LONG_SHARE = 0.5
"""Share of samples in runs at least as long as a batch. A sampler of a few classes with some samples each has none."""
PEEK = 32
"""Items spread over the data set that are looked up where a pass begins with one class only."""
FEWEST = 32
"""Samples below which an order is not judged."""
CHANCE = 1e-9
"""Chance of a coincidence of labels below which it is none."""


def examine(subject: Subject) -> Answer:
    """Read the beginning of two epochs: runs of equal labels against shuffling, and one order against the other."""
    feed = train_feed(subject)
    if feed.steps_per_epoch < 2:
        raise Skip("an epoch is a single batch, in which the order is of no consequence")
    first, second = (read(feed.epoch(epoch), feed, samples=SAMPLES) for epoch in (0, 1))
    if len(first) < FEWEST:
        raise Skip(f"{len(first)} samples are too few to tell an order")
    repeats = _repeats(first, second)
    measured: dict[str, object] = {"samples": len(first), "same_order_in_two_epochs": repeats}
    order, findings = None, ()
    labels = _labels(subject, first)
    if labels is not None:
        order = label_order(labels, long=max(feed.batch_size, 4))
        measured |= {"runs": order.runs, "runs_if_shuffled": order.expected, "longest_run": order.longest}
        if order.classes == 1:
            findings = (_single_class(subject, first),)
        elif _is_sorted(order):
            findings = (_sorted(order),)
    if not findings and repeats and labels is not None:
        findings = _same_order(subject, len(first))
    if order is None:
        value = "the same order in two epochs" if repeats else "another order in the next epoch"
        return Answer(findings=findings, measured=measured, value=value)
    return Answer(
        findings=findings,
        measured=measured,
        value=f"{order.runs} runs of equal labels among {order.samples}",
        expected=f"about {order.expected:.0f} when shuffled",
    )


def _labels(subject: Subject, reading: Reading) -> np.ndarray | None:
    """Return the classes in the order of the pass; None for a regression, for sequences and for several labels."""
    ids = class_ids(reading.y)
    if ids is None or subject.info.task == "regression":
        return None
    return ids.numpy()


def _is_sorted(order: LabelOrder) -> bool:
    if order.deviations < DEVIATIONS:
        return False
    in_one_run_each = order.runs == order.classes and order.samples >= 4 * order.classes
    return in_one_run_each or order.long_share >= LONG_SHARE


def _sorted(order: LabelOrder) -> Finding:
    return DATA_NOT_SHUFFLED.finding(
        title="the training data come sorted by label",
        evidence=(
            Evidence(name=f"runs of equal labels among the first {order.samples} samples", value=order.runs),
            Evidence(name="runs that shuffling these labels would give", value=round(order.expected)),
            Evidence(
                name="standard deviations between the two", value=round(order.deviations, 1), threshold=DEVIATIONS
            ),
            Evidence(name="longest run of one label", value=order.longest),
        ),
        remedies=(Remedy(text="shuffle the training data: DataLoader(..., shuffle=True)"),),
    )


def _single_class(subject: Subject, reading: Reading) -> Finding:
    """Return a finding where other items of the data set have other labels; else raise `Skip`."""
    if reading.complete:
        raise Skip("all labels are the same")
    dataset = getattr(source_of(subject.train), "dataset", None)
    try:
        spread = np.linspace(0, len(dataset) - 1, PEEK).astype(int)  # pyright: ignore[reportArgumentType]
        labels = [int(dataset[int(place)][1]) for place in spread]  # pyright: ignore[reportOptionalSubscript]
    except Exception:  # whatever a foreign data set raises: no items by index
        raise Skip(f"the first {len(reading)} labels are the same, and the others cannot be looked up") from None
    own = int(reading.y.reshape(-1)[0])
    others = sum(label != own for label in labels)
    if others == 0 or len(reading) * np.log1p(-others / (2 * PEEK)) > np.log(CHANCE):
        raise Skip(f"the first {len(reading)} labels are the same, and too few others are known")
    return DATA_NOT_SHUFFLED.finding(
        title="the training data come sorted by label",
        evidence=(
            Evidence(name="samples at the start of a pass, all of one class", value=len(reading)),
            Evidence(name=f"of {PEEK} samples spread over the data set, in other classes", value=others),
        ),
        remedies=(Remedy(text="shuffle the training data: DataLoader(..., shuffle=True)"),),
    )


def _repeats(first: Reading, second: Reading) -> bool:
    """Say whether two epochs have the same order: by the targets where they tell, else by the inputs."""
    if len(first) != len(second) or any(
        a[1].shape != b[1].shape for a, b in zip(first.batches, second.batches, strict=False)
    ):
        return False
    for place in (1, 0):
        one, other = (np.concatenate([row_hashes(batch[place]) for batch in part.batches]) for part in (first, second))
        if len(one) != len(other) or not np.array_equal(one, other):
            return False
        shares = np.unique(one, return_counts=True)[1] / len(one)
        if len(one) * np.log(float((shares**2).sum())) < np.log(CHANCE):
            return True
    return False


def _same_order(subject: Subject, samples: int) -> tuple[Finding, ...]:
    """Name an order that repeats though something shuffles, note one that nobody shuffled; of a list say nothing."""
    source = subject.loader if subject.loader is not None else source_of(subject.train)
    sampler = getattr(source, "sampler", None)
    own_batches = getattr(source, "batch_sampler", None)
    if sampler is None or (isinstance(sampler, SequentialSampler) and _is_custom(own_batches)):
        return ()
    deliberate = isinstance(sampler, SequentialSampler)
    return (
        DATA_NOT_SHUFFLED.finding(
            severity="note" if deliberate else "warning",
            title="every epoch has the same order",
            because="the errors of neighbouring batches repeat from epoch to epoch instead of averaging out",
            evidence=(
                Evidence(name="samples in the same order in two epochs", value=samples),
                Evidence(name="sampler", value=type(sampler).__name__),
            ),
            remedies=(
                Remedy(
                    text="shuffle the training data: DataLoader(..., shuffle=True)"
                    if deliberate
                    else "let the sampler draw a new order in each __iter__; call set_epoch where it has one"
                ),
            ),
        ),
    )


def _is_custom(batch_sampler: object) -> bool:
    return batch_sampler is not None and type(batch_sampler) is not torch.utils.data.BatchSampler


CHECK = Check(
    name="data-order",
    question="are the training data shuffled?",
    kinds=(DATA_NOT_SHUFFLED,),
    examine=examine,
    quick=True,
    seconds=0.5,
)
