"""Which members can be rows of one array: those of one architecture, one class of optimizer and one class of loss."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from trainwright.stacked.layout import structure
from trainwright.stacked.member import Member


def buckets(members: Sequence[Member]) -> list[tuple[int, ...]]:
    """Return the places in `members` of each group that can be one array, in the order of their first members.

    Members of one bucket may differ in every number that enters as a tensor: rates, decay, momentum, clipping, the rate
    of a dropout, what is in the loss. They differ from those of another bucket in width, depth, a module's mode or
    attributes, which parameters are trained in which group, the class of the optimizer or that of the loss.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, member in enumerate(members):
        kind = member.loss if hasattr(member.loss, "__qualname__") else type(member.loss)
        groups.setdefault((structure(member), kind), []).append(place)
    return [tuple(places) for places in groups.values()]
