"""Diagnoses of generalisation and evaluation."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

OVERFITTING = Kind(
    code="TW901",
    kind="overfitting",
    severity="warning",
    title="the network memorises the training data",
    because="the training loss keeps falling while the loss on data it has not seen rises",
    what="The validation loss has risen well above its best, beyond its noise, for several evaluations, while the "
    "training loss went on falling.",
    hurts="Every further step makes the model worse on new data. The model that is returned is the best one, but the "
    "time after it was wasted, and its best could be better.",
    fix="More data or augmentation, dropout, weight decay, a smaller network, or early stopping.",
    wrong_when="A validation loss that rises while the accuracy still improves is a matter of calibration.",
    causes=("best-checkpoint-passed", "overconfident"),
)

UNDERFITTING = Kind(
    code="TW902",
    kind="underfitting",
    severity="warning",
    title="the network has learnt too little",
    because="its loss is no better than that of a predictor that ignores the input, or a linear model beats it",
    what="After a fair share of the run, the training loss is at the level of the best constant predictor; or at its "
    "end, a linear model solved in closed form does clearly better.",
    hurts="The network has not picked up what is plainly in the data.",
    fix="Train longer or with a higher rate, with less dropout and decay, or with a larger network; verify the setup: "
    "five samples must be memorised.",
    wrong_when="Targets that do not depend on the inputs at all: then nothing can be learnt.",
    causes=("plateau",),
)

TEST_SET_USED_FOR_SELECTION = Kind(
    code="TW907",
    kind="test-set-used-for-selection",
    severity="warning",
    title="what is kept is chosen by a figure of the test data",
    because="the best of many figures is partly luck, and the same data that chose it cannot tell how much",
    what="In a loop a figure is computed from what the program itself calls test data, and compared with the best so "
    "far, which then becomes it.",
    hurts="The figure that is reported is better than what new data will show, the more so the more was tried.",
    fix="Choose epochs, widths and rates by validation data, a part of the training data that is not learnt from, and "
    "look at the test data once, at the end.",
    wrong_when="Data that are called test and are used for validation alone, where others are held back for the end.",
)
