"""What a trial becomes when it is to be trained: a row of an array, or a training of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainwright.data.feed import Feed
from trainwright.records.study import Trial
from trainwright.stacked.member import Member
from trainwright.training.loop import Training


@dataclass(frozen=True, kw_only=True)
class RowEntrant:
    """A trial that can be a row. Trials with the same `feed` (the same object) see the same batches.

    `planned_steps` is what a whole run takes at this batch size; `clip_norm`, schedule and all else are the member's.
    """

    member: Member
    feed: Feed
    planned_steps: int


@dataclass(frozen=True, kw_only=True)
class LoneEntrant:
    """A trial whose step does what no row can (half precision, averaging, a penalty), and why it trains alone."""

    training: Training
    reason: str

    @property
    def planned_steps(self) -> int:
        """The steps of a whole run."""
        return self.training.planned_steps


Entrant = RowEntrant | LoneEntrant
Enter = Callable[[Trial], Entrant]
"""Builds a trial from its values and its seed, the same whenever it is called."""
