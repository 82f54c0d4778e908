"""A softmax inside of a model over the one score that a layer gives: every weight that comes of it is 1. Exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from trainwright.vitals.output_graph import SAME_NUMBERS, before, name_of, normalised
from trainwright.watching.graphs import nodes
from trainwright.watching.places import making_line
from trainwright.watching.sightings import Sightings

_PRODUCTS = ("Addmm", "Mm", "Linear", "Mv")
_BETWEEN = ("Div", "Mul", "MaskedFill", "Tanh", "LeakyRelu", "Relu")  # a temperature, a mask, an activation
_STEPS = 4  # of them, that are looked through


def look(sightings: Sightings, loss: torch.Tensor) -> None:
    """Look through the graph of a loss; several scores of a sample must lie along another dimension."""
    sightings.chance("softmax-over-one-score")
    for node in nodes(loss):
        dimension, shape = normalised(node)
        if dimension is None or shape[dimension] != 1 or not _of_one_unit(before(node)):
            continue
        others = {place: size for place, size in enumerate(shape) if 0 < place != dimension and size > 1}
        if not others:
            continue  # there is no other that it could have been meant for
        longer, size = max(others.items(), key=lambda entry: entry[1])
        facts = {"shape": str(shape), "longer": longer, "size": size}
        sightings.note("softmax-over-one-score", making_line(node), facts)
        return


def _of_one_unit(node: Any) -> bool:
    """Say whether numbers are those of a layer of one unit, behind what leaves each of them a number of its own."""
    for _ in range(_STEPS):
        if name_of(node) in _PRODUCTS:
            return any(weight.dim() == 2 and weight.shape[0] == 1 for weight in _weights(node))
        if name_of(node) not in _BETWEEN:
            return False
        node = before(node)
    return False


def _weights(node: Any) -> Iterator[torch.Tensor]:
    for earlier, _ in node.next_functions:
        while earlier is not None and SAME_NUMBERS.match(earlier.name()):
            earlier = earlier.next_functions[0][0]
        leaf = getattr(earlier, "variable", None)
        if isinstance(leaf, torch.Tensor):
            yield leaf
