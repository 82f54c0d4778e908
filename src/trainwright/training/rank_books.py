"""What the steps of several ranks have shown of them, step by step, and the events that the doctor reads it from."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainwright.errors import RunError, SaidElsewhere
from trainwright.records import Event
from trainwright.training.distributed import Ranks

WARM_UP, WINDOW = 5, 50
"""Steps before times count, and how many are summed up at a time."""
BATCHES_ALIKE = 5
"""Batches of which two ranks got the same share before it is no accident."""


class RankBooks:
    """Keeps what every rank has told in each step. All ranks hear the same, and come to the same events."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self._seconds: list[Sequence[float]] = []
        self._alike = 0
        self._prints: set[tuple[float, ...]] = set()
        self._told: set[str] = set()

    def events(self, step: int, notes: Mapping[str, Any]) -> Iterator[Event]:
        """Take in what step `step` has shown; yield what is new.

        Raises `RunError` where the ranks read different batches: they would train on parts of each.
        """
        if not notes:
            return
        if "batches" in notes:
            odd = _unlike_first(notes["batches"])
            if odd:
                self._refuse(odd, step)
            yield from self._replicas(step, notes)
            yield from self._shares(step, notes)
        if step >= WARM_UP:
            self._seconds.append(notes["seconds"])
        if len(self._seconds) == WINDOW:
            yield Event(step=step, name="ranks-times", detail=times(self._seconds))
            self._seconds = []

    def _refuse(self, odd: Sequence[int], step: int) -> None:
        if not self.ranks.leads:
            raise SaidElsewhere("rank 0 says what differs")
        raise RunError(
            "the ranks read different batches, and each would train on its own part of another one",
            evidence=f"the batch of step {step} on rank {', '.join(map(str, odd))} is not that of rank 0",
            remedy="give all ranks the same loader with the same seed, and no DistributedSampler: the batches are "
            "divided here",
        )

    def _replicas(self, step: int, notes: Mapping[str, Any]) -> Iterator[Event]:
        odd = _unlike_first(notes["weights"])
        if odd and "weights" not in self._told:
            self._told.add("weights")
            yield Event(step=step, name="ranks-differ", detail={"ranks": odd, "world": self.ranks.world})

    def _shares(self, step: int, notes: Mapping[str, Any]) -> Iterator[Event]:
        shares = [tuple(each) for each, rows in zip(notes["shares"], notes["rows"], strict=True) if rows]
        alike = len(shares) > 1 and len(set(shares)) == 1
        self._alike = self._alike + 1 if alike and shares[0] not in self._prints else 0
        self._prints.update(shares[:1])
        if self._alike == BATCHES_ALIKE:
            detail = {"ranks": list(range(len(shares))), "batches": BATCHES_ALIKE, "world": self.ranks.world}
            yield Event(step=step, name="ranks-alike", detail=detail)


def times(seconds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return each rank's median of its own seconds in a step, and how often the slowest of them was the last."""
    medians = [statistics.median(each) for each in zip(*seconds, strict=True)]
    slowest = max(range(len(medians)), key=medians.__getitem__)
    last = sum(max(each) == each[slowest] for each in seconds) / len(seconds)
    return {"seconds": medians, "slowest": slowest, "share": last, "steps": len(seconds)}


def _unlike_first(prints: Sequence[Sequence[float]]) -> list[int]:
    return [rank for rank, each in enumerate(prints) if list(each) != list(prints[0])]
