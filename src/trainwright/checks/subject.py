"""What is checked: a model with its loss and data, and what else is known of the training that is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.checks.inputs import call
from trainwright.data.feed import Feed
from trainwright.errors import ModelError
from trainwright.records import LossSpec, RunInfo

Loss = Callable[[Any, Any], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A training that has not begun. What is None is not known, and a check that needs it raises `Skip`.

    `x` and `y` are a batch of at most some hundred training samples on the model's device; `x` is a tensor `(N, ...)`,
    or a tuple or dict of such where the model takes several inputs. `info` is the head of the run: settings with the
    lines they were written on, and what was measured of inputs, targets and output.
    """

    model: nn.Module
    loss: Loss
    x: Any
    y: Any
    info: RunInfo
    spec: LossSpec | None = None  # the catalogue's entry for the loss
    loss_options: Mapping[str, Any] = field(default_factory=dict)  # label_smoothing, weights, ... where they are known
    penalty: Callable[[], torch.Tensor] | None = None  # what the weights themselves add to the loss
    optimizer: torch.optim.Optimizer | None = None
    schedule: Callable[[int], float] | None = None  # step (from 0) -> multiple of the optimizer's own rate
    scheduler: Any = None  # torch's, where one was given: what it plans is in its own attributes
    train: Feed | None = None  # the batches that training will see, augmented as they will be
    validation: Feed | None = None
    loader: Any = None  # the iterable that was given, where it was one: a DataLoader has workers, a sampler, a dataset
    clip_norm: float | None = None
    accumulate: int = 1
    precision: str = "fp32"
    pretrained: bool | None = None  # the weights come from elsewhere; None where nobody said
    frozen: frozenset[str] = frozenset()  # parameters that are frozen because that was asked for
    seed: int = 0
    passages: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)  # what was read, for all checks

    def output(self, x: Any = None) -> Any:
        """Return the model's output for `x`, by default for the subject's own batch."""
        return call(self.model, self.x if x is None else x)

    def value(self, x: Any = None, y: Any = None) -> torch.Tensor:
        """Return the loss of a batch, by default of the subject's own, without the penalty.

        Raises `ModelError` where the loss returns something else than a tensor.
        """
        return a_tensor(self.loss(self.output(x), self.y if y is None else y))


def a_tensor(value: Any) -> torch.Tensor:
    """Return what a loss gave, if it is a tensor; else raise `ModelError` that says what it is, with the remedy."""
    if isinstance(value, torch.Tensor):
        return value
    kind = type(value).__name__
    if value is None:
        what, remedy = "None", "end the function with `return loss`, a 0-dimensional tensor"
    elif isinstance(value, tuple | list | Mapping):
        inner = ", ".join(type(part).__name__ for part in (value.values() if isinstance(value, Mapping) else value))
        one = "loss(output, y)['loss']" if isinstance(value, Mapping) else "loss(output, y)[0]"
        what = f"a {kind} of {len(value)} ({inner})"
        remedy = f"return a 0-dimensional tensor alone; to keep the function: lambda output, y: {one}"
    else:
        what = f"{value!r}, a number without a graph ({kind})" if isinstance(value, float | int) else f"a {kind}"
        remedy = "return a 0-dimensional tensor, computed by torch from the output: no .item(), float() or .numpy()"
    raise ModelError("the loss must be a single number, in a tensor", evidence=f"it returned {what}", remedy=remedy)
