"""The inputs as the network sees them. Source: G4 (initialisation and scale); thresholds measured here."""

from __future__ import annotations

import math

from trainwright.doctor.kinds_data import CONSTANT_FEATURES, INPUTS_NOT_NORMALISED
from trainwright.doctor.rule import Rule
from trainwright.doctor.series import level, tail
from trainwright.records import Chart, Evidence, Finding, Remedy, StepRecord

STD_TOO_LARGE = 10.0
"""Inputs ten times wider than standardised ones already make the first layer's gradient ten times steeper."""
SPREAD_TOO_LARGE = 1e3
"""Standard deviation of the widest feature over the median one; the condition of the loss grows with its square."""
OFFSET_TOO_LARGE = 10.0
"""Median |mean| of a feature in its own standard deviations: the samples then hardly differ for the first layer."""
BYTES_MAXIMUM = 100.0
"""Whole numbers that reach beyond this are raw bytes or counts."""
LARGEST_TOO_SMALL = 0.05
"""Where no input is larger, they were scaled twice: bytes that were divided by 255 twice reach 0.004."""
LARGEST_HARMLESS = 1e3
"""From larger inputs a first step of any usual rate can leave the range of numbers: a loss that does is their doing."""
LEAP = 3.0
"""A loss this many times that of the start has left the valley: with inputs so wide, that is their doing first."""
LOST = 0.95
"""A loss above this share of a guess's has learnt nothing since."""
FEWEST_STEPS = 50
"""Steps that a run has to come back from a leap."""
CONSTANT_SHARE = 0.9
"""Share of features without any variation that leaves next to nothing to learn from."""
SPARSE_ZEROS = 0.8
"""Share of zeros among the values that do vary: then inputs are sparse by nature, and most columns are rarely lit."""
FEWEST_SAMPLES = 30
"""Samples below which a feature may well be constant by chance."""


def inputs_not_normalised(chart: Chart) -> Finding | None:
    """The scale of the inputs is far from standardised, and no normalisation layer comes first."""
    inputs, info = chart.info.inputs, chart.info
    if inputs is None or info.has_input_norm:
        return None
    evidence = []
    if inputs.std > STD_TOO_LARGE:
        evidence.append(Evidence(name="standard deviation of the inputs", value=inputs.std, threshold=STD_TOO_LARGE))
    if inputs.spread > SPREAD_TOO_LARGE:
        name = "standard deviation of the widest feature over the median one"
        evidence.append(Evidence(name=name, value=inputs.spread, threshold=SPREAD_TOO_LARGE))
    if inputs.offset > OFFSET_TOO_LARGE:
        name = "median over features of |mean| / standard deviation"
        evidence.append(Evidence(name=name, value=inputs.offset, threshold=OFFSET_TOO_LARGE))
    if inputs.integral and inputs.maximum > BYTES_MAXIMUM:
        name = "all inputs are whole numbers, the largest"
        evidence.append(Evidence(name=name, value=inputs.maximum, threshold=BYTES_MAXIMUM))
    largest = max(abs(inputs.minimum), abs(inputs.maximum))
    if 0 < largest < LARGEST_TOO_SMALL and inputs.std > 0:
        evidence.append(Evidence(name="the largest input", value=largest, threshold=LARGEST_TOO_SMALL))
    if not evidence:
        return None
    evidence.append(Evidence(name="range of the inputs", value=f"{inputs.minimum:.4g} to {inputs.maximum:.4g}"))
    broken = largest > LARGEST_HARMLESS and any(_broken(record) for record in chart.steps)
    if broken:
        evidence.append(Evidence(name="steps with a loss or a gradient that is not finite", value=True))
    leap = _leap(chart) if largest > STD_TOO_LARGE else None
    if leap is not None:
        evidence.append(leap)
    harmed = broken or leap is not None
    in_recipe = info.setting("data.normalise") == "none"
    return INPUTS_NOT_NORMALISED.finding(
        where=info.where("data.normalise", "data.inputs", "data.source", "data"),
        step=0,
        severity="error" if harmed else "warning",
        evidence=tuple(evidence),
        remedies=(
            Remedy(
                text="standardise every feature with the training split's mean and standard deviation",
                change={"data.normalise": "standard"} if in_recipe else None,
            ),
        ),
    )


def _leap(chart: Chart) -> Evidence | None:
    """Return the first update by which the loss leapt to a multiple of the start's, where nothing was learnt after."""
    if len(chart.steps) < FEWEST_STEPS:
        return None
    guess = chart.info.constant_loss or abs(chart.steps[0].loss)
    if level(tail(chart.steps, 0.1, 20)) < LOST * guess:
        return None  # and it came back, and learns
    limit = LEAP * max(abs(chart.steps[0].loss), guess)
    for record in chart.steps:
        if record.probe is not None and math.isfinite(record.probe.before) and record.probe.same > limit:
            name = "loss of a batch after the update that was made on it"
            return Evidence(name=name, value=record.probe.same, threshold=limit, step=record.step)
        if record.loss > limit:
            return Evidence(name="training loss", value=record.loss, threshold=limit, step=record.step)
    return None


def _broken(record: StepRecord) -> bool:
    norm = record.gradient_norm
    return not math.isfinite(record.loss) or (norm is not None and not math.isfinite(norm))


def constant_features(chart: Chart) -> Finding | None:
    """Nearly all features have one value in all samples, and the inputs are not sparse by nature."""
    inputs = chart.info.inputs
    if inputs is None or inputs.samples < FEWEST_SAMPLES or inputs.features < 1:
        return None
    share = inputs.constant_features / inputs.features
    if share <= CONSTANT_SHARE or (share < 1 and inputs.zero_share > SPARSE_ZEROS):
        return None
    return CONSTANT_FEATURES.finding(
        title="all samples are equal" if share == 1 else CONSTANT_FEATURES.title,
        where=chart.info.where("data.inputs", "data.source", "data"),
        step=0,
        evidence=(
            Evidence(name="share of features that are constant", value=share, threshold=CONSTANT_SHARE),
            Evidence(name="features", value=inputs.features),
            Evidence(name="samples looked at", value=inputs.samples),
        ),
        remedies=(Remedy(text="look at some samples as they reach the network, and mend what reads or scales them"),),
    )


RULES = (
    Rule(kind=INPUTS_NOT_NORMALISED, needs=("inputs",), judge=inputs_not_normalised),
    Rule(kind=CONSTANT_FEATURES, needs=("inputs",), judge=constant_features),
)
