"""Masks that a layer draws by hand while its model evaluates: random numbers compared with a share.

Exact: the generator has moved since the pass began, and what is compared with a number between 0 and 1 is evenly spread
between them and has no graph. Only layers inside of a model are looked at: a model may mask its own inputs on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainwright.watching.models import Pass
from trainwright.watching.modes import known_again
from trainwright.watching.places import Place, caller

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_FEWEST = 64  # numbers that show how they are spread
_LOOKS = 16
_DRAWS = 3  # passes on one input in one evaluation: their answers are to be averaged
_SPREAD, _NEAR = 12**-0.5, 0.06  # of numbers that are evenly spread between 0 and 1, and what 64 of them may be off


class MaskBooks:
    """Looks at comparisons in passes that evaluate."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._looks = 0
        self._found: tuple[Place | None, float, str] | None = None  # in the pass that is under way
        self._given: list[object] = []  # to the last passes that drew a mask, and before which step
        self._meant = False

    def compared(self, tensor: torch.Tensor, share: float) -> None:
        """A tensor was compared with a number between 0 and 1, in a pass of a model in evaluation mode."""
        models = self._tape.models
        inner, root = models.innermost(), models.outermost()
        if self._looks >= _LOOKS or inner is None or inner is root or not isinstance(tensor, torch.Tensor):
            return
        if not tensor.is_cpu or tensor.requires_grad or not tensor.is_floating_point() or tensor.numel() < _FEWEST:
            return
        self._looks += 1
        values = tensor.detach().double().reshape(-1)
        even = abs(float(values.mean()) - 0.5) < 2 * _NEAR and abs(float(values.std()) - _SPREAD) < _NEAR
        if even and float(values.min()) >= 0 and float(values.max()) < 1 and models.drew():
            self._found = caller(), share, type(inner).__name__

    def passed(self, seen: Pass) -> None:
        """A pass is over."""
        if self._found is None or self._meant:
            return
        (place, share, name), self._found = self._found, None
        sightings = self._tape.sightings
        self._given = [*self._given[1 - _DRAWS :], (sightings.step, known_again(seen))]
        if len(self._given) == _DRAWS and all(given == self._given[0] for given in self._given):
            self._meant = True
            sightings.forget("dropout-in-evaluation")
        else:
            sightings.note("dropout-in-evaluation", place, {"explicit": False, "modules": name, "mask": share})
