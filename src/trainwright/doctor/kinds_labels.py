"""Diagnoses of labels."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

LABELS_OUT_OF_RANGE = Kind(
    code="TW201",
    kind="labels-out-of-range",
    severity="error",
    title="a label is outside the classes that the model knows",
    because="cross_entropy looks the label up among the output units; there is no unit for this one",
    what="A class id is negative, or at least as large as the number of the model's outputs; or the labels are in a "
    "form that the loss cannot mean: floats, one-hot rows of whole numbers, ids over 255, a yes or no beyond 0 and 1. "
    "As a warning: every class but 0 has labels, as where labels that count from 1 got an output unit more.",
    hurts="On the CPU training stops with an index error; on a GPU with a device-side assertion that names no line, "
    "and with a hand-written gather it reads the wrong memory. A yes-or-no loss of a target beyond 0 and 1 has no "
    "lower end, and falls for ever.",
    fix="Number the classes from 0 to C - 1 without gaps, as whole numbers of shape (N,), or give the last layer one "
    "unit for each class.",
    wrong_when="A label other than -100 that marks samples to be skipped: -100 is what the losses here leave out, and "
    "torch's leave out what ignore_index says. As a warning or a note: class 0 is kept free on purpose.",
    causes=(
        *RATE_SYMPTOMS,
        "learning-rate-too-high",
        "cannot-overfit-tiny-batch",
        "initial-loss-too-high",
        "initial-loss-too-low",
        "softmax-before-cross-entropy",
        "relu-on-output",
        "targets-not-scaled",
    ),
)

CONSTANT_TARGETS = Kind(
    code="TW202",
    kind="constant-targets",
    severity="error",
    title="all targets are the same",
    because="a constant answers all of them, so there is nothing to learn from the inputs",
    what="Every target that was looked at has the same value.",
    hurts="The loss falls at once and the score is perfect, and the model has learned the bias of its last layer.",
    fix="Look at how the targets are read: a wrong column, a comparison that is always false, a mask that was lost, or "
    "samples sorted by label of which only the first were taken.",
    wrong_when="A class so rare that the samples looked at hold none of it (a warning, where they are few), and "
    "targets that are meant to be constant, such as those of a discriminator's one half. Those of a generator, whose "
    "output goes through the layers of another network first, are not held against it.",
    causes=(
        "plateau",
        "underfitting",
        "learning-rate-too-low",
        "targets-not-scaled",
        "initial-loss-too-high",
        "initial-loss-too-low",
    ),
)

PADDING_COUNTED = Kind(
    code="TW205",
    kind="padding-counted-in-loss",
    severity="warning",
    title="padding counts in the loss",
    because="the model is trained to predict padding, which is easy, and the loss looks better than it is",
    what="The targets end (or begin) in padding, by the id that the model's own embedding leaves out or by the rows of "
    "the inputs, and the loss does not leave it out.",
    hurts="The mean over tokens is diluted by positions that mean nothing: short sequences count for less, and two "
    "runs with different batch lengths cannot be compared.",
    fix="Pass ignore_index=<the padding id> to the loss, or put -100 where the targets are padded.",
    wrong_when="Padding that serves as the end mark too, of which the first must be learned.",
)

TARGETS_NOT_SCALED = Kind(
    code="TW206",
    kind="targets-not-scaled",
    severity="note",
    title="the targets are far from unit scale",
    because="an untrained network answers numbers about 1 in size, so the first errors, and with the squared error the "
    "first gradients, are as large as the targets",
    what="The mean or the standard deviation of a regression's targets is far beyond what an untrained network gives.",
    hurts="The learning rate must be small enough for the first huge gradients, and is then too small for the rest; or "
    "the run diverges. The last layer's bias spends the first part of training on the way to the mean.",
    fix="Standardise the targets by the training split's mean and standard deviation, and scale the predictions back; "
    "or start the last layer's bias at the mean.",
    wrong_when="A model that scales its output itself, in a way that its first outputs do not show.",
    causes=("learning-rate-too-low", "underfitting", "plateau", "initial-loss-too-high"),
)

NO_VALID_TARGETS = Kind(
    code="TW208",
    kind="no-valid-targets",
    severity="error",
    title="no target counts: all are the ignored id",
    because="the mean over no targets is 0 / 0",
    what="Every target that was looked at is the id that the loss leaves out.",
    hurts="The loss is NaN (or 0, where the loss guards against it), and after one update with NaN so is every weight.",
    fix="Look at how the targets are masked: a mask the wrong way round, prompts that fill the whole length, or a "
    "truncation that cuts all answers off.",
    wrong_when="Never, where all samples are affected; a single batch without targets can be skipped.",
    causes=(
        *RATE_SYMPTOMS,
        "labels-out-of-range",
        "constant-targets",
        "learning-rate-too-high",
        "cannot-overfit-tiny-batch",
        "initial-loss-too-low",
    ),
)

NEXT_TOKEN_NOT_SHIFTED = Kind(
    code="TW207",
    kind="next-token-not-shifted",
    severity="error",
    title="every token is its own target",
    because="the target at each place is the token that stands there in the input, so the model has only to copy it, "
    "and learns nothing about the token that comes next",
    what="The targets of a cross-entropy are the input tokens, each at its own place, and the model sees that token "
    "when it answers. As a warning: they lie two places ahead, shifted once in the data and again, or twice at once.",
    hurts="The loss falls to nearly zero within minutes, on training and validation data alike, and what the model "
    "generates is its last token, over and over.",
    fix="Train on x = tokens[:, :-1] and y = tokens[:, 1:]; or shift in the loss: logits[:, :-1] against y[:, 1:].",
    wrong_when="As a note: an autoencoder of tokens, which is to give back what it is given. As a warning: a model "
    "that is to name the token after the next one.",
    causes=("initial-loss-too-low", "overfitting"),
)
