"""Diagnoses of the model, its initialisation and its activations."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

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

COLLAPSED_PREDICTIONS = Kind(
    code="TW410",
    kind="collapsed-predictions",
    severity="warning",
    title="the model answers the same class to everything",
    because="a network that is free to learn gives each class, on average, the probability of its share; this one is "
    "held at one class",
    what="In four batches in a row every sample got the same class, with a mean probability that exceeds the share of "
    "that class among the labels by a quarter or more.",
    hurts="The model is right as often as that class occurs, and learns nothing that tells samples apart.",
    fix="Look for class weights or a sampler that favour one class by far, labels that are shifted or swapped, and an "
    "output layer that is stuck.",
    wrong_when="A cost that is meant to make one answer the only sensible one.",
    causes=(*RATE_SYMPTOMS, "metric-contradicts-loss"),
)

FROZEN_BUT_UPDATED = Kind(
    code="TW522",
    kind="frozen-but-updated",
    severity="error",
    title="what is frozen has moved",
    because="a frozen part is to stay as it was, bit by bit: its weights, its running statistics and its other buffers",
    what="Weights or buffers of a part that the run holds frozen are not what they were before its first step.",
    hurts="The part that was trained before drifts away from what it knew, and nobody looks there. Features that were "
    "computed once are no longer those of the network.",
    fix="Take the part out of the optimizer (momentum, decay and a gradient of zero move what it holds), keep it in "
    "evaluation mode, and let no `forward` set its buffers.",
    wrong_when="A buffer that counts passes, or keeps a cache, whatever the mode.",
)
