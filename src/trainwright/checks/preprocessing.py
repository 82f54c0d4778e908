"""Are validation inputs prepared like training inputs: the same scale and place, or as different as data may drift.

The limits of tables and series are wide, since validation may come from a later time: windows of a series whose level
drifts lie two standard deviations apart, and a shuffled loader hides the drift within training. A factor of three, or a
shift by two, cannot be told apart from that, and passes.
"""

from __future__ import annotations

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.reading import Reading, read, source_of, train_feed, validation_feed
from trainwright.checks.subject import Subject
from trainwright.data.feed import Feed
from trainwright.doctor.kinds_datasets import VALIDATION_PREPROCESSED_DIFFERENTLY
from trainwright.doctor.sample_validation import FEATURES, IMAGES, differences_in_scale
from trainwright.records import Evidence, Finding, Remedy
from trainwright.vitals.data_rows import class_ids
from trainwright.vitals.data_scales import Difference, difference

SAMPLES = 1024
"""Samples of each that are compared."""
FEWEST = 30
"""Samples below which a scale is not compared."""
MOST = 16 * SAMPLES
"""Samples up to which all are read."""
SAME_LABELS = 0.3
"""Images are judged so strictly only where no more of the labels differ: of a sorted pass only a few classes are read,
and aeroplanes are brighter than frogs."""
_BLOCKS = 4


def examine(subject: Subject) -> Answer:
    """Compare the features of both, and training's own parts with each other: data in the order of time drift."""
    train, held = (_sample(feed) for feed in (train_feed(subject), validation_feed(subject)))
    x, other = train.x, held.x
    if not x.is_floating_point() and not (x.dim() == 4 or other.is_floating_point()):
        raise Skip("the inputs are whole numbers, such as tokens, which have no scale")
    if x.shape[1:] != other.shape[1:]:
        raise Skip("training and validation inputs differ in shape")
    if min(len(x), len(other)) < FEWEST:
        raise Skip(f"{min(len(x), len(other))} samples are too few to compare scales")
    labels = [class_ids(part.y) for part in (train, held)]
    apart = None if labels[0] is None or labels[1] is None else _apart(labels[0], labels[1])
    whole = train.complete and held.complete
    if not whole and x.dim() != 4 and (apart is None or subject.info.task == "regression"):
        raise Skip("only the beginning of the data was read, and parts of a series may lie far apart")
    alike = whole if apart is None else apart <= SAME_LABELS
    found = difference(_spread(x), _spread(other))
    if found is None:
        raise Skip("no input feature varies enough to compare its scale")
    shift, ratio = _drift(x)
    measured = {
        "features": found.features,
        "shift": found.shift,
        "log_ratio": found.log_ratio,
        "drift_shift": shift,
        "drift_log_ratio": ratio,
    }
    return Answer(
        findings=_judged(found, shift, ratio, held, images=found.pooled and alike),
        measured=measured,
        value=f"validation {found.second}",
        expected=f"training {found.first}",
    )


def _sample(feed: Feed) -> Reading:
    """Return all of a moderate number of samples, since data in the order of time have a middle; else a part.

    Of data in memory that is a random part, of a loader the beginning of a pass.
    """
    if feed.samples <= MOST:
        return read(feed.in_order(), feed, samples=feed.samples + 1)
    if source_of(feed) is None:
        return Reading(batches=(feed.take(SAMPLES),), complete=True, total=feed.samples)
    return read(feed.in_order(), feed, samples=SAMPLES)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the share of samples by which two sets of labels differ in how often each class comes."""
    classes = torch.cat([one, other]).unique(return_inverse=True)[1]
    size = int(classes.max()) + 1
    shares = [part.bincount(minlength=size) / len(part) for part in (classes[: len(one)], classes[len(one) :])]
    return float((shares[0] - shares[1]).abs().sum()) / 2


def _spread(x: torch.Tensor) -> torch.Tensor:
    return x[:: max(1, len(x) // SAMPLES)][:SAMPLES] if len(x) > 2 * SAMPLES else x


def _drift(x: torch.Tensor) -> tuple[float, float]:
    """Return the largest shift and log ratio between parts of training, 0 where they are too small to be compared."""
    size = len(x) // _BLOCKS
    if size < FEWEST:
        return 0.0, 0.0
    parts = [x[place * size : (place + 1) * size][:SAMPLES] for place in range(_BLOCKS)]
    found = [difference(one, other) for one in parts for other in parts if one is not other]
    known = [each for each in found if each is not None]
    return max((each.shift for each in known), default=0.0), max((each.log_ratio for each in known), default=0.0)


def _judged(found: Difference, shift: float, ratio: float, held: Reading, *, images: bool) -> tuple[Finding, ...]:
    evidence = differences_in_scale(
        found.shift,
        found.log_ratio,
        shift_error=found.shift_error,
        drift=(shift, ratio),
        limits=IMAGES if images else FEATURES,
    )
    own = found.centred and held.complete and len(held) > FEWEST and not found.pooled
    if own and not evidence:
        name = "mean of every validation feature (a part of the data would be off by some hundredths)"
        evidence.append(Evidence(name=name, value=0.0))
    if not evidence:
        return ()
    evidence += [
        Evidence(name="training inputs", value=found.first),
        Evidence(name="validation inputs", value=found.second),
    ]
    remedy = "prepare both by one function, with the mean and standard deviation of the training split"
    title = VALIDATION_PREPROCESSED_DIFFERENTLY.title
    if own and len(evidence) == 3 and evidence[0].value == 0.0:
        title = "the validation inputs were standardised by statistics of their own"
    return (
        VALIDATION_PREPROCESSED_DIFFERENTLY.finding(
            title=title, evidence=tuple(evidence), remedies=(Remedy(text=remedy),), confidence=0.9
        ),
    )


CHECK = Check(
    name="validation-preprocessing",
    question="are validation inputs prepared like training inputs?",
    kinds=(VALIDATION_PREPROCESSED_DIFFERENTLY,),
    examine=examine,
    quick=True,
    seconds=0.5,
)
