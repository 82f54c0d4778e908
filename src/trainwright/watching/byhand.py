"""Steps that no optimizer of torch makes: by hand, or by an optimizer of one's own. They are seen by what moves."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

_SMALL = 4096  # elements of the parameter that is looked at


class StepsByHand:
    """Follows one parameter of the model from a backward pass to the next."""

    def __init__(self) -> None:
        self._witness: torch.Tensor | None = None
        self._version = -1
        self._values: torch.Tensor | None = None

    def remember(self, models: Iterable[nn.Module]) -> None:
        """A backward pass is over: keep what a parameter that it reached is like."""
        witness = self._witness
        if witness is None or witness.grad is None:
            reached = [part for model in models for part in model.parameters() if part.grad is not None]
            witness = self._witness = min(reached, key=torch.numel, default=None)
        if witness is None:
            return
        self._version = witness._version
        # What is done to `weight.data` leaves no other trace; on an accelerator a comparison would wait for it.
        compared = witness.is_cpu and witness.numel() <= _SMALL
        self._values = witness.detach().clone() if compared else None

    def moved(self) -> bool:
        """Say whether the weights have moved since."""
        witness = self._witness
        if witness is None:
            return False
        return witness._version != self._version or (
            self._values is not None and not torch.equal(self._values, witness.detach())
        )
