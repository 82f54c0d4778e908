"""Weights behind an operation whose derivative is zero wherever it has one: rounding, the sign, a floor. Exact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from trainwright.vitals.output_graph import name_of
from trainwright.watching.graphs import nodes
from trainwright.watching.places import making_line
from trainwright.watching.sightings import Sightings

_FLAT = ("Round", "Sign", "Floor", "Ceil", "Trunc")
_NAMED = 3  # names that are shown


class FlatBooks:
    """Follows which weights the first backward passes reach: what another loss teaches is not dead."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._alive: set[int] = set()  # weights that a loss has reached on another way
        self._dead: set[int] = set()

    def look(self, loss: torch.Tensor, roots: Iterable[nn.Module]) -> None:
        """Note the weights that every way from a loss reaches through such an operation alone: no gradient comes."""
        self._alive |= set(map(id, _leaves(loss.grad_fn, _FLAT)))
        if self._dead & self._alive:
            self._dead -= self._alive
            self._sightings.forget("parameters-behind-flat-operation")
        flat = [node for node in nodes(loss) if name_of(node) in _FLAT]
        if not flat:
            return
        dead = set(map(id, _leaves(loss.grad_fn, ()))) - self._alive
        named = {name: id(weight) for root in roots for name, weight in root.named_parameters() if id(weight) in dead}
        if named:
            self._dead |= set(named.values())
            facts = {"count": len(named), "names": ", ".join([*named][:_NAMED]), "operation": name_of(flat[-1]).lower()}
            self._sightings.note("parameters-behind-flat-operation", making_line(flat[-1]), facts)


def _leaves(start: Any, closed: tuple[str, ...]) -> list[torch.Tensor]:
    """Return the leaves that are reached from a node without passing through operations of these names."""
    queue, seen, found = [start], set(), []
    while queue:
        node = queue.pop()
        if node is None or node in seen or name_of(node) in closed:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            found.append(leaf)
        queue += [earlier for earlier, _ in node.next_functions]
    return found
