"""What a run has seen so far, as it grows, and the read-only chart of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trainwright.records import Chart, EvalRecord, Event, LayerStats, Outcome, RunInfo, StepRecord

Record = StepRecord | EvalRecord | LayerStats | Event


class Observer(Protocol):
    """What watches a run and changes nothing: a progress display, a run folder, a logger of the user's."""

    def observe(self, record: Record) -> None:
        """See one record, just made."""
        ...

    def finish(self, outcome: Outcome) -> None:
        """See how the run ended. Called once, whatever happened."""
        ...


class History:
    """The growing columns of one run: `steps`, `evals`, `layers`, `events`, in the order in which things happened.

    `before` is what a resumed run had seen already; observers are not told of that again.
    """

    def __init__(self, observers: Sequence[Observer] = (), before: Chart | None = None) -> None:
        self.steps: list[StepRecord] = list(before.steps) if before else []
        self.evals: list[EvalRecord] = list(before.evals) if before else []
        self.layers: list[LayerStats] = list(before.layers) if before else []
        self.events: list[Event] = list(before.events) if before else []
        self._observers = observers

    def append(self, record: Record) -> None:
        """Add one record to its column and show it to the observers."""
        if isinstance(record, StepRecord):
            self.steps.append(record)
        elif isinstance(record, EvalRecord):
            self.evals.append(record)
        elif isinstance(record, LayerStats):
            self.layers.append(record)
        else:
            self.events.append(record)
        for observer in self._observers:
            observer.observe(record)

    def chart(self, info: RunInfo) -> Chart:
        """Return a snapshot that later steps do not change."""
        return Chart(
            info=info,
            steps=tuple(self.steps),
            evals=tuple(self.evals),
            layers=tuple(self.layers),
            events=tuple(self.events),
        )
