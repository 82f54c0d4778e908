"""Graphs: losses that keep theirs alive, and which leaves a backward pass reaches."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from trainwright.vitals.output_graph import behind_views, name_of
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_EVERY = 5  # steps between the losses that are marked
_HELD = 6  # marked losses in a row that are all alive make a leak
_GROWING = 8  # graphs in a row, each larger than the last by as much
_NODES = 20_000


class Mark:
    """Lies in a graph's node, and dies with it."""

    __slots__ = ("__weakref__",)


class GraphBooks:
    """Marks the graph of a loss now and then, and sees later whether it is still there."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._marks: list[tuple[int, weakref.ref[Mark]]] = []
        self._marked = -_EVERY
        self._sizes: list[int] = []  # of the graphs of the first losses that were told to keep theirs

    def backward_begins(self, loss: torch.Tensor, place: Place | None, step: int) -> None:
        """Mark this loss, and look after the ones that were marked before."""
        if step < self._marked + _EVERY or loss.grad_fn is None:
            return
        self._marked = step
        self._marks = [(at, mark) for at, mark in self._marks if mark() is not None]
        if len(self._marks) >= _HELD and step - self._marks[0][0] >= _HELD * _EVERY:
            held = step - self._marks[0][0]
            self._sightings.note("graph-kept", place, {"steps": held}, count=len(self._marks))
        mark = Mark()
        notes: Any = loss.grad_fn.metadata  # typed as a method, though it is a dictionary
        notes["trainwright"] = mark  # held by the node alone, and let go with it
        self._marks.append((step, weakref.ref(mark)))
        del self._marks[: -4 * _HELD]

    def reach(self, loss: torch.Tensor, known: Iterable[torch.Tensor], place: Place | None) -> None:
        """See whether a backward pass from `loss` reaches any of the weights that are `known` to be trained."""
        weights = {id(weight) for weight in known if weight.requires_grad}
        if weights and not any(id(leaf) in weights for leaf in leaves(loss)):
            self._sightings.note("loss-without-graph", place, {"operation": self.maker(loss)})

    def retained(self, loss: torch.Tensor, place: Place | None) -> None:
        """A backward pass keeps its graph: see whether each one goes through all that came before."""
        if len(self._sizes) < _GROWING:
            self._sizes.append(sum(1 for _ in nodes(loss)))
            steps = [later - earlier for earlier, later in itertools.pairwise(self._sizes)]
            if len(self._sizes) == _GROWING and min(steps) > 0 and min(steps) >= max(steps) // 2:
                self._sightings.note("graph-kept", place, {"steps": _GROWING}, count=_HELD)

    def maker(self, tensor: Any) -> str:
        """Return the operation that made a tensor, "" where the graph does not say."""
        return name_of(behind_views(getattr(tensor, "grad_fn", None)))


def frames_compiled() -> int:
    """Return how many pieces of the program `torch.compile` has compiled so far."""
    compiler = sys.modules.get("torch._dynamo.utils")  # there once something has been compiled
    return 0 if compiler is None else compiler.counters["frames"].get("total", 0)


def leaves(loss: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the tensors whose gradients a backward pass from `loss` will add to; at most so many nodes are visited."""
    if loss.grad_fn is None and loss.requires_grad:
        yield loss
    for node in nodes(loss):
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            yield leaf


def nodes(loss: torch.Tensor) -> Iterator[Any]:
    """Yield the nodes of the graph behind `loss`, at most so many."""
    queue: list[Any] = [loss.grad_fn]
    seen: set[Any] = set()
    while queue and len(seen) < _NODES:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        queue += [earlier for earlier, _ in node.next_functions]
