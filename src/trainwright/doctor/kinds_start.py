"""Diagnoses that can be made before the first step: the loss, the signal and the fit of a handful of samples."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

INITIAL_LOSS_TOO_HIGH = Kind(
    code="TW312",
    kind="initial-loss-too-high",
    severity="warning",
    title="the loss at initialisation is far above that of a guess",
    because="an untrained network should not be sure of anything; this one is sure, and mostly wrong",
    what="The loss before the first step is at least half as large again as that of favouring no class (or of "
    "predicting zero), because the output is large.",
    hurts="The first steps are spent on unlearning the initialisation, with gradients so large that they can throw "
    "the weights anywhere.",
    fix="Scale the inputs, and initialise the weights by the size of the layer, the last one smaller (or to zero).",
    wrong_when="The weights are pretrained on something else: say so, and the check does not judge.",
    causes=("initial-loss-too-low",),
)

INITIAL_LOSS_TOO_LOW = Kind(
    code="TW313",
    kind="initial-loss-too-low",
    severity="warning",
    title="the loss at initialisation is lower than a network without knowledge can have it",
    because="weights that have seen nothing do not know the labels: either these have learnt, or the answer is in the "
    "input",
    what="The loss before the first step is below the entropy of the labels (or the variance of the targets), and "
    "shuffled weights or labels do not reach it.",
    hurts="Where the answer leaks into the input, everything that training reports is worthless.",
    fix="Look for the target among the inputs: a column, a token that is not shifted, a mask that shows too much. "
    "Where the weights are pretrained, say so.",
    wrong_when="The weights are pretrained and nobody said so.",
)

PENALTY_INERT = Kind(
    code="TW314",
    kind="penalty-inert",
    severity="error",
    title="the regularisation does nothing",
    because="it adds nothing to the loss, or its gradient does not reach the weights",
    what="A penalty is planned, but its value is zero or its gradient reaches no weight; or a weight decay is set, but "
    "a step of the optimizer without gradient leaves the weights where they are.",
    hurts="The run is believed to be regularised and is not; a search over the strength finds that it does not matter.",
    fix="Compute the penalty from the parameters themselves (no .data, .item(), detach()); give the optimizer weights "
    "that can move.",
    wrong_when="Never, where the penalty is meant to act on the weights that were checked.",
)

SYMMETRIC_INITIALISATION = Kind(
    code="TW401",
    kind="symmetric-initialisation",
    severity="error",
    title="all units of a layer are the same",
    because="units with equal weights get equal gradients, and stay equal for ever",
    what="The rows of a layer's weights are identical, and still are after some steps of gradient descent.",
    hurts="A layer of a thousand such units can do no more than one of them; all zero, most of it never moves at all.",
    fix="Initialise weights at random (He for ReLU, Glorot for tanh); zero is for biases, for a last layer, and for "
    "the last layer of a residual branch.",
    wrong_when="A layer that is meant to be overwritten by weights that are loaded later.",
    causes=(
        "outputs-ignore-input",
        "collapsed-predictions",
        "vanishing-gradients",
        *RATE_SYMPTOMS,
        "learning-rate-too-high",
        "activations-change-scale-with-depth",
        "cannot-overfit-tiny-batch",
        "no-nonlinearity",
    ),
)

SATURATED_ACTIVATIONS = Kind(
    code="TW403",
    kind="saturated-activations",
    severity="warning",
    title="the units of a sigmoid or tanh layer are saturated",
    because="on its flat ends the activation has no slope, and hardly any gradient passes",
    what="Of four fifths of a layer's sigmoid or tanh units the slope is below 1 % of its maximum for nearly every "
    "sample, before the first step.",
    hurts="The layers before them receive next to no gradient and learn slowly or not at all.",
    fix="Scale the inputs, initialise smaller (Glorot), or normalise before the activation.",
    wrong_when="Units that are meant to be binary, such as the gates of a recurrent network, which are not judged.",
    causes=(
        "plateau",
        "underfitting",
        "learning-rate-too-low",
        "vanishing-gradients",
        "activations-change-scale-with-depth",
        "initial-loss-too-high",
    ),
)

ACTIVATIONS_CHANGE_SCALE_WITH_DEPTH = Kind(
    code="TW404",
    kind="activations-change-scale-with-depth",
    severity="warning",
    title="the signal grows or shrinks from layer to layer",
    because="each layer multiplies it by a similar factor, and a factor to the power of the depth leaves no middle way",
    what="Between the first and the last layers the size of the activations, or of their gradients, changes by more "
    "than a factor of a thousand, and does so steadily.",
    hurts="No learning rate suits all layers: what moves one end blows up or does not touch the other.",
    fix="Initialise by the size of the layer (He for ReLU, Glorot for tanh), add normalisation or residual "
    "connections.",
    wrong_when="Networks whose layers have rates of their own that make up for it.",
    causes=(
        "plateau",
        "underfitting",
        "outputs-ignore-input",
        "learning-rate-too-low",
        "initial-loss-too-high",
    ),
)

NO_NONLINEARITY = Kind(
    code="TW405",
    kind="no-nonlinearity",
    severity="warning",
    title="two linear layers follow each other without a nonlinearity",
    because="a linear map of a linear map is a linear map: both together can do no more than one",
    what="The output of a linear or convolution layer goes, unchanged, into the next one and nowhere else, and it is "
    "not a bottleneck.",
    hurts="Parameters and time are spent on a layer that adds nothing to what the network can express.",
    fix="Put an activation (ReLU, GELU) between them, or drop one of both.",
    wrong_when="Factorised layers whose inner size is smaller than both ends (LoRA), which are not judged; studies of "
    "deep linear networks.",
)

DROPOUT_TOO_STRONG = Kind(
    code="TW412",
    kind="dropout-too-strong",
    severity="warning",
    title="dropout removes nine tenths of a layer or more",
    because="what is left is too little to compute with; p is the share that is dropped, not the one that is kept",
    what="A dropout layer has p of at least 0.9.",
    hurts="The network underfits, and its training loss is mostly noise.",
    fix="p between 0.1 and 0.5. Where the keep probability was meant, take 1 - p.",
    wrong_when="Very wide layers with sparse features, where it was chosen by a search.",
    causes=("learning-rate-too-low", "underfitting", "plateau"),
)

DROPOUT_BEFORE_BATCH_NORM = Kind(
    code="TW413",
    kind="dropout-before-batch-norm",
    severity="note",
    title="dropout stands before batch normalisation",
    because="dropout raises the variance in training alone, and batch normalisation keeps that variance for evaluation",
    what="The output of a dropout layer goes into a batch normalisation, directly or through one layer of weights.",
    hurts="In evaluation the statistics do not fit, which costs some accuracy (Li et al. 2019).",
    fix="Put dropout behind the last batch normalisation, or leave it out.",
    wrong_when="Wide residual networks with little dropout between convolutions, where it was measured to help.",
)

CANNOT_OVERFIT_TINY_BATCH = Kind(
    code="TW416",
    kind="cannot-overfit-tiny-batch",
    severity="error",
    title="the model cannot memorise a handful of samples",
    because="whatever it is that keeps it from learning eight samples will keep it from learning eight thousand",
    what="With dropout, augmentation and weight decay off, Adam could not bring the loss of some samples near its "
    "floor at any of several rates.",
    hurts="A long run would end with little more than the average of the targets.",
    fix="Repair the cause that the finding names, and check again: it takes seconds.",
    wrong_when="Models that are meant to be weaker than the batch is long, such as a linear model with two inputs.",
    causes=("underfitting", "plateau", "learning-rate-too-low"),
)
