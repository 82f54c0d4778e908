"""Whether a run is well, by its training losses and gradient norms alone: what a repair goes by.

Nothing that an evaluation or the doctor measures comes in here, so that how often they look does not change a run.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from trainwright.doctor.rate import DIVERGED_FACTOR, FEWEST_STEPS, LOST, NO_PROGRESS
from trainwright.doctor.series import finite, level
from trainwright.records import StepRecord

WINDOW = 20
"""Steps whose median loss says where a run stands: single leaps do not move it."""
FAR_GONE = 100.0
"""A median loss this many times the start's is not waited for: only a milder one may yet come down by itself."""
JUMPED = 10.0
"""A gradient norm this many times the healthy median is what tore the weights away, and clipping would have held."""
CLIP_MULTIPLE = 3.0
"""Clipping at so many times the healthy median leaves alone what a healthy step does."""
TRIAL = 0.05
"""Share of the run, but `EARLY` steps at least, after which a repair must have brought something."""
EARLY = FEWEST_STEPS // 2
"""Before so many steps a run that will recover cannot be told from one that will not, as the doctor has it."""


class Health:
    """The state of a run of `planned` steps, in the scale of its own start and of the best constant guess's loss.

    `since` is the first step after the run last went back to earlier weights.
    """

    def __init__(self, planned: int, constant_loss: float | None) -> None:
        self.constant_loss = constant_loss
        self.trial = max(EARLY, int(TRIAL * planned))
        self.since = 0
        self.reference = math.nan  # the loss at the start, or of a constant guess where that is higher
        self.norm = math.nan  # median gradient norm of the steps last found healthy
        self._lowest = math.inf  # level of the loss in healthy stretches

    def see(self, record: StepRecord) -> None:
        """Take the scale of losses and gradients from the first step that shows one."""
        if math.isnan(self.reference) and math.isfinite(record.loss):
            known = self.constant_loss is not None and math.isfinite(self.constant_loss)
            self.reference = max(record.loss, self.constant_loss) if known else record.loss  # type: ignore[type-var]
        if math.isnan(self.norm):
            self.norm = _median_norm([record])

    def well(self, recent: Sequence[StepRecord]) -> bool:
        """Say whether the losses of `recent` are no worse than at the start, and not far above the lowest so far."""
        now = level(recent)
        if not now <= min(self.reference, self._lowest + (LOST - 1) * abs(self._lowest)):  # never so for a NaN
            return False
        self._lowest = min(self._lowest, now)
        return True

    def confirm(self, recent: Sequence[StepRecord]) -> None:
        """Take the gradients of steps that turned out healthy for the measure of what a healthy one is."""
        norm = _median_norm(recent)
        self.norm = self.norm if math.isnan(norm) else norm

    def on_trial(self, step: int) -> bool:
        """Say whether `step` lies so shortly behind a going back that nobody knows yet what that was worth."""
        return 0 < self.since <= step < self.since + self.trial

    def grown(self, steps: Sequence[StepRecord]) -> str | None:
        """Return in words that the loss has grown beyond what the doctor calls diverged, None where it has not."""
        seen = len(steps) - self.since
        if seen < WINDOW or not self.reference > 0:
            return None
        most = (FAR_GONE if seen < EARLY else DIVERGED_FACTOR) * self.reference
        if not steps[-1].loss > most:  # if the median stays above it, a single loss soon is as well: this is cheaper
            return None
        now = level(steps[-WINDOW:])
        return f"the loss had grown to {now:.4g}, above {most:.4g}" if now > most else None

    def no_better(self, steps: Sequence[StepRecord]) -> str | None:
        """Return in words that going back has brought nothing, None where it has; asked at the end of its trial.

        A run that was torn away may no longer grow at a tenth of its rate, and yet hover at a constant guess.
        """
        if self.since == 0 or len(steps) - self.since != self.trial or not self.reference > 0:
            return None
        now = level(steps[-WINDOW:])
        if now < NO_PROGRESS * self.reference:
            return None
        return f"{self.trial} steps after a repair the loss was {now:.4g}, little better than {self.reference:.4g}"

    def limit(self, steps: Sequence[StepRecord], known: float | None) -> float | None:
        """Return the norm to clip at; None where no gradient of `steps` jumped, or `known` limits it as closely."""
        norms = [record.gradient_norm for record in steps if record.gradient_norm is not None]
        if not self.norm > 0 or all(norm <= JUMPED * self.norm for norm in norms):
            return None
        limit = float(f"{CLIP_MULTIPLE * self.norm:.2g}")
        return limit if known is None or limit < known else None


def _median_norm(records: Sequence[StepRecord]) -> float:
    norms = finite([record.gradient_norm for record in records if record.gradient_norm is not None])
    return statistics.median(norms) if norms else math.nan
