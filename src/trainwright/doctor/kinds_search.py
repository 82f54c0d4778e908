"""Diagnoses of a search for hyperparameters."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

BEST_VALUE_AT_EDGE = Kind(
    code="TW608",
    kind="best-value-at-edge",
    severity="warning",
    title="the best value lies at the edge of what was searched",
    because="the score was still getting better where the range ended: what lies beyond was never tried",
    what="The best trial lies in the last tenth of a range, and so do the other good ones.",
    hurts="The search stops short of the best value and reports one that happens to be where it was told to stop.",
    fix="Search again with the range a decade wider on that side, or let rounds from coarse to fine widen it.",
    wrong_when="Nothing lies beyond that could be tried; say so by `limits`, and the edge is not reported.",
)

ALL_TRIALS_FAILED = Kind(
    code="TW611",
    kind="all-trials-failed",
    severity="error",
    title="not one trial of the search has a finite score",
    because="what fails for every configuration is not a matter of the configuration",
    what="Every trial ended with a loss that is not finite, or with an error.",
    hurts="There is no best configuration: the search says nothing but that something is wrong.",
    fix="Verify the model and the data first; then lower the upper end of the learning rate's range tenfold.",
    wrong_when="A range that lies wholly where training diverges.",
    causes=("best-value-at-edge",),
)

RATE_SEARCHED_LINEARLY = Kind(
    code="TW612",
    kind="rate-searched-linearly",
    severity="note",
    title="a rate or a decay is searched on a linear scale",
    because="nine tenths of a linear range lie in its last decade, and the smaller values are hardly ever tried",
    what="The range spans more than a decade of a quantity whose order of magnitude is what matters.",
    hurts="Trials crowd at the upper end, and a best value among the small ones is missed.",
    fix="Use log_uniform, from the smallest value that could matter.",
    wrong_when="A narrow range around a value that is already known.",
)
