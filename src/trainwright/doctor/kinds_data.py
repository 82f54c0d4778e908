"""Diagnoses of data."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

NON_FINITE_INPUT = Kind(
    code="TW101",
    kind="non-finite-input",
    severity="error",
    title="the inputs contain NaN or infinite values",
    because="one such value makes the loss, every gradient and then every weight NaN",
    what="Some input of the training data is NaN or infinite.",
    hurts="A single NaN passes through every layer it meets: the loss of its batch is NaN, so is the gradient, and "
    "after one update so is the whole network.",
    fix="Find where the value comes from (a missing entry, a division by zero, a logarithm of zero) and mend it there; "
    "fill or leave out missing entries before training.",
    wrong_when="Never: a NaN in an input that the network reads is always a fault.",
    causes=(
        "non-finite-loss",
        "inputs-not-normalised",
        *RATE_SYMPTOMS,
        "learning-rate-too-high",
        "outputs-ignore-input",
        "collapsed-predictions",
        "exploding-gradients",
        "labels-unrelated-to-inputs",
    ),
)

INPUTS_NOT_NORMALISED = Kind(
    code="TW102",
    kind="inputs-not-normalised",
    severity="warning",
    title="the inputs are not normalised",
    because="large or unequal input scales make the loss surface a long narrow valley: the rate that is safe for the "
    "steep direction is far too low for the others, and ReLUs and sigmoids start saturated",
    what="The training inputs reach the first layer far from mean 0 and standard deviation 1, and no normalisation "
    "layer comes first.",
    hurts="The gradient of a weight is proportional to its input. Features in the thousands beside features below one "
    "give gradients thousands of times apart, and no single learning rate suits both.",
    fix="Standardise each feature by the training split's mean and standard deviation "
    '(`data.normalise = "standard"`), '
    "scale bytes to [0, 1], or put a normalisation layer first.",
    wrong_when="Counts or one-hot columns that are meant to be raw, and networks that normalise inside under a name "
    "that is not recognised.",
    causes=(
        "exploding-gradients",
        "learning-rate-too-high",
        *RATE_SYMPTOMS,
        "initial-loss-too-high",
        "saturated-activations",
        "activations-change-scale-with-depth",
        "cannot-overfit-tiny-batch",
        "outputs-ignore-input",
    ),
)

CONSTANT_FEATURES = Kind(
    code="TW107",
    kind="constant-features",
    severity="warning",
    title="nearly all input features are constant",
    because="a feature that never varies carries nothing; the network has little or nothing to tell samples apart by",
    what="More than nine tenths of the input features have one and the same value in all samples.",
    hurts="The network can learn no more than what the few other features allow; where none is left, it predicts the "
    "same for everything, whatever the rate and the size.",
    fix="Look at some samples as they reach the network: a file that was read as blanks, a crop beyond the edge, a "
    "division of whole numbers, or an item that ignores its index.",
    wrong_when="Inputs of which only a small region ever carries a signal.",
    causes=(
        "labels-unrelated-to-inputs",
        "outputs-ignore-input",
        "learning-rate-too-low",
        "plateau",
        "underfitting",
    ),
    refutes=("validation-overlaps-training",),  # samples without any variation are equal without having been copied
)
