"""Where a program takes its answers at the middle of probabilities, and compares logits with it.

Exact: what is compared is the very output of the model, by its memory, and holds values that no probability has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainwright.watching.models import Pass
from trainwright.watching.places import caller

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

MIDDLE = 0.5
_LARGEST = 1_000_000  # numbers of an output that is held until the next
_LOOKS = 8


class ThresholdBooks:
    """Holds the last output of each of a few kinds, and looks at what is compared with one half."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._outputs: dict[bool, torch.Tensor] = {}  # of the last pass and of the last one in evaluation
        self._looks = 0

    def passed(self, seen: Pass) -> None:
        """A model was called."""
        output = seen.output
        if isinstance(output, torch.Tensor) and output.is_floating_point() and not output.is_sparse:
            fits = self._looks < _LOOKS and output.numel() <= _LARGEST and not output.is_meta
            learns = next(seen.root.parameters(), None) is not None
            if fits and learns:
                self._outputs[seen.grad] = output.detach()  # held, so that its memory is nobody else's

    def compared(self, tensor: torch.Tensor) -> None:
        """A tensor was compared with one half."""
        if self._looks >= _LOOKS or tensor.numel() == 0:
            return
        known = self._outputs.values()
        if not any(tensor.data_ptr() == held.data_ptr() and tensor.numel() == held.numel() for held in known):
            return
        self._looks += 1
        place = caller()
        values = tensor.detach()

        def take(numbers: list[float]) -> None:
            low, high = numbers
            if low < 0 or high > 1:
                facts = {"low": low, "high": high, "threshold": MIDDLE}
                self._tape.sightings.note("logits-compared", place, facts)

        self._tape.steps.delayed.read([values.min(), values.max()], take)
        if self._looks >= _LOOKS:
            self._outputs.clear()


def is_middle(other: Any) -> bool:
    """Say whether a number is one half."""
    return isinstance(other, float) and other == MIDDLE
