"""Diagnoses of gradient flow and numbers."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

NON_FINITE_LOSS = Kind(
    code="TW803",
    kind="non-finite-loss",
    severity="error",
    title="the loss is not finite",
    because="once a weight is NaN it stays NaN; the step was refused, so the weights are those before it",
    what="The loss or the gradient of a step was NaN or infinite.",
    hurts="Every weight that such a gradient touches is lost.",
    fix="Mend the operation that is named: keep logarithms and square roots away from zero, divide by a clamped value, "
    "use the loss that works from logits.",
    wrong_when="Never.",
    causes=("plateau", "underfitting", "overfitting", "outputs-ignore-input", "collapsed-predictions"),
)

BF16_UPDATES_LOST = Kind(
    code="TW806",
    kind="bf16-updates-lost",
    severity="warning",
    title="half-precision weights are too coarse for the updates",
    because="an update below half of the distance to the next number that the type can hold is rounded away",
    what="Steps of the optimizer leave most weights in half precision as they were, though each has a gradient.",
    hurts="Training stalls without a sign: the loss is finite, gradients flow, and nothing moves.",
    fix="Keep the weights in float32 and compute in half precision by autocast (`train.precision`), or use an "
    "optimizer that keeps float32 copies.",
    wrong_when="Optimizers that round at random, or that gather small updates until they count.",
    causes=("learning-rate-too-low", "plateau", "underfitting"),
)
