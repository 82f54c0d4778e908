"""Diagnoses of labels."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

LABELS_OUT_OF_RANGE = Kind(
    code="TW201",
    kind="labels-out-of-range",
    severity="error",
    title="a label is outside the classes that the model knows",
    because="cross_entropy looks the label up among the output units; there is no unit for this one",
    what="A class id is negative, or at least as large as the number of the model's outputs.",
    hurts="On the CPU training stops with an index error; on a GPU with a device-side assertion that names no line, "
    "and with a hand-written gather it reads the wrong memory.",
    fix="Number the classes from 0 to C - 1 without gaps, or give the last layer one unit for each class.",
    wrong_when="A label other than -100 that marks samples to be skipped: -100 is what the losses here leave out.",
    causes=(*RATE_SYMPTOMS, "learning-rate-too-high", "softmax-before-cross-entropy"),
)
