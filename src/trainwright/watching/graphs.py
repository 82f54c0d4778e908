"""Graphs: losses that keep theirs alive, and which leaves a backward pass reaches."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch

from trainwright.vitals.output_graph import behind_views, name_of
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_EVERY = 5  # steps between the losses that are marked
_HELD = 6  # marked losses in a row that are all alive make a leak
_NODES = 20_000


class _Mark:
    """Lies in a graph's node, and dies with it."""

    __slots__ = ("__weakref__",)


class GraphBooks:
    """Marks the graph of a loss now and then, and sees later whether it is still there."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._marks: list[tuple[int, weakref.ref[_Mark]]] = []
        self._marked = -_EVERY

    def backward_begins(self, loss: torch.Tensor, place: Place | None, step: int) -> None:
        """Mark this loss, and look after the ones that were marked before."""
        if loss.grad_fn is None or step < self._marked + _EVERY:
            return
        self._marked = step
        self._marks = [(at, mark) for at, mark in self._marks if mark() is not None]
        if len(self._marks) >= _HELD and step - self._marks[0][0] >= _HELD * _EVERY:
            held = step - self._marks[0][0]
            self._sightings.note("graph-kept", place, {"steps": held}, count=len(self._marks))
        mark = _Mark()
        notes: Any = loss.grad_fn.metadata  # typed as a method, though it is a dictionary
        notes["trainwright"] = mark  # held by the node alone, and let go with it
        self._marks.append((step, weakref.ref(mark)))
        del self._marks[: -4 * _HELD]

    def maker(self, tensor: Any) -> str:
        """Return the operation that made a tensor, "" where the graph does not say."""
        return name_of(behind_views(getattr(tensor, "grad_fn", None)))


def leaves(loss: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the tensors whose gradients a backward pass from `loss` will add to; at most so many nodes are visited."""
    queue: list[Any] = [loss.grad_fn]
    seen: set[Any] = set()
    while queue and len(seen) < _NODES:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            yield leaf
        queue += [earlier for earlier, _ in node.next_functions]
