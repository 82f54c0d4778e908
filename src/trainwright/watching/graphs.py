"""Graphs: losses that keep theirs alive, and which leaves a backward pass reaches."""

from __future__ import annotations

import bisect
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.autograd import _get_sequence_nr as sequence_number

from trainwright.vitals.output_graph import behind_views, name_of
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings
from trainwright.watching.written import keeping_line, losing_line

_EVERY = 5  # steps between the losses that are marked
_HELD = 6  # marked losses in a row that are all alive make a leak
_AGAIN = 3  # backward passes before, whose graphs are walked again: two losses on one trunk, or a game, have one
_LOOKS = 48  # graphs that were told to stay, and are looked at
_BOUNDS = 24  # backward passes whose graphs are told from one another
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
        self._bounds: deque[int] = deque(maxlen=_BOUNDS)  # where in autograd's count backward passes began
        self._looks = 0
        self._lost: tuple[Place | None, Place | None] | None = None  # the same, and the one that cuts
        self._kept: tuple[Place | None, Place | None] | None = None  # a line of backward, and the one that keeps

    def backward_begins(self, loss: torch.Tensor, place: Place | None, step: int) -> None:
        """Mark this loss, and look after the ones that were marked before."""
        if step < self._marked + _EVERY or loss.grad_fn is None:
            return
        self._marked = step
        self._marks = [(at, mark) for at, mark in self._marks if mark() is not None]
        if len(self._marks) >= _HELD and step - self._marks[0][0] >= _HELD * _EVERY:
            held = step - self._marks[0][0]
            if self._kept is None or self._kept[0] != place:
                self._kept = place, keeping_line(place) or place
            self._sightings.note("graph-kept", self._kept[1], {"steps": held}, count=len(self._marks))
        mark = Mark()
        notes: Any = loss.grad_fn.metadata  # typed as a method, though it is a dictionary
        notes["trainwright"] = mark  # held by the node alone, and let go with it
        self._marks.append((step, weakref.ref(mark)))
        del self._marks[: -4 * _HELD]

    def reach(self, loss: torch.Tensor, known: Iterable[torch.Tensor], place: Place | None) -> None:
        """See whether a backward pass from `loss` reaches any of the weights that are `known` to be trained."""
        weights = {id(weight) for weight in known if weight.requires_grad}
        if weights and not any(id(leaf) in weights for leaf in leaves(loss)):
            self.nothing(loss, place)

    def nothing(self, loss: Any, place: Place | None) -> None:
        """No path leads from `loss` to a weight: say the line that cut it, where the source around `place` tells."""
        if self._lost is None or self._lost[0] != place:
            self._lost = place, losing_line(place) or place
        self._sightings.note("loss-without-graph", self._lost[1], {"operation": self.maker(loss)})

    def retained(self, loss: torch.Tensor, place: Place | None) -> None:
        """A backward pass keeps its graph: see whether it goes through the graphs of several that came before."""
        self._looks += 1
        if self._looks <= _LOOKS and len(self._bounds) > _AGAIN:
            again = self._earlier(loss)
            if again >= _AGAIN:
                self._sightings.note("graph-walked-again", place, {"passes": again, "refused": False})

    def refused(self, loss: torch.Tensor, place: Place | None, *, overwritten: bool = False) -> None:
        """Torch would not go through a graph a second time: see how much of it is older than the last pass.

        Nor would it through a graph whose weights a step has `overwritten` since; other tensors may be, too.
        """
        before, now = ([0, *self._bounds])[-2:]
        fresh = any(before <= _made(node) < now for node in nodes(loss))
        facts = {"passes": self._earlier(loss), "refused": True, "fresh": fresh}
        if overwritten and not (fresh and facts["passes"]):
            return
        self._sightings.note("graph-walked-again", place, facts)

    def bound(self) -> None:
        """A backward pass begins: what is made from now on belongs to the next."""
        self._bounds.append(sequence_number())

    def _earlier(self, loss: torch.Tensor) -> int:
        """Return how many backward passes before the one that has begun had nodes of this graph in theirs."""
        older = list(self._bounds)[:-1]
        parts = {bisect.bisect_left(older, _made(node)) for node in nodes(loss)}
        return len(parts - {len(older)})

    def maker(self, tensor: Any) -> str:
        """Return the operation that made a tensor, "" where the graph does not say."""
        return name_of(behind_views(getattr(tensor, "grad_fn", None)))


def frames_compiled() -> int:
    """Return how many pieces of the program `torch.compile` has compiled so far."""
    compiler = sys.modules.get("torch._dynamo.utils")  # there once something has been compiled
    return 0 if compiler is None else compiler.counters["frames"].get("total", 0)


def _made(node: Any) -> int:
    """Return when a node was made, by autograd's own count; those that add to leaves count as the newest."""
    return node._sequence_nr()


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
