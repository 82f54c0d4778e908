"""Diagnoses of the gradient check: the gradient that backward gives is not the derivative of the loss."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

GRADIENT_WRONG = Kind(
    code="TW417",
    kind="gradient-wrong",
    severity="error",
    title="the gradient is not the derivative of the loss",
    because="in float64 a correct gradient agrees with centred differences to seven digits or more, and this one does "
    "not agree to three",
    what="The gradient that `backward` gives for a parameter differs from (f(w + h) - f(w - h)) / 2h by more than a "
    "thousandth, at points where the loss is smooth.",
    hurts="The optimizer follows another function than the loss. Training may still make progress, only less, and "
    "nothing says why.",
    fix="Derive the `backward` of the `torch.autograd.Function` on the way once more: signs, factors, sums over "
    "broadcast dimensions, and every input's own gradient. `torch.autograd.gradcheck` tests it alone.",
    wrong_when="A backward that differs on purpose, such as a surrogate gradient for spikes. Straight-through "
    "estimators, gradient reversal and values cut off by `detach` are recognised.",
    causes=("gradient-suspect", "learning-rate-too-low", "cannot-overfit-tiny-batch", "underfitting", "plateau"),
)

GRADIENT_SUSPECT = Kind(
    code="TW418",
    kind="gradient-suspect",
    severity="warning",
    title="the gradient is off in the fourth digit",
    because="in float64 a correct gradient agrees with centred differences to seven digits or more",
    what="The gradient that `backward` gives for a parameter differs from centred differences by a hundred-thousandth "
    "to a thousandth, in float64 and at points where the loss is smooth.",
    hurts="An approximation, or a small term that is missing: harmless where it is meant, and the trace of a mistake "
    "where it is not.",
    fix="Look in the `torch.autograd.Function` on the way for a constant with too few digits, a derivative of another "
    "approximation than the forward computes, and computations in float32.",
    wrong_when="A derivative that is approximated on purpose.",
)
