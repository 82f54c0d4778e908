"""The final run of a search: its best configuration trained again under fresh seeds, beside the default's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trainwright.records.findings import Scalar

_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % quantiles of Student's t with 1 to 10 degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class FinalRun:
    """Scores are validation scores, lower is better; those "on test" come from a split that the search never saw.

    `fresh_scores[i]` and, where the default was trained beside it, `default_scores[i]` were made under `seeds[i]`: the
    same first weights, order of the samples and steps, so that they compare in pairs; so do the scores on test. They
    are scores of what a run keeps, its best checkpoint on validation, while `search_score` was made after the last step
    of a trial. A run that failed has the score NaN.

    `about` says what else they hold for: digests of the test data and of the default configuration. What is kept and
    returned is the best checkpoint of the run under `seeds[0]`, made after `kept_step` steps, with the validation loss
    `kept_loss`; None where that is not known.
    """

    values: Mapping[str, Scalar]
    seeds: tuple[int, ...]
    steps: int
    search_score: float
    fresh_scores: tuple[float, ...]
    default_scores: tuple[float, ...] = ()
    test_scores: tuple[float, ...] = ()
    default_test_scores: tuple[float, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    kept_step: int | None = None
    kept_loss: float | None = None

    def first(self, count: int) -> FinalRun:
        """Return what the first `count` seeds said alone."""
        return replace(
            self,
            seeds=self.seeds[:count],
            fresh_scores=self.fresh_scores[:count],
            default_scores=self.default_scores[:count],
            test_scores=self.test_scores[:count],
            default_test_scores=self.default_test_scores[:count],
        )

    def extended(self, other: FinalRun) -> FinalRun:
        """Return this with what the further seeds of `other` said behind it."""
        return replace(
            self,
            seeds=self.seeds + other.seeds,
            fresh_scores=self.fresh_scores + other.fresh_scores,
            default_scores=self.default_scores + other.default_scores,
            test_scores=self.test_scores + other.test_scores,
            default_test_scores=self.default_test_scores + other.default_test_scores,
        )

    @property
    def fresh(self) -> float:
        """Return the mean score under fresh seeds, NaN where one of the runs failed."""
        return statistics.fmean(self.fresh_scores) if self.fresh_scores else math.nan

    @property
    def optimism(self) -> float:
        """Return by how much the search promised more than fresh seeds kept: the best of many is lucky too."""
        return self.fresh - self.search_score

    @property
    def gain(self) -> float | None:
        """Return how much lower the score is than the default's, over pairs of equal seeds; None without a default.

        On the untouched split where there is one: on the other the winner was chosen, which flatters it.
        """
        return statistics.fmean(self._gains) if self._gains else None

    @property
    def gain_error(self) -> float | None:
        """Return the standard error of the gain, None from fewer than two pairs."""
        gains = self._gains
        if len(gains) < 2 or not all(map(math.isfinite, gains)):
            return None
        return statistics.stdev(gains) / math.sqrt(len(gains))

    @property
    def is_beyond_noise(self) -> bool | None:
        """Return whether the gain exceeds what the repeats' own noise makes, by a t-test on the pairs.

        One-sided, with odds of 1 in 40 where there is no gain; None where there are too few pairs to tell.
        """
        gain, error = self.gain, self.gain_error
        if gain is None or error is None:
            return None
        return gain > _quantile(len(self._gains) - 1) * error

    @property
    def is_gain_untouched(self) -> bool:
        """Return whether the gain was measured on the untouched split."""
        return bool(self.test_scores and self.default_test_scores)

    @property
    def _gains(self) -> list[float]:
        own, other = self.fresh_scores, self.default_scores
        if self.is_gain_untouched:
            own, other = self.test_scores, self.default_test_scores
        return [after - before for before, after in zip(own, other, strict=False)]


def _quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t; beyond the table by its expansion around the normal one's."""
    if freedom <= len(_QUANTILES):
        return _QUANTILES[freedom - 1]
    return 1.95996 + 2.3723 / freedom + 2.8225 / freedom**2  # Abramowitz and Stegun, 26.7.5
