"""Diagnoses of the model, its initialisation and its activations."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

DEAD_RELU = Kind(
    code="TW402",
    kind="dead-relu",
    severity="warning",
    title="units of a ReLU layer are dead",
    because="a ReLU that is zero for every sample passes no gradient, so its weights can never change again",
    what="Half or more of a layer's ReLU units give zero for every one of the reference samples, twice in a row.",
    hurts="The layer computes with the few units that are left; the others cost time and learn nothing.",
    fix="Lower the learning rate, check the initialisation (He for ReLU, biases zero), normalise the inputs, or use a "
    "leaky ReLU.",
    wrong_when="Very sparse networks that were pruned on purpose.",
    causes=("plateau", "underfitting", "outputs-ignore-input", "cannot-overfit-tiny-batch"),
    causes_as_error=("learning-rate-too-low",),
)
