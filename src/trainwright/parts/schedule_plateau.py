"""Lowering the rate once a score is flat: the one schedule that looks at the run, as a value that can be saved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

Direction = Literal["min", "max"]


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """What a plateau schedule knows: its settings, the best score so far, and the multiple of the rate at present.

    It counts evaluations, not epochs and not steps. After `patience` evaluations in a row that did not better the best
    score by more than `threshold` times its size, the rate is multiplied by `factor`, never below the multiple `floor`,
    and the next `cooldown` evaluations do not count against it. `to_plain` and `from_plain` keep it whole: there is no
    state elsewhere. Source: G2, chapter 4; G4; torch's `ReduceLROnPlateau` in its relative mode, whose patience of n is
    n + 1 here.
    """

    factor: float
    patience: int
    threshold: float
    cooldown: int
    floor: float
    multiple: float = 1.0
    best: float | None = None
    evaluations_since: int = 0
    cooling: int = 0  # evaluations that are still left of the cooldown

    def improves(self, score: float, direction: Direction = "min") -> bool:
        """Say whether `score` betters the best so far by more than the threshold. NaN and infinities never do."""
        if not math.isfinite(score):
            return False
        if self.best is None:
            return True
        # The size of the best, not the best itself: a negative loss must fall further, not merely not rise by much.
        least = self.threshold * abs(self.best)
        return score < self.best - least if direction == "min" else score > self.best + least

    def update(self, score: float, direction: Direction = "min") -> Plateau:
        """Return the state after one evaluation; call it once for each, with the score that was just measured.

        `direction` says which way is better: "min" for a loss, "max" for an accuracy.
        """
        improved = self.improves(score, direction)
        flat = 0 if improved or self.cooling else self.evaluations_since + 1
        lower = flat >= self.patience
        return replace(
            self,
            best=score if improved else self.best,
            evaluations_since=0 if lower else flat,
            cooling=self.cooldown if lower else max(self.cooling - 1, 0),
            multiple=max(self.multiple * self.factor, self.floor) if lower else self.multiple,
        )
