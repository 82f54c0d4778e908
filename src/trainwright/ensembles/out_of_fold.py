"""A method measured on samples that it was not fitted on: fitted on all parts of the data but one, judged on that."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainwright.ensembles.calibration import total_deviation
from trainwright.ensembles.combine import scaled
from trainwright.ensembles.measures import log_likelihoods, of_classes, of_values, right, squared_errors
from trainwright.ensembles.methods import Method
from trainwright.ensembles.pool import Pool
from trainwright.records.ensemble import Cost, Scores


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """A method as it came out: the shares and the temperature fitted on all samples, and its losses out of fold.

    `raw` and `cool` are the losses of each row, `(M,)`, without and with a temperature; `hits` says which were right.
    For values there is no temperature, and all of them hold squared errors.
    """

    method: Method
    shares: torch.Tensor
    temperature: float | None
    cost: Cost
    scores: Scores
    cooled: Scores | None
    raw: torch.Tensor
    cool: torch.Tensor
    hits: torch.Tensor

    @property
    def compared(self) -> Scores:
        """Return the scores that the method is compared by."""
        return self.cooled or self.scores

    @property
    def judged(self) -> float:
        """Return the mean loss that the method is judged by."""
        return float(self.cool.mean())


def tried(pool: Pool, method: Method, *, calibrate: bool, folds: torch.Tensor) -> Tried:
    """Fit and measure a method. `folds` `(samples,)` says which part each sample is in."""
    shares = method.choose(pool)
    cooling = calibrate and pool.has_classes
    width = pool.answers.shape[2]
    raw, cool, total = (pool.answers.new_zeros(len(pool.truth.y), width, dtype=torch.float64) for _ in range(3))
    for fold in folds.unique().tolist():
        inside = folds == fold
        fitted = pool.part(~inside) if bool((~inside).any()) else pool
        judged = pool.part(inside)
        rows = pool.truth.taken(inside)
        own = method.choose(fitted)
        if pool.has_classes:
            raw[rows] = judged.predicted(own)
            cool[rows] = scaled(raw[rows], fitted.temperature(own)) if cooling else raw[rows]
        else:
            raw[rows], spread = judged.spread(own)
            total[rows] = total_deviation(spread, fitted.noise(own))
    truth = pool.truth
    if not pool.has_classes:
        errors = squared_errors(raw, truth)
        scores = of_values(raw, truth, total)
        return Tried(method=method, shares=shares, temperature=None, cost=pool.cost(shares, method.library),
                     scores=scores, cooled=None, raw=errors, cool=errors, hits=errors)  # fmt: skip
    return Tried(
        method=method,
        shares=shares,
        temperature=pool.temperature(shares) if cooling else None,
        cost=pool.cost(shares, method.library),
        scores=of_classes(raw, truth),
        cooled=of_classes(cool, truth) if cooling else None,
        raw=-log_likelihoods(raw, truth),
        cool=-log_likelihoods(cool, truth),
        hits=right(raw, truth),
    )
