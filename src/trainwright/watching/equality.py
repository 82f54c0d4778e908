"""Units that begin equal, and whether the first steps pull them apart. Exact, but for rounding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright.vitals.equal_units import APART, apart, equal_in_own, equal_units, still_equal
from trainwright.watching.places import Place
from trainwright.watching.written import filling_line

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_STEPS = 2  # that moved something: a layer behind one that begins at zero gets its gradient at the second
_FEWEST = 2  # weight matrices: a single one has nothing to be symmetric with
_SMALL = 4096  # elements of the parameters that tell whether a step moved anything
_WITNESSES = 16


@dataclass(eq=False, slots=True)
class _Equal:
    """A weight whose rows, or `columns`, began equal; `reached` counts the backward passes that gave it a gradient."""

    name: str
    owner: nn.Module
    parameter: nn.Parameter
    gates: int
    start: torch.Tensor
    columns: bool = False
    reached: int = 0

    def units(self, values: torch.Tensor) -> torch.Tensor:
        """Return values of the weight's shape with the units along the first dimension."""
        return values.T if self.columns else values


class EqualityBooks:
    """Follows weights with equal rows over the first steps: a zero head, or a closed branch, frees itself in them."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._equal: list[_Equal] = []
        self._witnesses: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._moved = 0
        self._place: Place | None = None
        self._looked: set[int] = set()

    def backward_begins(self, roots: Iterable[nn.Module], place: Place | None) -> None:
        """Before the first step: find weights whose rows are all equal."""
        self._place = self._place or place
        if self._tape.sightings.step > 0:
            return
        for root in roots:
            if id(root) in self._looked:
                continue
            self._looked.add(id(root))
            owners = dict(root.named_modules())
            for name, (parameter, gates) in equal_units(root).items():
                if not any(known.parameter is parameter for known in self._equal):
                    owner = owners[name.rpartition(".")[0]]
                    self._equal.append(_Equal(name, owner, parameter, gates, parameter.detach().clone()))
            for name, parameter, columns in equal_in_own(root):
                owner = owners[name.rpartition(".")[0]]
                self._equal.append(_Equal(name, owner, parameter, 1, parameter.detach().clone(), columns))
            self._constant(root)
            if self._equal:
                small = [part for part in root.parameters() if part.requires_grad and part.numel() <= _SMALL]
                self._witnesses += [(part, part.detach().clone()) for part in small[-_WITNESSES:]]

    def backward_ends(self) -> None:
        """Let go of weights whose rows get different gradients."""
        for entry in list(self._equal):
            gradient = entry.parameter.grad
            if gradient is None or gradient.is_sparse:
                continue
            entry.reached += 1
            size = float(gradient.abs().max())
            if not size < float("inf") or apart(entry.units(gradient), entry.gates) > APART * size:
                self._equal.remove(entry)

    def step_over(self) -> None:
        """After steps that moved something: what is equal still will stay so."""
        if not self._equal or not any(bool(now.detach().ne(old).any()) for now, old in self._witnesses):
            return
        self._moved += 1
        self._witnesses = [(part, part.detach().clone()) for part, _ in self._witnesses]
        if self._moved < _STEPS:
            return
        found = [
            entry
            for entry in self._equal
            if entry.reached >= _STEPS
            and still_equal(entry.units(entry.parameter.detach()), entry.units(entry.start), entry.gates)
        ]
        if found:
            facts = {
                "count": len(found),
                "parameter": found[0].name,
                "zero": not any(bool(entry.start.any()) for entry in found),
                "names": ", ".join(entry.name for entry in found[:3]),
            }
            self._tape.sightings.note("units-alike", self._line(found), facts, count=1)
        self._equal = []

    def _constant(self, root: nn.Module) -> None:
        """Say so where each of a model's weight matrices, two at least, begins with rows that are all equal.

        Biases that were drawn at random pull the rows apart in the end, so that they are not equal after steps; but one
        matrix that is drawn, a body behind a zero head, a base beside zero adapters, and this is no fault.
        """
        matrices = {
            id(parameter)
            for module in root.modules()
            if "Norm" not in type(module).__name__
            for parameter in module.parameters(recurse=False)
            if parameter.dim() > 1 and len(parameter) > 1
        }
        found = [entry for entry in self._equal if id(entry.parameter) in matrices]
        if len(found) < _FEWEST or len({id(entry.parameter) for entry in found}) < len(matrices):
            return
        facts = {
            "count": len(found),
            "parameter": found[0].name,
            "zero": not any(bool(entry.start.any()) for entry in found),
            "names": ", ".join(entry.name for entry in found[:3]),
        }
        self._tape.sightings.note("weights-constant-at-start", self._line(found), facts, count=1)

    def _line(self, found: Sequence[_Equal]) -> Place | None:
        """Return the line that initialised them, where it was the user's own doing, else that of the backward pass."""
        by_hand = (self._tape.origins.by_hand(entry.owner) for entry in found)
        known = next((place for place in by_hand if place is not None), None)
        return known or filling_line(self._place) or self._place
