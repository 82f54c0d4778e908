"""What the first steps of a loop, and later the sampled ones, show of its model: each fact has a book of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.vitals.output_graph import before, name_of
from trainwright.watching import knowing
from trainwright.watching.equality import EqualityBooks
from trainwright.watching.graphs import nodes
from trainwright.watching.mixing import MixingBooks
from trainwright.watching.models import Pass
from trainwright.watching.penalties import PenaltyBooks
from trainwright.watching.places import Place
from trainwright.watching.predictions import PredictionBooks
from trainwright.watching.structure import StructureBooks
from trainwright.watching.variation import VariationBooks

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_ASKED = 4  # losses before the first step of which it is asked whether the outputs know the labels


class StartBooks:
    """Passes on what is told of steps that are looked at closely."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.attention = False  # was computed in a training step
        self.place: Place | None = None  # of the last call of a model before the first backward pass
        self.last: nn.Module | None = None  # the layer that ran last
        self._equality = EqualityBooks(tape)
        self._asked = 0
        self._structure = StructureBooks(tape)
        self._variation = VariationBooks(tape)
        self._predictions = PredictionBooks(tape)
        self.mixing = MixingBooks(tape)
        self._penalties = PenaltyBooks(tape)

    def passed(self, seen: Pass) -> None:
        """A model was called to learn from."""
        if not seen.calls:
            return
        if self._tape.sightings.step == 0:
            self.place = seen.place
            self.last = next((call.module for call in reversed(seen.calls) if call.leaf and _owns(call.module)), None)
        self._structure.passed(seen)
        self._variation.passed(seen)
        self.mixing.passed(seen)

    def predicted(self, function: str, result: Any, arguments: Any, named: dict[str, Any]) -> None:
        """A loss was computed to learn from."""
        if function == "cross_entropy" and self._tape.sightings.step == 0 and self._asked < _ASKED:
            self._asked += 1
            knowing.look(self._tape, arguments, named)
        self._predictions.predicted(function, arguments, named)
        self._penalties.computed(result)

    def backward_begins(self, loss: torch.Tensor, place: Place | None) -> None:
        """A loss is about to be learnt from: its graph is there."""
        roots = self._tape.models.roots()
        if self._tape.sightings.step == 0:
            self.attention = self.attention or any(_attends(node) for node in nodes(loss))
        self._equality.backward_begins(roots, place)
        self._structure.backward_begins(loss, roots)
        self._variation.backward_begins()
        self.mixing.backward_begins(loss)
        self._penalties.backward_begins(loss, roots)
        self._tape.steps.layers.backward_begins(loss)

    def backward_ends(self) -> None:
        """The gradients are there."""
        self._equality.backward_ends()
        self._structure.backward_ends()

    def step_over(self) -> None:
        """One of the first steps is over."""
        self._equality.step_over()

    def forget(self) -> None:
        """The step is over: let go of what it held."""
        self.mixing.forget()
        self._penalties.forget()

    def initialised(self) -> Place | None:
        """Return the line on which the user initialised weights of the layer that ran last, after it was made."""
        return None if self.last is None else self._tape.origins.by_hand(self.last)


def _attends(node: Any) -> bool:
    """Say whether a node is torch's attention, or a product with what a softmax gave, dropout aside."""
    name = name_of(node)
    if name != "Bmm":
        return name.startswith("ScaledDotProduct")
    given = before(node)
    return name_of(given) == "Softmax" or (name_of(given) == "Mul" and name_of(before(given)) == "Softmax")


def _owns(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None
