"""Diagnoses of the loss and what enters it."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

SOFTMAX_BEFORE_CROSS_ENTROPY = Kind(
    code="TW301",
    kind="softmax-before-cross-entropy",
    severity="error",
    title="softmax is applied before cross_entropy",
    because="cross_entropy applies log-softmax itself; a second softmax flattens the gradient",
    what="The model's output has been through a softmax, and the loss applies its own.",
    hurts="Probabilities lie in [0, 1], so as logits they are all nearly equal: even a perfect answer keeps a loss of "
    "log(1 + (C - 1) / e), 1.461 for ten classes, and the gradient is small everywhere. Training seems to work, and "
    "stays mediocre.",
    fix="Let the last layer return raw logits; apply softmax only when you predict.",
    wrong_when="Never, where the loss is cross_entropy: there is no reason to normalise twice.",
    causes=("learning-rate-too-low", "plateau", "underfitting"),
)
