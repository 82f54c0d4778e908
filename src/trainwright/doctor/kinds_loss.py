"""Diagnoses of the loss and what enters it."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

_STUCK = ("learning-rate-too-low", "plateau", "underfitting")
"""What a net shows whose loss cannot fall to where it should ..."""
_UNFIT = (*_STUCK, "cannot-overfit-tiny-batch", "initial-loss-too-high", "initial-loss-too-low")
"""... and one whose loss is not what it is taken for."""

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
    causes=(*_UNFIT, "relu-on-output"),
)

SIGMOID_BEFORE_BCE = Kind(
    code="TW302",
    kind="sigmoid-before-bce-with-logits",
    severity="error",
    title="sigmoid is applied before bce_with_logits",
    because="bce_with_logits applies the sigmoid itself; a second one leaves probabilities between 0.5 and 0.731",
    what="The model's output has been through a sigmoid, and the loss applies its own.",
    hurts="A probability between 0 and 1, taken for a logit, means a probability between 0.5 and 0.731. The loss of a "
    "perfect no stays at 0.693 and that of a perfect yes at 0.313, and the gradient all but vanishes on the way there.",
    fix="Let the last layer return the raw logit; apply sigmoid only when you predict.",
    wrong_when="By values alone (a warning then): logits that happen to lie between 0 and 1 all of them. Where the "
    "graph shows the sigmoid, never.",
    causes=(*_UNFIT, "relu-on-output"),
)

NLL_WITHOUT_LOG_SOFTMAX = Kind(
    code="TW303",
    kind="nll-without-log-softmax",
    severity="error",
    title="nll_loss is given something else than log-probabilities",
    because="nll_loss only picks the entry of the true class and changes its sign; without a log-softmax in front of "
    "it there is nothing that makes the other classes smaller",
    what="The input of the negative log-likelihood is raw logits or probabilities: its exponentials do not sum to 1.",
    hurts="With logits the loss has no lower end: it falls to minus infinity as every output grows, and nothing is "
    "learned. With probabilities it lies between -1 and 0, and the gradient of a wrong answer is as weak as that of a "
    "right one.",
    fix="End the model with log_softmax over the classes, or pass raw logits to cross_entropy, which is both in one.",
    wrong_when="nll_loss used to pick entries of something that is no distribution, without any logarithm before it.",
    causes=(*_UNFIT, "learning-rate-too-high", "non-finite-loss", "relu-on-output"),
)

KL_DIV_INPUT_NOT_LOG = Kind(
    code="TW304",
    kind="kl-div-input-not-log",
    severity="error",
    title="kl_div is given something else than log-probabilities",
    because="kl_div computes p (log p - input): it takes the logarithm of the target, and not of its input",
    what="The first argument of the Kullback-Leibler divergence is probabilities or raw scores, not log-probabilities.",
    hurts="The number is no divergence: it may be negative, is not least where both distributions agree, and its "
    "gradient is the target itself, whatever the model says. The model only learns to make its outputs large.",
    fix="Pass log_softmax(scores) as the first argument, and probabilities as the second.",
    wrong_when="Log-densities that are known only up to a constant, made without a logarithm.",
    causes=(*_UNFIT, "learning-rate-too-high", "relu-on-output"),
)

LOSS_SHAPE_BROADCAST = Kind(
    code="TW305",
    kind="loss-shape-broadcast",
    severity="error",
    title="the loss compares every output with every target",
    because="shapes that differ by a dimension of size 1 are broadcast against one another, so the loss is a mean over "
    "all pairs of samples; it is least where every output is the mean of all targets",
    what="Output and target of an elementwise loss hold the same number of values in different shapes, such as (N, 1) "
    "and (N,), and the loss broadcasts them to (N, N).",
    hurts="The model learns to answer the mean of the targets, whatever the input. The loss falls to about the "
    "variance of the targets and stays there, which looks like data without a signal.",
    fix="Give both the same shape: output.squeeze(-1), or target.unsqueeze(-1).",
    wrong_when="A loss over all pairs that is meant: write the broadcast out (unsqueeze both), or use "
    "reduction='none'.",
    causes=(*_UNFIT, "regression-loss-for-classes"),
)

SOFTMAX_WRONG_DIMENSION = Kind(
    code="TW306",
    kind="softmax-wrong-dimension",
    severity="error",
    title="softmax normalises along the wrong dimension",
    because="probabilities must sum to 1 over the classes of one sample; along another dimension, samples or positions "
    "compete with one another",
    what="A softmax or log-softmax before the loss runs along the samples of the batch, or along positions, and not "
    "along the classes.",
    hurts="What a sample gets depends on which others are in its batch, and a batch of one always gets 1. The loss may "
    "fall all the same, because something is learned about the mean over the batch.",
    fix="Name the class dimension: dim=1 for outputs (N, C) and (N, C, ...), dim=-1 where the classes come last. "
    "Without a dim, softmax guesses, and takes the first for a tensor of three dimensions.",
    wrong_when="Scores over the candidates of one query that make up a batch.",
    causes=(
        *_UNFIT,
        "samples-mixed-in-batch",
        "softmax-before-cross-entropy",
        "nll-without-log-softmax",
        "kl-div-input-not-log",
        "sigmoid-before-bce-with-logits",
        "relu-on-output",
        "regression-loss-for-classes",
    ),
)

SOFTMAX_OVER_ONE_UNIT = Kind(
    code="TW307",
    kind="softmax-over-one-unit",
    severity="error",
    title="softmax over a single unit is always 1",
    because="e^z / e^z = 1 whatever z is, so the output is a constant and its gradient is zero",
    what="A softmax, a log-softmax or a cross-entropy is applied to an output with one unit.",
    hurts="The answer is the same for every input, no weight gets a gradient, and nothing is learned at all.",
    fix="For yes or no, return the raw logit and use bce_with_logits, or give the last layer two units; for a number, "
    "return it without an activation.",
    wrong_when="Never.",
    causes=(
        *_UNFIT,
        "loss-detached",
        "outputs-ignore-input",
        "parameters-without-gradient",
        "softmax-before-cross-entropy",
        "softmax-wrong-dimension",
        "sigmoid-before-bce-with-logits",
        "nll-without-log-softmax",
        "kl-div-input-not-log",
        "relu-on-output",
        "regression-loss-for-classes",
        "labels-out-of-range",
    ),
)

RELU_ON_OUTPUT = Kind(
    code="TW308",
    kind="relu-on-output",
    severity="warning",
    title="the last activation cannot reach the targets",
    because="what a model returns lies within the range of its last activation, and the best answer lies outside",
    what="The last operation before the loss is a ReLU, sigmoid, tanh or the like, and the targets lie beyond what it "
    "can give; or it bounds the logits of a cross-entropy.",
    hurts="The best that training can do is to push units to the edge of their range, where their gradient is zero: "
    "with a ReLU they die, with a sigmoid they saturate, and a part of the error stays for good.",
    fix="Let the last layer be linear; or scale the targets into the range of the activation.",
    wrong_when="Targets beyond the range that are known to be noise. As a warning: logits that are kept small on "
    "purpose.",
    causes=(*_STUCK, "dead-relu"),
    causes_as_error=("cannot-overfit-tiny-batch", "initial-loss-too-high"),
)

REGRESSION_LOSS_FOR_CLASSES = Kind(
    code="TW309",
    kind="regression-loss-for-classes",
    severity="warning",
    title="a regression loss is applied to class ids",
    because="the numbers of classes have no order and no distance: class 9 is not nine times class 1, and the mean of "
    "0 and 2 is not class 1",
    what="The targets look like ids of classes, and the loss measures distances: whole numbers from 0 without gaps, "
    "all about as frequent, or such that the inputs of neighbouring numbers are no more alike than those of any two; "
    "or they are one-hot rows, and what is compared with them comes from a softmax.",
    hurts="The model is asked for a number between the classes, so it answers the mean of those that it hesitates "
    "between, which is another class.",
    fix="Use cross_entropy, with an output unit for each class and the ids as they are.",
    wrong_when="Grades, ages or counts that are all about as frequent, or whose inputs lie in another order than their "
    "numbers; probabilities that are to be scored by their squares (Brier).",
    causes=("relu-on-output", "targets-not-scaled", "underfitting", "plateau"),
    refutes=("relu-on-output",),  # ids are no quantities that an activation could reach
)

MULTI_LABEL_WITH_SOFTMAX = Kind(
    code="TW310",
    kind="multi-label-with-softmax",
    severity="error",
    title="several labels may be true at once, and softmax lets them compete",
    because="probabilities from a softmax sum to 1, and here a target's sum is larger: with k true labels none of them "
    "can go above 1/k",
    what="The targets hold a yes or no for each label, several of them yes, and the model or the loss applies a "
    "softmax across the labels.",
    hurts="Every true label pushes the others down. The loss has a high floor, rare labels are lost beside frequent "
    "ones, and a sample with no label cannot be said at all.",
    fix="Return a raw logit for each label and use bce_with_logits.",
    wrong_when="Never, for targets of zeros and ones; divide each row by its sum where a distribution is meant.",
    causes=(
        *_UNFIT,
        "labels-out-of-range",
        "softmax-before-cross-entropy",
        "sigmoid-before-bce-with-logits",
        "kl-div-input-not-log",
        "relu-on-output",
    ),
)

LOSS_MAXIMISED = Kind(
    code="TW315",
    kind="loss-maximised",
    severity="error",
    title="training makes the loss larger",
    because="a loss says how wrong the answers are, so its largest value is the worst model",
    what="The loss is the negative of one of the library's losses, or the optimizer's steps go up the gradient of the "
    "loss, and not down.",
    hurts="The model learns to be as wrong as it can. A negated cross-entropy or squared error has no lower end, so "
    "the printed loss falls and falls, and looks like progress.",
    fix="Drop the minus sign, or maximize=True; keep exactly one of the two for an objective that is to grow.",
    wrong_when="A part that is trained against another: the generator or the features of an adversarial pair, whose "
    "loss is the negative of the opponent's; unlearning.",
    causes=(*_UNFIT, "learning-rate-too-high", "non-finite-loss"),
)
