"""Whether a patch helped: the same program before and after it, over the same first steps."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["helped", "no difference", "slower", "worse", "not comparable"]
"""`slower`: a mistake that was certain is gone, and the loss falls, though not as fast in so few steps: gradients that
are never zeroed, say, make longer and longer steps, which look good until they throw everything away."""

LAST = 0.1
"""The end of a run: this share of its steps, and at least so many."""
FEWEST = 5
SPREAD = 2.0
"""Two means that differ by less than this many standard errors differ by what batches differ anyway."""
LEAST = 0.02
"""And a difference of less than this share of the loss is none that anybody edits a program for."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A program, run for its first steps: the loss of each, the kinds that were found, how it ended."""

    losses: tuple[float, ...]
    kinds: frozenset[str]
    failed: str = ""  # what it raised, "" where it did not


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a patch did. `gone` is None where the finding takes more steps than were made to become certain.

    `before` and `after` are mean losses at the end of the trials, `after` in the units of `before`; None where there
    are none to compare.
    """

    outcome: Outcome
    gone: bool | None
    before: float | None
    after: float | None
    steps: int

    @property
    def fixed(self) -> bool:
        """Whether the finding is gone, and the loss no worse; or lower, where the finding could not be asked."""
        return self.outcome != "worse" and (self.gone is True or (self.gone is None and self.outcome == "helped"))


def judge(before: Trial, after: Trial, kind: str, loss_factor: float | None, *, certain: bool = False) -> Verdict:
    """Return what became of the loss, and of the finding of this kind, between two trials.

    A program that makes no step has no losses of steps: then the first ones after the patch stand for it. The losses
    after the patch are divided by `loss_factor`; where that is None they are not compared. `certain` says that the
    finding was no matter of likelihood.
    """
    gone = kind not in after.kinds if kind in before.kinds else None if kind not in after.kinds else False
    steps = min(len(before.losses) or len(after.losses), len(after.losses))
    size = max(FEWEST, round(LAST * steps))
    old = before.losses[:steps][-size:] or after.losses[:size]
    new = after.losses[:steps][-size:]
    if loss_factor is None or len(new) < 2 or len(old) < 2:
        outcome = "worse" if after.failed else "not comparable"
        return Verdict(outcome=outcome, gone=gone, before=None, after=None, steps=steps)
    if before.losses:
        new = tuple(loss / loss_factor for loss in new)
    outcome = "worse" if after.failed else _compared(old, new)
    if outcome == "worse" and certain and gone and not after.failed and _falls(after.losses[:steps], size):
        outcome = "slower"
    return Verdict(outcome=outcome, gone=gone, before=_mean(old), after=_mean(new), steps=steps)


def _falls(losses: Sequence[float], size: int) -> bool:
    """Say whether a run learns: its last losses are lower than its first."""
    return len(losses) >= 2 * size and _compared(losses[:size], losses[-size:]) == "helped"


def _compared(old: Sequence[float], new: Sequence[float]) -> Outcome:
    finite = [all(math.isfinite(loss) for loss in losses) for losses in (old, new)]
    if not all(finite):
        return "helped" if finite[1] else "worse" if finite[0] else "no difference"
    if min(*old, *new) > 0:  # what is thrown about differs by factors; their logarithms tell it from a few peaks
        old, new = [math.log(loss) for loss in old], [math.log(loss) for loss in new]
        least = LEAST
    else:
        least = LEAST * abs(_mean(old))
    error = math.sqrt((statistics.variance(old) + statistics.variance(new)) / len(new))
    margin = max(SPREAD * error, least)
    change = _mean(new) - _mean(old)
    return "helped" if change < -margin else "worse" if change > margin else "no difference"


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses)
