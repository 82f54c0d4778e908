"""Diagnoses of targets that are no numbers, and of how much each counts in the loss."""

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

OUTLIERS_DOMINATE_LOSS = Kind(
    code="TW316",
    kind="outliers-dominate-loss",
    severity="warning",
    title="a few targets carry nearly all of the squared error",
    because="the square of a distance a hundred times larger counts ten thousand times: the gradient of a batch is "
    "that of its worst sample, and all others hardly move the weights",
    what="Under a squared error, the 3 % of the targets that lie farthest from the middle carry more than nine tenths "
    "of all squared distances.",
    hurts="The network bends towards a handful of samples, often mistakes of measuring or writing, and fits the rest "
    "badly; the loss jumps whenever one of them is in the batch.",
    fix="Use a loss that grows with the distance and not with its square, such as Huber's; or look at the largest "
    "targets and mend them, or train on their logarithm.",
    wrong_when="Quantities whose few large values are what matters, such as damages or floods.",
    causes=(
        *RATE_SYMPTOMS,
        "learning-rate-too-high",
        "exploding-gradients",
        "targets-not-scaled",
        "initial-loss-too-high",
        "clipping-dominates",
        "best-checkpoint-passed",
    ),
)

CLASS_WEIGHTS_INVERTED = Kind(
    code="TW317",
    kind="class-weights-inverted",
    severity="warning",
    title="frequent classes have the larger weights in the loss",
    because="weights are there to make rare classes count for more; in proportion to the counts they make the frequent "
    "ones count twice",
    what="The class weights of a cross-entropy rise with the number of samples of each class, or `pos_weight` is the "
    "share of yes over that of no.",
    hurts="A class of one in a hundred counts one in ten thousand, and the network never answers with it.",
    fix="Take the inverse: `weight = total / (classes * count)`, and for a yes or no `pos_weight = no / yes`.",
    wrong_when="Rare classes that are unreliable, and are to count for less on purpose.",
    causes=("class-imbalance", "plateau", "underfitting"),
)
