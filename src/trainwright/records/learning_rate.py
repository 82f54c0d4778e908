"""What the learning-rate finder found: a rate with its interval, or none with the reason, and the curve behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from trainwright.records.jsonable import from_plain, to_plain

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
    """The answer of the finder, by losses of whole short trainings (and not by the slope of one, as Smith 2017 has it).

    `suggestion` is None where there is no answer, and `reason` then says why.

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

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> LearningRate:
        """Return what `to_json` has written. Raises `TypeError` or `KeyError` where it is something else."""
        read = from_plain(cls, _numbers(plain))
        low_high = read.interval
        return read if low_high is None else replace(read, interval=(float(low_high[0]), float(low_high[1])))

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


def _numbers(plain: Any) -> Any:
    """Return plain values with the numbers that JSON has only words for as numbers again."""
    if isinstance(plain, Mapping):
        return {name: _numbers(value) for name, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_numbers(value) for value in plain]
    return float(plain) if plain in ("NaN", "Infinity", "-Infinity") else plain
