"""Losses: the catalogue, and what can be asked of any loss.

Every loss here is a mean, says what it divides by (`count`), and refuses shapes that torch would broadcast into a wrong
number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from trainwright.errors import UsageError
from trainwright.parts.catalogue import find
from trainwright.parts.loss_catalogue import CATALOGUE
from trainwright.parts.loss_classes import CrossEntropy
from trainwright.parts.loss_functions import BinaryCrossEntropy, SquaredError
from trainwright.parts.loss_recognition import is_plain, items, recognise
from trainwright.parts.loss_shapes import IGNORED
from trainwright.parts.loss_values import check_output, check_target
from trainwright.records import LossSpec, Task

__all__ = [
    "CATALOGUE",
    "IGNORED",
    "Loss",
    "automatic",
    "balanced",
    "bce_with_logits",
    "check_output",
    "check_target",
    "cross_entropy",
    "given",
    "is_plain",
    "items",
    "mse",
    "recognise",
]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

cross_entropy = CrossEntropy()
bce_with_logits = BinaryCrossEntropy()
mse = SquaredError()


def given(loss: Any) -> tuple[Callable[[Any, Any], Any], LossSpec | None]:
    """Return the loss that a name of the catalogue or a function stands for, and its entry, None for a foreign one.

    Raises `UsageError` for a name that is none, with the nearest, and for what is no function.
    """
    if isinstance(loss, str):
        spec = find(CATALOGUE, loss, "loss")
        return spec.factory(), spec
    if not callable(loss) or isinstance(loss, type):
        raise UsageError(
            "loss must be a name or a function loss(output, target)",
            evidence=f"it is {loss!r}",
            remedy=f"pass a function such as nn.CrossEntropyLoss(), or one of: {', '.join(CATALOGUE)}",
        )
    return loss, recognise(loss)


def automatic(task: Task, classes: int) -> str:
    """Return the name of the loss that fits the task: one logit for two classes, a logit each for more.

    Several labels, of which each is a yes or no, have a logit each and the loss of two classes.
    """
    if task == "regression":
        return "mse"
    return "bce_with_logits" if task == "multi-label" or classes == 2 else "cross_entropy"


def balanced(counts: Sequence[int]) -> tuple[float, ...]:
    """Return the weight of each class under which all classes count alike: n / (C n_c), for `counts` n_c of n samples.

    The mean weight over the samples is 1. C counts the classes that have a sample; one that has none gets weight 1,
    which matters only where it turns up later, in validation. Raises `UsageError` for a count below 0, or none above.
    """
    numbers = [float(count) for count in counts]
    total = math.fsum(numbers)
    if not all(0 <= number < math.inf for number in numbers) or total == 0:
        raise UsageError(
            "class weights can be balanced only over counts of samples",
            evidence=f"counts = {tuple(counts)}",
            remedy="pass how many training samples each class has",
        )
    classes = sum(number > 0 for number in numbers)
    return tuple(total / (classes * number) if number > 0 else 1.0 for number in numbers)
