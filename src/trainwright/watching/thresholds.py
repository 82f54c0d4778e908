"""Where a program takes its answers at the middle of probabilities, and compares logits with it.

Exact: what is compared is the very output of the model, by its memory, and holds values that no probability has.

Nor should it take the answer "class 1" from the probability of class 0, which is the first column of two that add up to
1: the labels of the same evaluation, as its loss was given them, tell how many of its answers are right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainwright.doctor.loop_metric import REVERSED
from trainwright.watching.models import Pass
from trainwright.watching.places import Place, caller
from trainwright.watching.written import compared_with_name

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

MIDDLE = 0.5
_LARGEST = 1_000_000  # numbers of an output that is held until the next
_LOOKS = 8
_FEWEST = 50  # answers, below which few of them may be right by luck
_ROUNDING = 1e-2  # of probabilities in half precision


class ThresholdBooks:
    """Holds the last output of each of a few kinds, and looks at what is compared with one half."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._outputs: dict[bool, torch.Tensor] = {}  # of the last pass and of the last one in evaluation
        self._looks = 0
        self._answers: tuple[torch.Tensor, Place | None] | None = None  # of the first of two columns
        self._labels: torch.Tensor | None = None  # of the loss of an evaluation
        self._columns = 0  # of them, that were looked at

    def passed(self, seen: Pass) -> None:
        """A model was called."""
        output = seen.output
        if isinstance(output, torch.Tensor) and output.is_floating_point() and not output.is_sparse:
            fits = self._looks < _LOOKS and output.numel() <= _LARGEST and not output.is_meta
            learns = next(seen.root.parameters(), None) is not None
            if fits and learns:
                self._outputs[seen.grad] = output.detach()  # held, so that its memory is nobody else's

    def labelled(self, target: Any) -> None:
        """A loss was computed that nothing will be learnt from, against labels of two classes."""
        if isinstance(target, torch.Tensor) and not target.is_floating_point() and target.dim() == 1:
            self._labels = target.detach()
            self._meet()

    def _meet(self) -> None:
        """Compare the last answers with the last labels, where they are as many."""
        if self._answers is None or self._labels is None or self._answers[0].shape != self._labels.shape:
            return
        answers, place = self._answers
        right = (answers.long() == self._labels).double().mean()
        asked = len(answers)
        self._answers = None

        def take(numbers: list[float]) -> None:
            self._tape.sightings.chance("answers-of-the-other-class")
            if numbers[0] < REVERSED:
                facts = {"right": numbers[0], "asked": asked}
                self._tape.sightings.note("answers-of-the-other-class", place, facts)

        self._tape.steps.delayed.read([right], take)

    def compared(self, tensor: torch.Tensor, result: Any) -> None:
        """A tensor was compared with one half."""
        if self._columns < _LOOKS and tensor.dim() == 1 and len(tensor) >= _FEWEST and isinstance(result, torch.Tensor):
            first = first_of_two(tensor)
            if first is not None:
                self._columns += 1
                place = caller()
                if compared_with_name(place):
                    self._answers = result, place
                    self._meet()
                return
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


def first_of_two(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return the two columns `(n, 2)` of probabilities of which a tensor is the first, None where it is no such."""
    both = tensor._base
    if both is None or tensor.dim() != 1 or both.dim() != 2 or both.shape != (len(tensor), 2):
        return None
    if tensor.storage_offset() != both.storage_offset() or tensor.stride(0) != both.stride(0):
        return None
    sums = both.detach().float().sum(1)
    return both if bool((sums - 1).abs().max() < _ROUNDING) else None


def is_middle(other: Any) -> bool:
    """Say whether a number is one half."""
    return isinstance(other, float) and other == MIDDLE
