"""How much each sample counts in the loss: a few that outweigh all others, and weights the wrong way round."""

from __future__ import annotations

from trainwright.doctor.kinds_targets import CLASS_WEIGHTS_INVERTED, OUTLIERS_DOMINATE_LOSS
from trainwright.doctor.loss_entering import CLASSES, YES_OR_NO, calls_of, place_of_call
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

FARTHEST_SHARE = 0.93
"""Share of the squared distances from the median that the farthest 3 % of the targets carry: 0.19 for a normal
distribution, 0.45 for one with tails as of Student's t with 3 degrees of freedom, 0.65 for a log-normal one of 1. Of
400 targets of which a fiftieth is at 60 deviations, they carry more in 97 of 100 draws; the farthest 2 %, which are
fewer than there are in half of the draws, do so in 60."""
CORRELATION = 0.8
"""Rank correlation of class weights with class counts; weights that balance have -1."""


def outliers_dominate_loss(chart: Chart) -> Finding | None:
    """Under the squared error a few targets carry nearly everything that the best constant guess would pay."""
    stats = chart.info.targets
    if stats is None or stats.farthest_share is None or stats.farthest_share <= FARTHEST_SHARE:
        return None
    for call in calls_of(chart, ("mse_loss",)):
        return OUTLIERS_DOMINATE_LOSS.finding(
            where=place_of_call(chart, call),
            step=0,
            evidence=(
                Evidence(
                    name="share of the squared error of a constant guess that 3 % of the targets carry",
                    value=stats.farthest_share,
                    threshold=FARTHEST_SHARE,
                ),
                Evidence(name="targets looked at", value=stats.samples),
                Evidence(name="range of the targets", value=f"{stats.minimum:.4g} to {stats.maximum:.4g}"),
            ),
            remedies=(
                Remedy(
                    text="use a loss that grows less than the square: nn.HuberLoss(), nn.SmoothL1Loss(), nn.L1Loss()"
                ),
                Remedy(text="or mend the targets: look at the largest ones, train on the logarithm of quantities"),
            ),
            confidence=0.9,
        )
    return None


def class_weights_inverted(chart: Chart) -> Finding | None:
    """Frequent classes have the larger weights."""
    stats = chart.info.targets
    if stats is None or stats.weight_order is None or stats.weight_order <= CORRELATION:
        return None
    for call in calls_of(chart, (*CLASSES, *YES_OR_NO)):
        return CLASS_WEIGHTS_INVERTED.finding(
            where=place_of_call(chart, call),
            step=0,
            evidence=(
                Evidence(
                    name="rank correlation of the class weights with the class counts",
                    value=stats.weight_order,
                    threshold=CORRELATION,
                ),
                Evidence(name="targets counted", value=stats.samples),
            ),
            remedies=(Remedy(text="weight = total / (classes * count); pos_weight = count of no / count of yes"),),
            confidence=0.9,
        )
    return None


RULES = (
    Rule(kind=OUTLIERS_DOMINATE_LOSS, needs=("targets", "output"), judge=outliers_dominate_loss),
    Rule(kind=CLASS_WEIGHTS_INVERTED, needs=("targets", "output"), judge=class_weights_inverted),
)
