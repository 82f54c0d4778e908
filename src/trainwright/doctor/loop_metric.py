"""How a loop takes its answers, as the comparisons that it makes have shown. Exact."""

from __future__ import annotations

from trainwright.doctor.kinds_curves import METRIC_CONTRADICTS_LOSS
from trainwright.doctor.kinds_generalisation import TEST_SET_USED_FOR_SELECTION
from trainwright.doctor.loop_seen import at, loop_of, number, word
from trainwright.doctor.loss_entering import calls_of
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy


def logits_compared(chart: Chart) -> Finding | None:
    """Exact: answers are taken at 0.5 of what enters binary cross-entropy with logits as it is."""
    sighting = loop_of(chart).seen("logits-compared")
    if sighting is None:
        return None
    for call in calls_of(chart, ("binary_cross_entropy_with_logits",)):
        if call.input.operation == "Sigmoid":
            continue
        low, high = number(sighting, "low"), number(sighting, "high")
        return METRIC_CONTRADICTS_LOSS.finding(
            where=sighting.where,
            step=sighting.step,
            title="logits are compared with 0.5, the middle of probabilities",
            because="the loss takes the output for logits, and a logit of 0.5 is a probability of 0.62: what lies "
            "between a half and that counts as a no",
            evidence=(
                Evidence(name="number that the model's output is compared with", value=0.5, threshold=0.0),
                Evidence(name="least output", value=low if low is not None else "unknown"),
                Evidence(name="largest output", value=high if high is not None else "unknown"),
            ),
            remedies=(Remedy(text=f"compare with 0, or the sigmoid of the output with 0.5{at(sighting.where)}"),),
        )
    return None


def chosen_by_test_data(chart: Chart) -> Finding | None:
    """By the program's own names: a figure of test data that decides what is kept, in a run that evaluates."""
    sighting = loop_of(chart).seen("chosen-by-test-data")
    if sighting is None:
        return None
    figure, data = word(sighting, "figure", "the figure"), word(sighting, "data", "test data")
    return TEST_SET_USED_FOR_SELECTION.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="what is compared with the best so far", value=figure),
            Evidence(name="the data that it is computed from", value=data),
        ),
        remedies=(
            Remedy(text=f"compute {figure} from validation data{at(sighting.where)}, and use {data} once, at the end"),
        ),
        confidence=0.8,
    )


RULES = (
    Rule(kind=METRIC_CONTRADICTS_LOSS, needs=("loop", "output"), judge=logits_compared),
    Rule(kind=TEST_SET_USED_FOR_SELECTION, needs=("loop",), judge=chosen_by_test_data),
)
