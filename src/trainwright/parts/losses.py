"""Losses: what each expects, what it should be before any training, and the least it can be.

Every loss here is the mean over samples and refuses shapes that torch would broadcast into a wrong number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError
from trainwright.records import LossSpec, Task

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cross_entropy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of -log softmax(output)[target]: logits `(N, C)` or `(N, C, ...)` and class ids `(N)` or `(N, ...)`.

    Targets of the output's own shape are taken as class probabilities.
    """
    if target.shape == output.shape and target.is_floating_point():
        return F.cross_entropy(output, target)
    if output.dim() < 2 or target.shape != (output.shape[0], *output.shape[2:]):
        raise ModelError(
            "cross_entropy needs one row of logits for each class id",
            evidence=f"the model's output has shape {tuple(output.shape)}, the target {tuple(target.shape)}",
            remedy="let the last layer have one output unit for each class, and pass class ids of shape (N,)",
        )
    return F.cross_entropy(output, target)


def bce_with_logits(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of -[y log s(z) + (1 - y) log(1 - s(z))] with s the sigmoid: logits and 0/1 targets of the same size."""
    return F.binary_cross_entropy_with_logits(output, _aligned("bce_with_logits", output, target))


def mse(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of (output - target)^2 over samples and target columns."""
    return F.mse_loss(output, _aligned("mse", output, target))


def _aligned(name: str, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the target in the output's dtype and shape. (N,) against (N, 1) is reshaped, never broadcast to (N, N)."""
    squeezed = tuple(size for size in output.shape if size != 1), tuple(size for size in target.shape if size != 1)
    if output.numel() != target.numel() or squeezed[0] != squeezed[1]:
        raise ModelError(
            f"{name} needs an output and a target of the same shape",
            evidence=f"the model's output has shape {tuple(output.shape)}, the target {tuple(target.shape)}",
            remedy="let the last layer have one output unit for each target column",
        )
    return target.reshape(output.shape).to(output.dtype)


CATALOGUE: Mapping[str, LossSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            LossSpec(
                name="cross_entropy",
                summary="one class out of several, from raw logits",
                formula="L = -log softmax(z)_y",
                tasks=("classification",),
                expects="logits",
                target="class-index",
                factory=lambda: cross_entropy,
                torch_names=("CrossEntropyLoss", "cross_entropy"),
                output_units=lambda classes: classes,
                initial=lambda outputs: math.log(outputs),
                floor=lambda outputs: 0.0,
                reference="G3; G2, chapter 2",
            ),
            LossSpec(
                name="bce_with_logits",
                summary="yes or no, from one raw logit",
                formula="L = -[y log s(z) + (1 - y) log(1 - s(z))], s the sigmoid",
                tasks=("classification",),
                expects="logits",
                target="binary",
                factory=lambda: bce_with_logits,
                torch_names=("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
                output_units=lambda classes: 1,
                initial=lambda classes: math.log(2),
                floor=lambda outputs: 0.0,
                reference="G3, G4",
            ),
            LossSpec(
                name="mse",
                summary="a number, large errors weighing quadratically",
                formula="L = (1/n) sum (y - y^)^2",
                tasks=("regression",),
                expects="values",
                target="values",
                factory=lambda: mse,
                torch_names=("MSELoss", "mse_loss"),
                output_units=lambda columns: columns,
                initial=None,  # the variance of the targets, which no count of columns tells
                floor=lambda outputs: 0.0,
                reference="G4",
            ),
        )
    }
)


def automatic(task: Task, classes: int) -> str:
    """Return the name of the loss that fits the task: one logit for two classes, a logit each for more."""
    if task == "regression":
        return "mse"
    return "bce_with_logits" if classes == 2 else "cross_entropy"


def recognise(loss: Any) -> LossSpec | None:
    """Return the catalogue's entry for a loss that the user passed: ours, or torch's class or function of that name."""
    for spec in CATALOGUE.values():
        if loss is spec.factory():
            return spec
        if isinstance(loss, nn.Module):
            if type(loss).__module__.startswith("torch.nn") and type(loss).__name__ in spec.torch_names:
                return spec
        elif getattr(loss, "__name__", "") in spec.torch_names and getattr(F, loss.__name__, None) is loss:
            return spec
    return None


def is_plain(loss: Any) -> bool:
    """Say whether a recognised loss is the plain mean: no weights, no smoothing, no sum.

    The loss of a constant guess, and the value at initialisation, are known for that alone.
    """
    changed = {"reduction": "mean", "weight": None, "pos_weight": None, "label_smoothing": 0.0, "ignore_index": -100}
    return all(
        getattr(loss, name, usual) is usual or getattr(loss, name, usual) == usual for name, usual in changed.items()
    )
