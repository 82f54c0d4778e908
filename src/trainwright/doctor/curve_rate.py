"""What a logged learning rate tells: zero all along, or gone long before the run was over."""

from __future__ import annotations

import math

from trainwright.doctor.curve_shapes import middle, span
from trainwright.doctor.kinds_rate import LEARNING_RATE_TOO_LOW
from trainwright.doctor.kinds_schedule import SCHEDULER_WRONG_FREQUENCY
from trainwright.doctor.series import finite
from trainwright.records import Chart, Evidence, Finding, Remedy

NO_RATE = 1e-4
"""A rate below this share of its peak moves nothing any more."""
EARLY = 0.4
"""Share of the run without a rate that no schedule leaves on purpose: decays in steps and to zero end later."""
STILL_FALLING = 0.1
"""A loss that falls by this share while the rate was logged as zero shows that the log rounds the rate."""


def rate_is_zero(chart: Chart) -> Finding | None:
    """Every logged rate is zero, and the loss does not fall: nothing is learnt."""
    rates = finite([record.rate for record in chart.steps])
    if any(rates) or _falls(chart, 0):
        return None
    return LEARNING_RATE_TOO_LOW.finding(
        title="the learning rate is zero",
        because="the optimizer multiplies every update by it",
        where=chart.info.where("optimizer.lr"),
        step=chart.steps[0].step,
        evidence=(Evidence(name="steps whose rate was logged as zero", value=len(rates)),),
        remedies=(Remedy(text="set the rate; look for a schedule that starts at zero and is never stepped"),),
        confidence=0.9,
    )


def schedule_over(chart: Chart) -> Finding | None:
    """The rate fell to nothing long before the run ended."""
    rates = [record.rate if math.isfinite(record.rate) else 0.0 for record in chart.steps]
    peak = max(rates)
    last = max((place for place, rate in enumerate(rates) if rate > NO_RATE * peak), default=0)
    idle = 1 - (last + 1) / len(rates)
    if peak <= 0 or len(rates) < 20 or idle < EARLY or _falls(chart, last + 1):
        return None
    step = chart.steps[last + 1].step
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title="the schedule is over long before the run is",
        step=step,
        evidence=(
            Evidence(name="share of the run at a rate of nearly zero", value=idle, threshold=EARLY),
            Evidence(name="highest rate", value=peak),
            Evidence(name="rate from there on", value=max(rates[last + 1 :]), step=step),
        ),
        remedies=(
            Remedy(text="give the schedule the number of times it is stepped: epochs times batches, or step it once"),
        ),
        confidence=0.8,
    )


def _falls(chart: Chart, place: int) -> bool:
    """Say whether the loss falls clearly from the record at `place` to the end."""
    losses = [record.loss for record in chart.steps[place:]]
    size = min(span(len(losses)), max(len(losses) // 2, 1))
    return middle(losses[-size:]) < (1 - STILL_FALLING) * middle(losses[:size])
