"""Graphs that nobody walks: passes with gradients on, one after the other, that no backward pass goes through.

Autograd says so itself. A hook on what a model gave is called where a backward pass (or `autograd.grad`) comes by, and
a mark in the same node dies with the graph: dead and never come by, the graph was built for nothing.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from trainwright.watching.graphs import Mark
from trainwright.watching.models import Models, Pass
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_OUTPUTS = 4  # of a pass, that are followed
_WAITING = 64  # graphs that are followed at a time
_ARMED, _FORWARDS = 12, 4  # times that passes are looked at since losses were not learnt from, and how many of them
_KEY = "trainwright pass"


@dataclass(eq=False, slots=True)
class _Graph:
    """What one pass built. `turn` counts the backward passes before it; `follows` that there was none since another."""

    root: int
    place: Place | None
    turn: int
    follows: bool = False
    walked: bool = False
    marks: list[weakref.ref[Mark]] = field(default_factory=list)

    def walk(self, gradients: Any) -> None:
        """A backward pass comes by."""
        self.walked = True

    @property
    def gone(self) -> bool:
        return all(mark() is None for mark in self.marks)


class UnwalkedBooks:
    """Follows the graphs of the passes that are seen while nothing was learnt from the one before."""

    def __init__(self, sightings: Sightings, models: Models) -> None:
        self._sightings = sightings
        self._models = models
        self._graphs: list[_Graph] = []
        self._armed = 0
        self._left = 0  # passes that are looked at for this alone
        self.turn = 0  # backward passes, and calls of autograd.grad

    @property
    def alone(self) -> bool:
        """Whether passes are seen for nobody else."""
        return self._left > 0 and not self._models.detailed

    def losses_wait(self) -> None:
        """A second loss was computed, and none was learnt from: passes that nobody learns from may follow."""
        if self._armed < _ARMED and not self._models.armed:
            self._armed += 1
            self._left = _FORWARDS
            self._models.arm()

    def passed(self, seen: Pass) -> None:
        """A module was called from outside of all modules."""
        self._settle()
        # The passes of steps that are looked at closely are learnt from; those in evaluation mode need not be.
        if seen.grad and (not seen.training or self.alone) and len(self._graphs) < _WAITING:
            self._follow(seen)
        if self.alone:
            self._left -= 1
            if self._left == 0:
                self._models.disarm()

    def finish(self) -> None:
        """Nothing more will come."""
        self._settle()

    def _follow(self, seen: Pass) -> None:
        outputs = [value for value in tree_leaves(seen.output) if isinstance(value, torch.Tensor)]
        nodes = [value.grad_fn for value in outputs[:_OUTPUTS] if value.grad_fn is not None]
        if not nodes:
            return
        graph = _Graph(id(seen.root), seen.place, self.turn)
        before = next((other for other in reversed(self._graphs) if other.root == graph.root), None)
        if before is not None and before.turn == self.turn:
            graph.follows = before.follows = True
        for node in nodes:
            mark = Mark()
            notes: Any = node.metadata
            notes[_KEY] = mark  # held by the node alone
            graph.marks.append(weakref.ref(mark))
            node.register_prehook(graph.walk)
        self._graphs.append(graph)

    def _settle(self) -> None:
        """Judge the graphs that are no longer there, but for the newest, which may yet prove to be alone."""
        kept = []
        for graph in self._graphs:
            # One pass alone is a look at shapes, or an output beside others that lie inside of the model.
            if graph.walked or (not graph.follows and graph.turn < self.turn):
                continue
            if graph.follows and graph.gone:
                if self.turn > 0:  # where nothing is ever learnt, that is the fault
                    self._sightings.note("gradients-tracked-in-evaluation", graph.place)
            else:
                kept.append(graph)
        self._graphs = kept
