"""What a constant and a linear model reach on these data: measured for the report, and nothing to find fault with."""

from __future__ import annotations

from dataclasses import asdict

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.reading import read, source_of, train_feed
from trainwright.checks.subject import Subject
from trainwright.data.feed import Feed
from trainwright.parts import losses
from trainwright.records.baselines import Baselines
from trainwright.vitals.baselines import SAMPLES, Sample, baselines, divided


def measure(subject: Subject) -> Baselines:
    """Return both baselines, scored on validation data, or on a quarter of the sample where there are none.

    Raises `Skip` where the training data cannot be read as pairs of single tensors, or the task is not known.
    """
    feed, task = train_feed(subject), subject.info.task
    if task is None:
        raise Skip("nobody knows whether the targets are classes or quantities")
    train = _sample(feed)
    validation = None if subject.validation is None else _sample(subject.validation)
    held_out = validation
    if held_out is None or held_out[0].shape[1:] != train[0].shape[1:]:
        train, held_out = divided(train, subject.seed)
    name = subject.spec.name if subject.spec is not None and losses.is_plain(subject.loss) else ""
    return baselines(train, held_out, task, name, own_validation=held_out is validation)


def _sample(feed: Feed) -> Sample:
    """Return a random sample of data in memory; of a loader the first of a pass, which it may have shuffled."""
    if source_of(feed) is None:
        return feed.take(SAMPLES)
    part = read(feed.in_order(), feed, samples=SAMPLES)
    return part.x, part.y


def examine(subject: Subject) -> Answer:
    """Fit both predictors, unless that is done, and report what they reach."""
    found = subject.info.baselines or measure(subject)
    if found.constant_metric is None:
        raise Skip(found.reason)
    linear = (
        "none: " + found.reason if found.linear_metric is None else f"{found.linear_model} {_words(found, 'linear')}"
    )
    return Answer(
        measured=asdict(found), value=f"constant {_words(found, 'constant')}; {linear}", expected="a network beats both"
    )


def _words(found: Baselines, which: str) -> str:
    loss, metric = (getattr(found, f"{which}_{part}") for part in ("loss", "metric"))
    said = f"{found.metric} {metric:.3g}" if metric is not None else "unknown"
    return said + (f", loss {loss:.3g}" if loss is not None else "")


CHECK = Check(
    name="baselines",
    question="what do a constant and a linear model reach?",
    kinds=(),
    examine=examine,
    quick=True,
    seconds=2.0,
)
