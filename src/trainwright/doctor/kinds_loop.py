"""Diagnoses of the optimizer's settings and of what surrounds a step."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

WEIGHT_DECAY_ON_BIAS_OR_NORM = Kind(
    code="TW513",
    kind="weight-decay-on-bias-or-norm",
    severity="warning",
    title="weight decay acts on biases or normalisation parameters",
    because="a bias or a gain does not overfit by being large; pulling it to zero only takes away what it is for",
    what="Groups of the optimizer with a weight decay hold biases, or the gains and shifts of normalisation layers.",
    hurts="Gains shrink towards zero and with them the signal; how much depends on rate, decay and length of the run.",
    fix="Two groups: weights with decay, biases and normalisation parameters with weight_decay=0.",
    wrong_when="Small decays in short runs, and recipes for SGD that decay everything, where it does little: a note.",
)

L2_INSIDE_ADAM = Kind(
    code="TW514",
    kind="l2-inside-adam",
    severity="warning",
    title="the weight decay goes through Adam's scaling",
    because="weight decay in the gradient is divided by its running size like everything else, so weights with large "
    "gradients hardly decay",
    what="An optimizer of Adam's family has a weight decay that it adds to the gradient (L2) instead of shrinking the "
    "weights itself.",
    hurts="The strength means something else in every weight, and a value taken from an AdamW recipe regularises far "
    "differently.",
    fix="torch.optim.AdamW, or decoupled_weight_decay=True.",
    wrong_when="Recipes that were tuned for it, such as graph networks with 5e-4: below 0.01 it is a note.",
)

EPSILON_WRONG_FOR_DTYPE = Kind(
    code="TW518",
    kind="epsilon-wrong-for-dtype",
    severity="error",
    title="the optimizer's epsilon is zero in the weights' number format",
    because="float16 holds nothing between zero and 6e-8, so an epsilon of 1e-8 is lost and the step divides by zero",
    what="Weights are kept in a format of few bits, and epsilon rounds to zero in it.",
    hurts="The first weight whose gradient is zero becomes NaN, and soon all of them.",
    fix="Keep the weights in float32 and compute in autocast, or set epsilon to 1e-4 for float16.",
    wrong_when="Optimizers that keep float32 copies of the weights inside.",
    causes=("non-finite-loss", "cannot-overfit-tiny-batch"),
)

PRECISION_AGAINST_HARDWARE = Kind(
    code="TW519",
    kind="precision-against-hardware",
    severity="warning",
    title="the device has no fast arithmetic for this precision",
    because="what the hardware cannot do is emulated, slower than float32 and less exact",
    what="The model computes in float16 on a CPU, or in bfloat16 on a GPU that only emulates it.",
    hurts="Training is slower than in float32, and small gradients are lost on top.",
    fix="float32, or bfloat16 where the device has it.",
    wrong_when="A dry run on a CPU of what will train on a GPU.",
)

ACCUMULATION_BEYOND_EPOCH = Kind(
    code="TW520",
    kind="accumulation-beyond-epoch",
    severity="warning",
    title="gradients are accumulated over more batches than an epoch has",
    because="an update then waits for the data to go round more than once, or the rest of each epoch is lost",
    what="The number of accumulated batches is larger than the number of batches in an epoch.",
    hurts="There is at most one update an epoch: training hardly moves, and counts of steps and epochs do not fit.",
    fix="Accumulate fewer batches, or take a larger batch.",
    wrong_when="Full-batch training that is meant to be.",
)

CLIPPING_DOMINATES = Kind(
    code="TW521",
    kind="clipping-dominates",
    severity="note",
    title="the clipping threshold is far below the gradient's norm",
    because="a gradient that is always cut to the same length makes of SGD a method with steps of fixed length",
    what="At initialisation the gradient's norm is more than twenty times the threshold.",
    hurts="The learning rate no longer means what it says, and steps do not get shorter near a minimum.",
    fix="Raise the threshold, or scale the inputs and targets; 1.0 is usual.",
    wrong_when="Steps of fixed length are what is wanted, and with Adam, which rescales the gradient anyway.",
)
