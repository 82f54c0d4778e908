"""What the learning-rate finder found: a rate with its interval, or none with the reason, and the curve behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from trainwright.records.jsonable import to_plain

Method = Literal["array", "sweep"]


@dataclass(frozen=True, kw_only=True)
class RatePoint:
    """What one rate came to: the loss in the mean over the repeats, and the loss of each.

    Infinite where the training diverged. A repeat that did not try the rate has None.
    """

    rate: float
    loss: float
    losses: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LearningRate:
    """The answer of the finder. `suggestion` is None where there is no answer, and `reason` then says why.

    `interval` is where the repeats have their best rates. The rate is that of a group with multiple 1; every other
    group keeps its multiple. `curve` holds the rates that were tried, rising. `loss_at_start` is the loss of the
    untrained model on what the rates were judged by (`judged_by`). Each rate was trained for `steps` updates; where
    the run is planned for more (`planned_steps`), the suggestion lies below `tried_best`, the best of those trials.
    """

    suggestion: float | None
    interval: tuple[float, float] | None
    curve: tuple[RatePoint, ...]
    reason: str
    method: Method
    optimizer: str
    judged_by: str
    loss_at_start: float
    steps: int
    planned_steps: int
    repeats: int
    tried_best: float | None = None
    seed: int = 0
    lane: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.suggestion is not None

    @property
    def best(self) -> RatePoint | None:
        """The rate with the lowest loss of those that were tried, None where every one diverged."""
        finite = [point for point in self.curve if point.loss < float("inf")]
        return min(finite, key=lambda point: point.loss) if finite else None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values that every JSON parser reads back."""
        return to_plain({"schema": 1, "findings": [], "ok": self.ok, **vars(self)}, strict=True)
