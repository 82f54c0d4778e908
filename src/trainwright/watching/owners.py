"""What is known of one optimizer's gradients: which were used already, which were erased, which came since."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from trainwright.watching.places import Place

_SMALL = 4096  # elements of the parameter that stands for the others


@dataclass(eq=False, slots=True)
class Owner:
    """One optimizer, and the parameter that stands witness for all of its gradients.

    `used` is the witness's gradient as the last step used it, with its version: while both are the same, nobody has
    zeroed it. `backwards` are the lines of the backward passes since the last step that reached the witness.
    """

    optimizer: weakref.ref[torch.optim.Optimizer]
    name: str
    made: Place | None = None
    step_place: Place | None = None
    zero_place: Place | None = None
    steps: int = 0
    heard: int = 0  # of them, those whose calls were followed
    witness: torch.Tensor | None = None
    used: torch.Tensor | None = None
    used_version: int = -1
    before: tuple[torch.Tensor | None, int] = (None, -1)
    carried: Place | None = None
    backwards: list[Place | None] = field(default_factory=list)
    raw: int = 0  # of these, how many began at a mean over a batch that was not divided
    erased: int = 0  # how often, since the last step, gradients were zeroed that had just been computed
    zeroed_last: bool = False  # nothing was computed since the last zeroing
    clips: int = 0  # that had something to clip
    touched: bool = False  # somebody changed the gradients after the backward pass, and it was no clipping

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yield the tensors that the optimizer holds."""
        optimizer = self.optimizer()
        for group in optimizer.param_groups if optimizer is not None else ():
            yield from group["params"]

    def settle(self) -> bool:
        """Choose a witness that has a gradient, if there is one; say whether there is."""
        if self.witness is not None and self.witness.grad is not None:
            return True
        best: torch.Tensor | None = None
        for parameter in self.parameters():
            if parameter.grad is not None and (best is None or parameter.numel() < best.numel()):
                best = parameter
                if best.numel() <= _SMALL // 64:
                    break
        if best is not None:
            self.witness = best
            self.before = (None, -1)
        return best is not None

    def state(self) -> tuple[torch.Tensor | None, int]:
        """Return the witness's gradient and its version."""
        gradient = None if self.witness is None else self.witness.grad
        return gradient, -1 if gradient is None else gradient._version

    def stands(self) -> bool:
        """Say whether nobody has changed the witness's gradient since it was last looked at."""
        gradient, version = self.state()
        return gradient is self.before[0] and version == self.before[1]

    def still_used(self) -> bool:
        """Say whether the witness's gradient is, unchanged, the one that the last step used."""
        gradient, version = self.state()
        return gradient is not None and gradient is self.used and version == self.used_version


def is_zero(gradient: torch.Tensor) -> bool:
    """Say whether a gradient is zero everywhere. Syncs an accelerator: asked only where something is suspicious."""
    return not bool(gradient.detach().ne(0).any())


def closure_of(arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Say whether a step was given a closure that computes its loss."""
    return callable(named.get("closure")) or any(callable(argument) for argument in arguments[1:])
