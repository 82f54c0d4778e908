"""What enters a loss, checked by shape and type alone: no value is read, so no accelerator has to wait.

Torch broadcasts (N, 1) against (N,) to (N, N), and gives a number that is the loss of something else. Here (N,) stands
for (N, 1), and whatever else does not fit is refused.
"""

from __future__ import annotations

import torch

from trainwright.errors import ModelError, UsageError

IGNORED = -100
"""The class id of what does not count (padding), as in torch."""


def fits(output: torch.Tensor, target: torch.Tensor) -> bool:
    """Say whether both hold the same samples in the same shape; (N,) and (N, 1) are the same."""
    if output.dim() == 0 or target.dim() == 0 or len(output) != len(target):
        return False
    return [size for size in output.shape if size != 1] == [size for size in target.shape if size != 1]


def aligned(name: str, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output in float32 at least, and the target (of any real type) in its dtype and shape.

    (N,) against (N, 1) is reshaped, never broadcast to (N, N). Raises `ModelError` where the shapes do not fit.
    """
    output = floating(name, output)
    if output.shape == target.shape and output.dtype == target.dtype and output.dim() > 0:
        return output, target
    if not fits(output, target):
        raise ModelError(
            f"{name} needs an output and a target of the same shape",
            evidence=_shapes(output, target),
            remedy="let the last layer have one output unit for each target column",
        )
    if target.is_complex():
        raise ModelError(f"{name} needs real targets", evidence=f"the target is of type {target.dtype}")
    return output, target.reshape(output.shape).to(output.dtype)


def rows_of_classes(name: str, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs `(N, C, ...)` as rows `(M, C)`, with class ids `(M,)`, int64, or probabilities `(M, C)`.

    Whole numbers of shape `(N, ...)` are class ids; floating-point targets of the output's own shape are class
    probabilities. Raises `ModelError` for anything else, and for a single output unit, whose softmax is always 1.
    """
    output = floating(name, output)
    soft = target.is_floating_point()
    wanted = output.shape if soft else (*output.shape[:1], *output.shape[2:])
    if output.dim() < 2 or target.shape != wanted or target.is_complex():
        raise ModelError(
            f"{name} needs one row of outputs for each class id",
            evidence=f"{_shapes(output, target)}, of type {target.dtype}",
            remedy=_remedy(output, target),
        )
    if output.shape[1] == 1:
        raise ModelError(
            f"{name} needs an output unit for each class, and a softmax over a single one is always 1",
            evidence=_shapes(output, target),
            remedy="use bce_with_logits for yes or no, or give the last layer two units",
        )
    if output.dim() > 2:  # rows, because torch has deterministic code for rows alone on every device
        output = output.movedim(1, -1).reshape(-1, output.shape[1])
        target = target.movedim(1, -1).reshape(output.shape) if soft else target.reshape(-1)
    return output, target.to(output.dtype) if soft else target.long()


def _shapes(output: torch.Tensor, target: torch.Tensor) -> str:
    return f"the model's output has shape {tuple(output.shape)}, the target {tuple(target.shape)}"


def _remedy(output: torch.Tensor, target: torch.Tensor) -> str:
    if target.is_floating_point():
        if target.dim() == output.dim() - 1:
            return "pass class ids as whole numbers: target.long()"
        return "pass class ids of shape (N,) as whole numbers, or a probability for each output unit"
    if target.shape == output.shape:
        return "pass class ids of shape (N,): target.argmax(1); class probabilities must be floating-point numbers"
    if output.dim() == 3 and target.shape == output.shape[:2]:
        return "put the classes second, (N, C, L): output.transpose(1, 2)"
    return "let the last layer have one output unit for each class, and pass class ids of shape (N,)"


def floating(name: str, output: torch.Tensor) -> torch.Tensor:
    """Return the output in float32 at least: half precision is too coarse for a logarithm and a sum.

    Raises `ModelError` where it does not hold floating-point numbers.
    """
    if not output.is_floating_point():
        raise ModelError(f"{name} needs floating-point outputs", evidence=f"the model's output is {output.dtype}")
    return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output


def checked_weights(name: str, weights: object) -> tuple[float, ...]:
    """Return class weights as a tuple of floats, () for none; raises `UsageError` where they cannot be weights."""
    if isinstance(weights, str):
        raise UsageError(
            f"{name} cannot tell from the word '{weights}' how much each class weighs",
            remedy="pass a number for each class; losses.balanced(counts) makes them from the counts of the classes",
        )
    try:
        found = tuple(float(weight) for weight in weights)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        found = (float("nan"),)
    if not all(0 <= weight < float("inf") for weight in found) or (found and not any(found)):
        raise UsageError(
            f"{name} needs weights of at least 0, and one above 0",
            evidence=f"weights = {weights!r}",
            remedy="pass a finite number for each class",
        )
    return found


def weights_tensor(name: str, weights: tuple[float, ...], rows: torch.Tensor) -> torch.Tensor:
    """Return the weights on the device and in the dtype of `rows` `(M, C)`; raises `ModelError` unless there are C."""
    check_number_of_weights(name, weights, rows.shape[1])
    return vector(weights, rows.dtype, rows.device)


def check_number_of_weights(name: str, weights: tuple[float, ...], classes: int) -> None:
    """Raise `ModelError` unless there is a weight for each class."""
    if len(weights) != classes:
        raise ModelError(
            f"{name} has a weight for each of {len(weights)} classes, and the model tells {classes} apart",
            evidence=f"weights = {weights}",
            remedy="give as many weights as there are classes",
        )


def vector(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return numbers as a tensor without waiting for the device."""
    return torch.tensor(numbers, dtype=dtype).to(device, non_blocking=device.type == "cuda")
