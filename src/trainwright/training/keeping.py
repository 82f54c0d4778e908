"""Where a run's state is kept, when it is worth writing, and what is said of a disk that does not take it."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.errors import RunError
from trainwright.training.distributed import ALONE, Ranks

if TYPE_CHECKING:
    from trainwright.training.course import Course

MOST_COST = 0.02
"""Share of a run's time that checkpoints may take where nobody says how often: they wait until the last is paid for."""
MOST_SECONDS = 600.0
"""So much work is not to be lost, however rarely a run is evaluated."""
FIRST_COST = 0.02
"""Seconds that writing is taken to need at least, before the first has shown it: some flushes of a slow disk ..."""
BYTES_A_SECOND = 200e6
"""... and the speed at which it takes what is written."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How the state of one run is kept in `folder`. With `every_steps` 0 the cost decides, and the evaluations.

    `facts` go into each manifest: the settings, the data and the conditions that the state belongs to.
    """

    folder: Path
    every_steps: int = 0
    keep_last: int = 2
    facts: Mapping[str, Any] = field(default_factory=dict)

    def refused(self, what: str, problem: OSError) -> RunError:
        """Return the error of a disk that does not take what is to be kept, with what to do about that."""
        first = "make room" if problem.errno in _FULL else "see to that folder"
        return RunError(
            what,
            evidence=f"{self.folder}: {problem.strerror or problem}",
            remedy=f"{first}, then: trainwright resume {self.folder.parent}",
        )


class Due:
    """The clock of a run's checkpoints. Of several `ranks` that of the first one counts, after evaluations alone."""

    def __init__(self, every_steps: int, ranks: Ranks = ALONE) -> None:
        self.every_steps = every_steps
        self.ranks = ranks
        self.cost: float | None = None  # seconds that the last one took
        self._last = time.monotonic()
        self._evaluated = 0

    def taken(self) -> None:
        """Let the time begin anew: a state has been taken."""
        self._last = time.monotonic()

    def after(self, course: Course) -> bool:
        """Say whether the state is due after the step that was just made and looked at."""
        if self.every_steps:
            return course.training.place.step % self.every_steps == 0 and course.training.diverged is None
        evals = course.training.history.evals
        evaluated = evals[-1].step if evals else 0
        new, self._evaluated = evaluated != self._evaluated, evaluated
        waited = time.monotonic() - self._last
        if not new and (self.ranks.many or waited < MOST_SECONDS):  # many would have to agree on the time in every step
            return False
        cost = self.cost if self.cost is not None else FIRST_COST + _bytes_of(course) / BYTES_A_SECOND
        paid = self.ranks.told("yes" if waited * MOST_COST >= cost else "")
        return bool(paid) and course.training.diverged is None


def _bytes_of(course: Course) -> int:
    """Return about what a checkpoint takes: weights, those of the best, and an optimizer's two moments."""
    return 4 * sum(value.nbytes for value in course.best_state.values())
