"""Diagnoses of half precision, and of gradients that die out or explode."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

VANISHING_GRADIENTS = Kind(
    code="TW801",
    kind="vanishing-gradients",
    severity="warning",
    title="the gradients vanish on their way to the first layers",
    because="each layer multiplies the gradient by a factor below one, and many such factors leave nothing",
    what="The gradient of the first weight layers, in parts of their weights, is less than a thousandth of that of the "
    "last ones, it falls from layer to layer, and the loss has not left that of a constant guess.",
    hurts="The first layers stay as they were initialised, and what they pass on is noise to the others.",
    fix="ReLU or GELU in place of sigmoid and tanh, He or Glorot initialisation, normalisation, residual connections.",
    wrong_when="Networks whose first layers are good as they are: then the loss falls, and it is not reported.",
    causes=(
        "learning-rate-too-low",
        "learning-rate-too-high",
        "plateau",
        "underfitting",
        "outputs-ignore-input",
        "activations-change-scale-with-depth",
    ),
)

EXPLODING_GRADIENTS = Kind(
    code="TW802",
    kind="exploding-gradients",
    severity="warning",
    title="the gradients explode",
    because="through many layers or time steps the same factor above one is multiplied again and again",
    what="The norm of the gradient jumps far above all that it was before, from a loss that was still in order, and "
    "the loss is worse afterwards; an error where it is no longer finite, or more than three times as high.",
    hurts="One such step throws away what hundreds have learnt; the next may end in NaN.",
    fix="Clip the gradient's norm (1.0 is usual), lower the rate, or normalise; in recurrent networks use gates.",
    wrong_when="Losses that are meant to jump, as those of adversarial pairs, which are not judged.",
    causes=(*RATE_SYMPTOMS, "learning-rate-too-high", "initial-loss-too-high"),
)

FP16_UNDERFLOW = Kind(
    code="TW804",
    kind="fp16-underflow",
    severity="error",
    title="gradients underflow to zero in float16",
    because="float16 holds nothing below 6e-8, and many gradients are smaller",
    what="Most gradients are exactly zero in float16, and would not be in float32; no scaler is at work.",
    hurts="The layers whose gradients are small stop learning, without a sign.",
    fix="Scale the loss by `torch.amp.GradScaler`, or compute in bfloat16, which has float32's range.",
    wrong_when="Networks whose gradients are sparse by nature; what is zero in float32 as well is not counted.",
    causes=("vanishing-gradients", "learning-rate-too-low", "plateau", "underfitting", "weights-never-updated"),
)

SCALER_KEEPS_SKIPPING = Kind(
    code="TW805",
    kind="scaler-keeps-skipping",
    severity="warning",
    title="the gradient scaler skips step after step",
    because="a scaler skips a step whose gradient is not finite and halves its scale; once it fits, that should end",
    what="More than a fifth of the last fifty or more steps were skipped.",
    hurts="The data of skipped steps are lost; where the scale falls and falls, a loss or a layer overflows in float16 "
    "whatever the scale.",
    fix="Compute the part that overflows in float32 (a loss, a softmax, a norm), or use bfloat16.",
    wrong_when="The first steps, in which the scale is searched for: they are too few to be counted.",
    causes=("scheduler-before-optimizer",),
)

AUTOCAST_NOT_APPLIED = Kind(
    code="TW807",
    kind="autocast-not-applied",
    severity="warning",
    title="autocast is on and changes nothing",
    because="autocast acts on the device type that it is given, and only on operations that run inside it",
    what="Training steps ran under autocast, and no matrix product of them came out in its number format.",
    hurts="Training is as slow, and takes as much memory, as without it.",
    fix='Name the device on which the model runs, `torch.autocast("cuda", ...)`, and put the forward pass inside.',
    wrong_when="Models without any matrix product or convolution.",
)
