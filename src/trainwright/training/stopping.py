"""What is kept and when to stop, as values: `best = best.update(...)`. Usable in anyone's loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best score so far. `direction` is explicit: "min" for a loss, "max" for an accuracy.

    `evaluations_since` counts evaluations, not epochs, since the score last improved. A NaN never becomes the best.
    """

    direction: Literal["min", "max"]
    score: float | None = None
    step: int | None = None
    evaluations_since: int = 0

    def improves(self, score: float) -> bool:
        """Say whether `score` is better than the best so far."""
        if math.isnan(score):
            return False
        if self.score is None:
            return True
        return score < self.score if self.direction == "min" else score > self.score

    def update(self, score: float, step: int) -> Best:
        """Return the state after an evaluation that gave `score` at `step`."""
        if self.improves(score):
            return replace(self, score=score, step=step, evaluations_since=0)
        return replace(self, evaluations_since=self.evaluations_since + 1)

    def exhausted(self, patience: int | None) -> bool:
        """Say whether `patience` evaluations in a row brought no improvement; None waits for ever."""
        return patience is not None and self.evaluations_since >= patience
