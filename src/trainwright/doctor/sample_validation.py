"""The data that a loop evaluates on beside those that it trains on: shared samples, and another preparation."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_datasets import VALIDATION_OVERLAPS_TRAINING, VALIDATION_PREPROCESSED_DIFFERENTLY
from trainwright.doctor.loop_seen import flag, loop_of, number, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy, Sighting

ERROR_SHARE = 0.01
"""Share of validation that makes the overlap an error: it moves a reported score by up to a point."""
WARNING_SHARE = 0.001
"""Share below which a few accidental copies are left alone."""
Limits = tuple[float, float]
"""Median shift of features, in scales of training, and median |log ratio| of scales, that are let pass."""
FEATURES: Limits = (3.0, math.log(4.0))
"""A trend over time moves the last fifth by two; a random walk's is half as wide as all before, seldom a fourth."""
IMAGES: Limits = (0.5, math.log(1.8))
"""The same for the channels of images, which do not drift so, where a whole data set was seen."""
PART_OF_IMAGES: Limits = (1.0, math.log(2.5))
"""And where only its beginning was, which may be of one class: [0, 1] beside [-1, 1] is a shift of one and more."""
STANDARD_ERRORS = 6.0
DRIFT = 3.0
"""The difference must be so many times that between parts of training itself."""


def validation_overlaps_training(chart: Chart) -> Finding | None:
    """Exact: places in one data set that both loaders read, or rows that are equal number for number."""
    seen = loop_of(chart).seen("validation-overlaps-training")
    if seen is None:
        return None
    found, asked, expected = (number(seen, fact) or 0.0 for fact in ("found", "asked", "expected"))
    share = found / asked if asked else 0.0
    if share - expected <= WARNING_SHARE:
        return None
    evidence = [
        Evidence(name="share of validation samples found in training", value=share, threshold=ERROR_SHARE),
        Evidence(name="samples found", value=f"{found:g} of {asked:g}"),
        Evidence(
            name="how they are known to be the same",
            value="the same places of one data set" if flag(seen, "by_index") else "equal number for number",
        ),
    ]
    if expected > 0:
        evidence.append(Evidence(name="share that duplicates inside training allow for", value=expected))
    return VALIDATION_OVERLAPS_TRAINING.finding(
        severity="error" if share - expected > ERROR_SHARE and found > 1 else "warning",
        where=place(seen.where, chart.info.where("data.source", "data")),
        step=seen.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="draw one permutation and give each part its own piece of it, or use random_split"),
            Remedy(text="remove duplicates before the data are divided, or divide by group"),
        ),
    )


def validation_preprocessed_differently(chart: Chart) -> Finding | None:
    """The features of what is asked lie elsewhere, or are wider or narrower, than those that are learnt from."""
    seen = loop_of(chart).seen("validation-prepared-differently")
    if seen is None:
        return None
    evidence = _differences(seen)
    title = VALIDATION_PREPROCESSED_DIFFERENTLY.title
    if not evidence and flag(seen, "centred") and flag(seen, "complete") and not flag(seen, "pooled"):
        title = "the validation inputs were standardised by statistics of their own"
        name = "mean of every validation feature (a part of the data would be off by some hundredths)"
        evidence = [Evidence(name=name, value=0.0)]
    if not evidence:
        return None
    evidence += [
        Evidence(name="training inputs", value=word(seen, "training")),
        Evidence(name="validation inputs", value=word(seen, "validation")),
    ]
    return VALIDATION_PREPROCESSED_DIFFERENTLY.finding(
        title=title,
        where=place(seen.where, chart.info.where("data.source", "data")),
        step=seen.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="prepare both by one function, with the mean and standard deviation of the training split"),
        ),
        confidence=0.9,
    )


def _differences(seen: Sighting) -> list[Evidence]:
    limits = FEATURES
    if flag(seen, "pooled"):
        limits = IMAGES if flag(seen, "complete") else PART_OF_IMAGES
    shift, ratio, error, drift_shift, drift_ratio = (
        number(seen, fact) or 0.0 for fact in ("shift", "log_ratio", "shift_error", "drift_shift", "drift_log_ratio")
    )
    return differences_in_scale(shift, ratio, shift_error=error, drift=(drift_shift, drift_ratio), limits=limits)


def differences_in_scale(
    shift: float, ratio: float, *, shift_error: float, drift: tuple[float, float], limits: Limits
) -> list[Evidence]:
    """Return what is too different between validation and training: the shift, the |log ratio| of scales, or nothing.

    `shift_error` is the standard error of the shift; `drift` holds the same two between parts of training itself.
    """
    found = []
    shifted = max(limits[0], STANDARD_ERRORS * shift_error, DRIFT * drift[0])
    if shift > shifted:
        name = "median shift of a feature, in its spread in training"
        found.append(Evidence(name=name, value=shift, threshold=shifted))
    scaled = max(limits[1], DRIFT * drift[1])
    if ratio > scaled:
        name = "median factor between a feature's spread in validation and in training"
        found.append(Evidence(name=name, value=math.exp(min(ratio, 700.0)), threshold=math.exp(min(scaled, 700.0))))
    return found


RULES = (
    Rule(kind=VALIDATION_OVERLAPS_TRAINING, needs=("loop",), judge=validation_overlaps_training),
    Rule(kind=VALIDATION_PREPROCESSED_DIFFERENTLY, needs=("loop",), judge=validation_preprocessed_differently),
)
