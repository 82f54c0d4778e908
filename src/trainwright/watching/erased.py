"""Two losses of one forward pass, and the gradients of the first zeroed before those of the second come.

Exact: the second backward pass goes through nodes that were made before the first one, the loss of the first is no part
of it, no optimizer has stepped and no weight has moved between them, and the first reached nothing but weights. So
nobody can have used what was erased, but by reading it; who combines what was read writes it back, and is let be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from trainwright.watching.graphs import leaves, nodes
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_LOOKS = 64  # steps that are looked at


class ErasedBooks:
    """Follows the backward passes of one step, where the first of them keeps its graph."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._first: Any = None  # the node of the first loss
        self._shared: set[Any] = set()  # the nodes behind it
        self._version = -1
        self._zeroed: Place | None = None
        self._hit: Place | None = None
        self._looks = 0

    def backward_begins(self, loss: torch.Tensor, owners: Iterable[Owner], *, retained: bool) -> None:
        """A loss is about to be learnt from."""
        owners = list(owners)
        if self._first is not None:
            behind = set(nodes(loss))
            erased = self._zeroed is not None and self._first not in behind and not self._shared.isdisjoint(behind)
            self._hit = self._zeroed if erased and _version(owners) == self._version else None
        elif retained and self._looks < _LOOKS and loss.grad_fn is not None and len(owners) == 1:
            self._looks += 1
            weights = {id(parameter) for parameter in owners[0].parameters()}
            if all(id(leaf) in weights for leaf in leaves(loss)):
                self._first, self._version = loss.grad_fn, _version(owners)
                self._shared = {node for node in nodes(loss) if getattr(node, "variable", None) is None}
                self._zeroed = self._hit = None
                self._sightings.chance("gradients-of-first-loss-erased")

    def zeroed(self, place: Place | None) -> None:
        """Gradients were zeroed."""
        if self._first is not None and self._zeroed is None:
            self._zeroed = place

    def stepping(self, owner: Owner) -> None:
        """An optimizer is about to step."""
        if self._hit is not None and owner.stands():
            self._sightings.note("gradients-of-first-loss-erased", self._hit, {"optimizer": owner.name})
        self._first = self._zeroed = self._hit = None
        self._shared = set()

    @property
    def waiting(self) -> bool:
        """Whether a zeroing would be news."""
        return self._first is not None


def _version(owners: list[Owner]) -> int:
    return sum(parameter._version for owner in owners for parameter in owner.parameters())
