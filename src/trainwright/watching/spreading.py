"""Differences over all pairs of samples in a loss that is written by hand: a column of outputs minus a row of targets.

The graph tells: one side of a difference is learnt, `(N, 1)` or `(N,)`, and the difference is `(N, N)`. Where both
sides are learnt, or somebody has written the broadcast out (`unsqueeze`, `[:, None]`), all pairs are meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from trainwright.records.findings import Scalar
from trainwright.vitals.output_graph import name_of
from trainwright.watching.graphs import nodes
from trainwright.watching.places import making_line
from trainwright.watching.sightings import Sightings

_FEWEST = 2  # samples
_MEANT = ("Unsqueeze", "Expand", "Repeat")


def note_spread(sightings: Sightings, loss: torch.Tensor) -> None:
    """Note the first difference in the graph of `loss` that holds every output beside every target."""
    for node in nodes(loss):
        shapes = _spread(node)
        if shapes is not None:
            output, difference = shapes
            facts: Mapping[str, Scalar] = {"output": str(output), "difference": str(difference)}
            sightings.note("difference-of-all-pairs", making_line(node), facts)
            return


def _spread(node: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the shape of the learnt side and that of the difference, None where all is as it should be."""
    if node is None or name_of(node) not in ("Sub", "Rsub"):
        return None
    whole = _shape(node, 0)
    sides = [(earlier, place) for earlier, place in node.next_functions if earlier is not None]
    if len(sides) != 1 or len(whole) != 2 or whole[0] != whole[1] or whole[0] < _FEWEST:
        return None
    earlier, place = sides[0]
    part = _shape(earlier, place)
    if name_of(earlier) in _MEANT or part not in ((whole[0], 1), (whole[0],)):
        return None
    return part, whole


def _shape(node: Any, place: int) -> tuple[int, ...]:
    """Return the shape of what a node gave; () where autograd does not tell."""
    known = getattr(node, "_input_metadata", ())  # of the backward pass, whose inputs are like the outputs
    return tuple(known[place].shape) if place < len(known) else ()
