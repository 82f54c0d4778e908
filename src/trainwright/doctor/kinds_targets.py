"""Diagnoses of targets that are no numbers."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

NON_FINITE_TARGETS = Kind(
    code="TW209",
    kind="non-finite-targets",
    severity="error",
    title="the targets contain NaN or infinite values",
    because="the loss of a sample whose target is NaN is NaN, and the mean over its batch, every gradient and then "
    "every weight too",
    what="Some target of the training data is NaN or infinite.",
    hurts="One such target in a batch is enough: its loss is not finite, and one update with its gradient ruins the "
    "whole network. In validation every score becomes NaN.",
    fix="Leave out the samples whose target is missing, or mask them in the loss; mend the logarithm or the division "
    "that the targets went through.",
    wrong_when="A loss of your own that masks missing targets which are written as NaN.",
    causes=(
        *RATE_SYMPTOMS,
        "learning-rate-too-high",
        "cannot-overfit-tiny-batch",
        "labels-out-of-range",
        "targets-not-scaled",
        "constant-targets",
        "initial-loss-too-high",
        "initial-loss-too-low",
        "relu-on-output",
    ),
)
