"""Are the labels such that a function of the inputs can give them, is any class much rarer, and is that made worse."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.class_weights import inverted_weights
from trainwright.checks.reading import Reading, read, source_of, train_feed
from trainwright.checks.reread import labels_redrawn
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_datasets import CLASS_IMBALANCE, LABELS_UNRELATED_TO_INPUTS
from trainwright.doctor.kinds_labels import LABELS_OUT_OF_RANGE
from trainwright.doctor.kinds_targets import CLASS_WEIGHTS_INVERTED
from trainwright.records import Evidence, Finding, Remedy
from trainwright.tensors import evaluating
from trainwright.vitals.data_order import label_order
from trainwright.vitals.data_rows import class_ids, recurrence, row_hashes, tells_apart

SAMPLES = 8192
"""Training samples that are read."""
RATIO = 10.0
"""Most frequent class over rarest from which accuracy is misleading."""
SORTED = 8.0
"""Standard deviations by which runs of equal labels are too few for a part of a pass to stand for the whole."""
PRIOR = 2.0
"""Within this factor of its share, what an untrained network gives a rare class was set on purpose."""
CONFLICTING = 0.05
"""Share of samples that another contradicts; a few are mistakes of labelling, which are everywhere."""
EXPECTED = 20
"""Samples for each class from which one that never comes is missing by no chance."""
_LISTED = 20  # classes whose counts are reported


def examine(subject: Subject) -> Answer:
    """Count the classes, and the equal inputs whose labels differ."""
    if subject.info.task == "regression":
        raise Skip("the targets are quantities, not classes")
    feed = train_feed(subject)
    if feed.samples > SAMPLES and source_of(feed) is None:  # the first of all could be of one class
        part = Reading(batches=(feed.take(SAMPLES),), complete=True, total=feed.samples)
    else:
        part = read(feed.in_order(), feed, samples=SAMPLES)
    ids = class_ids(part.y)
    if ids is None:
        raise Skip("the targets are no single class for each sample")
    hashes = np.concatenate([row_hashes(x) for x, _ in part.batches])
    kept = ids != -100  # what the losses leave out
    labels, hashes = ids[kept].numpy(), hashes[kept.numpy()]
    if len(labels) == 0:
        raise Skip("no sample has a label")
    classes, counts = np.unique(labels, return_counts=True)
    conflicting, place, twin = _conflicts(hashes, labels)
    share = conflicting / len(labels)
    findings = labels_redrawn(subject)
    if share > CONFLICTING and _judged(part, hashes):
        findings.append(_conflict(share, conflicting, place, twin))
    findings += _counted_from_one(subject, classes, len(labels))
    # The beginning of a sorted pass shows some classes only.
    fair = part.complete or abs(label_order(labels, long=4).deviations) < SORTED
    if fair:
        findings += inverted_weights(subject, ids[kept])
    if fair and not _balanced(subject) and not _expected(subject, classes, counts):
        findings += _imbalance(classes, counts)
    order = np.argsort(-counts, kind="stable")[:_LISTED]
    return Answer(
        findings=tuple(findings),
        measured={
            "samples": len(labels),
            "classes": len(classes),
            "counts": {str(classes[index]): int(counts[index]) for index in order},
            "ratio": float(counts.max() / counts.min()),
            "conflicting_share": share,
            "duplicates": recurrence(hashes).recurring,
        },
        value=f"{len(classes)} classes of {counts.min()} to {counts.max()} samples, {share:.0%} contradicted",
        expected="equal inputs with equal labels",
    )


def _counted_from_one(subject: Subject, classes: np.ndarray, samples: int) -> list[Finding]:
    """Return a note where the labels run from 1 to the last output, and class 0 is missing by no chance.

    A class that is kept free on purpose, such as one for the background or for padding, looks the same.
    """
    calls = () if subject.info.output is None else subject.info.output.calls
    for call in calls:
        if call.function not in ("cross_entropy", "nll_loss") or call.target is None or len(call.input.shape) != 2:
            continue
        outputs, entered = call.input.shape[1], (call.target.minimum, call.target.maximum)
        whole = list(classes) == list(range(1, outputs)) and entered[0] == 1
        if outputs > 2 and whole and samples >= EXPECTED * outputs:
            return [
                LABELS_OUT_OF_RANGE.finding(
                    severity="note",
                    title="the labels count from 1, and no sample has class 0",
                    because="an output unit is never the right answer; most often the labels were to count from 0",
                    evidence=(
                        Evidence(name="the smallest label", value=1, threshold=0),
                        Evidence(name="the largest label", value=outputs - 1),
                        Evidence(name="classes that the model's output can name", value=outputs),
                    ),
                    remedies=(
                        Remedy(text=f"subtract 1 from the labels, and give the last layer {outputs - 1} units"),
                        Remedy(text="nothing, where class 0 is kept for something that is not labelled"),
                    ),
                )
            ]
    return []


def _judged(part: Reading, hashes: np.ndarray) -> bool:
    """Say whether equal inputs are the same sample: of few-valued ones, different labels are what is expected."""
    try:
        return tells_apart(part.x, hashes)
    except Skip:  # batches of different shapes
        return False


def _conflicts(hashes: np.ndarray, labels: np.ndarray) -> tuple[int, int, int]:
    """Return how many samples have an equal one with another label, and the places of the first such pair."""
    order = np.lexsort((labels, hashes))
    rows, marks = hashes[order], labels[order]
    starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
    ends = np.concatenate([starts[1:], [len(rows)]])
    mixed = marks[starts] != marks[ends - 1]
    if not mixed.any():
        return 0, -1, -1
    first = min(np.flatnonzero(mixed), key=lambda group: order[starts[group] : ends[group]].min())
    members = np.sort(order[starts[first] : ends[first]])
    other = members[labels[members] != labels[members[0]]][0]
    return int((ends - starts)[mixed].sum()), int(members[0]), int(other)


def _conflict(share: float, conflicting: int, place: int, twin: int) -> Finding:
    return LABELS_UNRELATED_TO_INPUTS.finding(
        evidence=(
            Evidence(name="share of samples with an equal one of another label", value=share, threshold=CONFLICTING),
            Evidence(name="such samples", value=conflicting),
            Evidence(name="first pair, counted in the order read", value=f"{place} and {twin}"),
        ),
        remedies=(
            Remedy(text="look at the samples named; where x and y were shuffled one without the other, mend that"),
        ),
    )


def _imbalance(classes: np.ndarray, counts: np.ndarray) -> list[Finding]:
    most, least = int(counts.argmax()), int(counts.argmin())
    # The rarest of many classes is rare by chance too: its count could as well have been so much larger.
    could_be = counts[least] + math.sqrt(2 * math.log(max(len(counts), 2)) * (counts[least] + 1))
    if len(counts) < 2 or counts[most] <= RATIO * could_be:
        return []
    return [
        CLASS_IMBALANCE.finding(
            evidence=(
                Evidence(
                    name="most frequent class over rarest",
                    value=round(float(counts[most] / counts[least]), 1),
                    threshold=RATIO,
                ),
                Evidence(name=f"samples of class {classes[most]}", value=int(counts[most])),
                Evidence(name=f"samples of class {classes[least]}", value=int(counts[least])),
            ),
            remedies=(
                Remedy(text="judge by the recall of each class; begin with the last bias at the classes' shares"),
                Remedy(text="weigh the loss by class, or draw rare classes more often, where they matter"),
            ),
        )
    ]


def _balanced(subject: Subject) -> bool:
    """Say whether rare classes already count for more: by weights in the loss, or by how samples are drawn."""
    for name in ("weight", "weights", "pos_weight", "alpha"):
        value = subject.loss_options.get(name)
        if isinstance(value, torch.Tensor) or (isinstance(value, tuple | list) and value) or value == "balanced":
            return True
    sampler = getattr(source_of(subject.train), "sampler", None)
    return isinstance(sampler, WeightedRandomSampler) or getattr(subject.train, "_weights", None) is not None


def _expected(subject: Subject, classes: np.ndarray, counts: np.ndarray) -> bool:
    """Say whether the untrained network already gives the rarest class about its share: someone has set its bias."""
    if subject.spec is None or subject.spec.expects != "logits":
        return False
    try:
        with evaluating(subject.model), torch.no_grad():
            output = subject.output()
    except Exception:  # a model that cannot run is another check's finding
        return False
    if not isinstance(output, torch.Tensor) or output.dim() not in (1, 2):
        return False
    least = int(counts.argmin())
    if output.numel() == len(output):  # one logit, of yes
        yes = float(output.sigmoid().mean())
        given = yes if classes[least] else 1 - yes
    elif 0 <= classes[least] < output.shape[1]:
        given = float(output.softmax(1).mean(0)[int(classes[least])])
    else:
        return False
    share = float(counts[least] / counts.sum())
    return share / PRIOR < given < share * PRIOR


CHECK = Check(
    name="labels",
    question="do equal inputs have equal labels, is no class rare, and do rare ones count for more?",
    kinds=(LABELS_UNRELATED_TO_INPUTS, CLASS_IMBALANCE, CLASS_WEIGHTS_INVERTED, LABELS_OUT_OF_RANGE),
    examine=examine,
    quick=True,
    seconds=0.5,
)
