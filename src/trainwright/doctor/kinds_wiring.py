"""Diagnoses of a model's wiring: what reaches the loss, what moves, what may see what, and both modes."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

SAMPLES_MIXED_IN_BATCH = Kind(
    code="TW109",
    kind="samples-mixed-in-batch",
    severity="error",
    title="samples of a batch mix with each other",
    because="the output of one sample depends on the input of another, which it can only do by mistake",
    what="In evaluation mode the output of a sample changes with the input of another sample of the same batch.",
    hurts="The network is trained on chimeras: each prediction is made from parts of several samples, and changes with "
    "the company that a sample happens to be in.",
    fix="Look for `view` or `reshape` where `transpose` or `permute` was meant, a recurrent layer without "
    "`batch_first=True`, and a softmax or a mean over dimension 0.",
    wrong_when="Models that compare the samples of a batch by design, such as those that read a whole training set as "
    "context.",
    causes=("future-visible", "cannot-overfit-tiny-batch", "outputs-ignore-input", "underfitting", "plateau"),
)

LOSS_DETACHED = Kind(
    code="TW311",
    kind="loss-detached",
    severity="error",
    title="no path leads from the loss to any weight",
    because="without a path through the graph there is no gradient, and nothing can be learnt",
    what="Somewhere between the weights and the loss the graph of autograd ends, so `backward` raises or reaches no "
    "weight at all.",
    hurts="Training fails at the first backward pass, or, where something else requires a gradient, runs for hours and "
    "changes nothing.",
    fix="Look on the way to the loss for `.detach()`, `.data`, `.item()`, `.numpy()`, `torch.tensor(...)`, `argmax` "
    "and `torch.no_grad()`, and compute with the tensor itself.",
    wrong_when="Models that are trained without gradients.",
    causes=(
        "parameters-without-gradient",
        "missing-backward",
        "weights-never-updated",
        "cannot-overfit-tiny-batch",
        "outputs-ignore-input",
        "penalty-inert",
        "learning-rate-too-low",
        "underfitting",
        "plateau",
    ),
)

UNREGISTERED_SUBMODULE = Kind(
    code="TW406",
    kind="unregistered-submodule",
    severity="error",
    title="layers are hidden from the model",
    because="modules in a plain list or dict are not registered: `parameters()`, `to()`, `train()` and `state_dict()` "
    "pass them by",
    what="Weights take part in the forward pass and would get gradients, but are neither among the model's parameters "
    "nor in the optimizer.",
    hurts="They stay as they were initialised, are not saved, do not move to the accelerator, and do not change mode.",
    fix="Keep layers in `nn.ModuleList` or `nn.ModuleDict`, single weights in `nn.Parameter`, and build all of them in "
    "`__init__`.",
    wrong_when="A fixed network that is used with gradients and yet not meant to be trained: set "
    "`requires_grad_(False)` on it.",
    causes=(
        "loss-detached",
        "weights-never-updated",
        "cannot-overfit-tiny-batch",
        "learning-rate-too-low",
        "underfitting",
        "plateau",
    ),
)

PARAMETERS_FROZEN = Kind(
    code="TW407",
    kind="parameters-frozen",
    severity="error",
    title="frozen parameters are in the optimizer",
    because="a parameter with requires_grad = False gets no gradient, and no optimizer can train it",
    what="Nothing is left to train, or there never was anything, or a whole group of the optimizer is frozen, or "
    "layers are frozen although they were given to the optimizer and the layers before them train.",
    hurts="What was meant to learn stays as it was initialised.",
    fix="Set `requires_grad_(True)` on what is to learn; leave out of the optimizer what is not.",
    wrong_when="Layers that are frozen on purpose and were handed to the optimizer with all the others.",
    causes=(
        "missing-backward",
        "parameters-not-in-optimizer",
        "loss-detached",
        "parameters-without-gradient",
        "weights-never-updated",
        "cannot-overfit-tiny-batch",
        "learning-rate-too-low",
        "underfitting",
        "plateau",
    ),
)

PARAMETERS_WITHOUT_GRADIENT = Kind(
    code="TW408",
    kind="parameters-without-gradient",
    severity="error",
    title="parameters take part in the loss, but get no gradient",
    because="their values change the loss, yet the graph is cut between them and it, so they never learn",
    what="Parameters were used with gradients on and the loss depends on their values, but `backward` gives them no "
    "gradient, or nothing but zeros behind an operation such as `round` whose derivative is zero.",
    hurts="A part of the network stays as it was initialised, and the rest learns to live with that.",
    fix="Remove the `.detach()`, `.data`, `.item()`, `.numpy()` or `argmax` on the way; use a straight-through "
    "estimator for rounding; write `torch.no_grad()` around, or `requires_grad_(False)` on, what is not to learn.",
    wrong_when="A gradient that is stopped on purpose: leave such parameters out of the optimizer, or freeze them.",
    causes=("plateau", "weights-never-updated", "cannot-overfit-tiny-batch", "underfitting"),
)

OUTPUTS_IGNORE_INPUT = Kind(
    code="TW409",
    kind="outputs-ignore-input",
    severity="warning",
    title="the output does not depend on the input",
    because="whatever goes in, the same comes out: at best such a network learns the mean of the targets",
    what="The output is the same for every sample, to the last bits, and still is after some steps of training.",
    hurts="The loss falls to that of the best constant and stays there.",
    fix="Check that `forward` uses its argument, that no layer multiplies by zero or saturates, and that the "
    "initialisation is not all zero.",
    wrong_when="A branch at zero that needs more than a few steps to open.",
    causes=(
        "plateau",
        "learning-rate-too-low",
        "collapsed-predictions",
        "underfitting",
        "cannot-overfit-tiny-batch",
    ),
)

BATCH_NORM_TINY_BATCH = Kind(
    code="TW411",
    kind="batch-norm-tiny-batch",
    severity="warning",
    title="batch normalisation sees very small batches",
    because="mean and variance of a few samples are mostly noise, and evaluation uses other ones",
    what="The model has batch normalisation in training mode, and a batch holds four samples or fewer.",
    hurts="A ResNet-50 loses 4 points of accuracy at 4 samples and 11 at 2 (Wu and He 2018, table 2). A single sample "
    "has no variance at all: layers over vectors raise, others erase what they should normalise.",
    fix="Use larger batches, or normalise by GroupNorm or LayerNorm; set `drop_last=True` for a short last batch.",
    wrong_when="Samples with very many independent positions each.",
)

FUTURE_VISIBLE = Kind(
    code="TW414",
    kind="future-visible",
    severity="error",
    title="a position sees what it is to predict",
    because="the target of a position is the input of the next one: a model that sees later inputs copies it",
    what="The model predicts the next element at each position, and its output there changes with later inputs.",
    hurts="The loss falls to almost zero, in training and validation alike, and nothing was learnt: where the future "
    "is not there to be copied, the model fails.",
    fix="Mask attention to later positions with -inf in every layer and in both modes (`is_causal=True`), pad "
    "convolutions on the left only, and use no bidirectional recurrence.",
    wrong_when="Models that see the whole sequence by design while their targets happen to be the shifted inputs.",
    causes=("initial-loss-too-low",),
)

WEIGHTS_NEVER_UPDATED = Kind(
    code="TW505",
    kind="weights-never-updated",
    severity="error",
    title="weights do not change at a step",
    because="they have gradients, the optimizer made its step, and they are what they were before, bit for bit",
    what="After real steps of the optimizer, and a forward pass, weights with gradients are unchanged.",
    hurts="Training runs and nothing happens.",
    fix="Look for a learning rate of zero, a `step` that does not update, and a `forward` that sets weights itself.",
    wrong_when="Weights that a rule outside the optimizer moves.",
    causes=("learning-rate-too-low", "cannot-overfit-tiny-batch", "underfitting", "plateau"),
)

PARAMETERS_NOT_IN_OPTIMIZER = Kind(
    code="TW506",
    kind="parameters-not-in-optimizer",
    severity="error",
    title="parameters are missing from the optimizer",
    because="what the optimizer does not hold exactly once is not trained as intended",
    what="Trainable parameters with gradients are in no group of the optimizer, or it holds others in their place, or "
    "one twice.",
    hurts="The missing ones stay as they were initialised; those held twice make double steps.",
    fix="Build the optimizer from `model.parameters()` after the model is complete: after layers were replaced, added "
    "or moved.",
    wrong_when="A part is left out on purpose, or trained by a second optimizer: set `requires_grad_(False)` on it, or "
    "check with that optimizer too.",
    causes=("weights-never-updated", "cannot-overfit-tiny-batch", "underfitting", "plateau"),
)

DROPOUT_ALWAYS_ON = Kind(
    code="TW703",
    kind="dropout-always-on",
    severity="warning",
    title="dropout is active in evaluation mode",
    because="`F.dropout` has training=True unless it is told otherwise, so predictions stay random",
    what="Two passes in evaluation mode over the same inputs differ, and a dropout, or noise of a fixed strength, was "
    "seen at work in them.",
    hurts="Predictions are noisy and worse than they could be, and validation cannot be compared from one pass to "
    "another.",
    fix="Pass `training=self.training` to `F.dropout`, `dropout_p=self.p if self.training else 0.0` to "
    "`F.scaled_dot_product_attention`, or use `nn.Dropout` registered in the model. Draw noise `if self.training`.",
    wrong_when="Randomness that is meant to stay on: Monte Carlo dropout, a prenet that always drops as Tacotron's, "
    "noise that makes a generator's samples differ. Noise whose strength is drawn too, or that the output is compared "
    "with, as in diffusion and flow matching, is not reported.",
)

FAILS_IN_ONE_MODE = Kind(
    code="TW706",
    kind="fails-in-one-mode",
    severity="error",
    title="the model runs in one mode only",
    because="training calls the model in training mode and validates it in evaluation mode: it has to run in both",
    what="The same batch passes through the model in one mode, and raises in the other.",
    hurts="The run ends at the first batch, or, worse, at the first validation after a long epoch.",
    fix="Look at the branches on `self.training` in `forward`.",
    wrong_when="Models that take other inputs in evaluation than in training, by design.",
)
