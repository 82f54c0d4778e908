"""Where one run ends and another begins in the same process: another model, or weights that were drawn anew.

Told by what optimizers move, not by what they are: an optimizer whose weights none before it has moved begins a run,
unless one of those before goes on, as where several share the work. So does one whose weights were initialised again.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import torch

from trainwright.watching.owners import Owner

_FEWEST = 8  # steps of a run: optimizers of one model take their first steps one right after the other
_ANEW = 0.5  # share of an optimizer's weight matrices that are initialised again where a run begins anew


@dataclass(eq=False, slots=True)
class _Run:
    start: int
    owners: set[int] = field(default_factory=set)
    weights: dict[int, weakref.ref[torch.Tensor]] = field(default_factory=dict)

    def moves(self, parameter: torch.Tensor) -> bool:
        known = self.weights.get(id(parameter))
        return known is not None and known() is parameter

    def add(self, owner: Owner) -> None:
        self.owners.add(id(owner))
        self.weights.update({id(parameter): weakref.ref(parameter) for parameter in owner.parameters()})


class Runs:
    """The runs so far. `starts` are the steps at which those after the first began."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._drawn: set[int] = set()
        self._latest = 0  # the optimizer that stepped last
        self.resumed = False  # the state of an optimizer was loaded, one that has stepped somewhere: it goes on

    @property
    def starts(self) -> list[int]:
        """The steps at which runs after the first began."""
        return [run.start for run in self._runs[1:]]

    def initialised(self, weight: torch.Tensor) -> None:
        """A weight was drawn, by the user or by a module that is made."""
        if self._runs and weight.dim() > 1:
            self._drawn.add(id(weight))

    def stepped(self, owner: Owner, step: int) -> bool:
        """An optimizer has made step `step`, counted from 0; say whether a run began with it."""
        if id(owner) == self._latest and not self._drawn:
            return False
        self._latest = id(owner)
        drawn, self._drawn = self._drawn, set()
        resumed, self.resumed = self.resumed, False
        if not self._runs:
            self._runs.append(_Run(0))
        newest = self._runs[-1]
        if id(owner) in newest.owners or not newest.owners:
            if not (newest.owners and self._anew(owner, drawn)):
                newest.add(owner)
                return False
        elif any(id(owner) in run.owners for run in self._runs):
            self._join(owner)  # it goes on: they share the work
            return False
        elif any(run.moves(parameter) for run in self._runs for parameter in owner.parameters()) and not self._anew(
            owner, drawn
        ):
            newest.add(owner)  # another optimizer for weights that were trained before
            return False
        if resumed or step - newest.start < _FEWEST:
            newest.add(owner)
            return False
        self._runs.append(_Run(step))
        self._runs[-1].add(owner)
        return True

    def _anew(self, owner: Owner, drawn: set[int]) -> bool:
        matrices = [parameter for parameter in owner.parameters() if parameter.dim() > 1]
        return bool(drawn) and sum(id(part) in drawn for part in matrices) >= max(1.0, _ANEW * len(matrices))

    def _join(self, owner: Owner) -> None:
        """Take back that runs began since `owner` stepped first."""
        first = next(place for place, run in enumerate(self._runs) if id(owner) in run.owners)
        kept = self._runs[first]
        for run in self._runs[first + 1 :]:
            kept.owners |= run.owners
            kept.weights |= run.weights
        del self._runs[first + 1 :]
