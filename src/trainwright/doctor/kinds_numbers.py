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
    causes=("plateau", "underfitting", "overfitting"),
)
