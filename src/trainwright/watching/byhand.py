"""Steps that no optimizer of torch makes: by hand, or by an optimizer of one's own. They are seen by what moves."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from trainwright.watching.owners import is_zero

_SMALL = 4096  # elements of the parameter that is looked at
_IDLE = 20  # backward passes whose gradients were thrown away before anyone wonders, and looks whether weights moved
_LOOKS = (_IDLE, 2 * _IDLE, 4 * _IDLE)


class StepsByHand:
    """Follows one parameter of the model from a backward pass to the next."""

    def __init__(self) -> None:
        self._witness: torch.Tensor | None = None
        self._version = -1
        self._values: torch.Tensor | None = None
        self._first: torch.Tensor | None = None  # what it was like at first
        self._gradient: tuple[torch.Tensor | None, int] = (None, -1)
        self.idle = 0  # backward passes whose gradients were thrown away, and did not move it
        self.meant = False  # gradients are wanted for their own sake: of inputs, or of weights that were loaded

    def remember(self, models: Iterable[nn.Module]) -> None:
        """A backward pass is over: keep what a parameter that it reached is like."""
        witness = self._witness
        if witness is None or witness.grad is None:
            reached = [part for model in models for part in model.parameters() if part.grad is not None]
            witness = self._witness = min(reached, key=torch.numel, default=None)
        if witness is None:
            return
        self._version = witness._version
        self._gradient = (witness.grad, -1 if witness.grad is None else witness.grad._version)
        if self._first is None:
            self._first = witness.detach().clone()
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

    def stands_still(self) -> bool:
        """A pass begins, and the weights have not moved since the last: say whether that is now certain.

        Gradients that still lie there are being added up; those that are gone were for nothing. Syncs an accelerator,
        three times at most.
        """
        witness, (gradient, version) = self._witness, self._gradient
        if witness is None or self._first is None or self.meant:
            return False
        now = witness.grad
        if now is gradient and now is not None and now._version == version and not is_zero(now):
            return False
        self.idle += 1
        return self.idle in _LOOKS and torch.equal(self._first, witness.detach())

    def reaches(self, leaves: Iterable[torch.Tensor], models: Iterable[nn.Module]) -> None:
        """A backward pass is about to reach `leaves`: see whether some of them are no weights."""
        weights = {id(part) for model in models for part in model.parameters()}
        self.meant = self.meant or any(id(leaf) not in weights for leaf in leaves)
