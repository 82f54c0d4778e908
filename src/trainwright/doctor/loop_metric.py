"""How a loop takes its answers, as the comparisons that it makes have shown. Exact."""

from __future__ import annotations

from trainwright.doctor.kinds_curves import METRIC_CONTRADICTS_LOSS
from trainwright.doctor.kinds_generalisation import TEST_SET_USED_FOR_SELECTION
from trainwright.doctor.loop_seen import at, counted, loop_of, number, often, word
from trainwright.doctor.loss_entering import calls_of
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

REVERSED = 0.3
"""Share of right answers below which the opposite of each would be right in seven of ten."""


def logits_compared(chart: Chart) -> Finding | None:
    """Exact: answers are taken at 0.5 of what enters binary cross-entropy with logits as it is."""
    sighting = loop_of(chart).seen("logits-compared")
    if sighting is None:
        return answers_of_the_other_class(chart)
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


def answers_of_the_other_class(chart: Chart) -> Finding | None:
    """Exact in where the answers come from; that they are meant for class 1 is seen by how many are wrong."""
    sighting = often(chart, "answers-of-the-other-class")
    if sighting is None:
        return None
    right, asked = number(sighting, "right") or 0.0, number(sighting, "asked") or 0
    return METRIC_CONTRADICTS_LOSS.finding(
        where=sighting.where,
        step=sighting.step,
        title="answers are taken from the probability of class 0, as if it were that of class 1",
        because="the first of two columns is the probability of class 0: where it is above a half, the answer is 0",
        evidence=(
            Evidence(name=f"share of {asked:g} answers that are right", value=right, threshold=REVERSED),
            Evidence(name="the same of their opposites", value=1 - right),
            counted(sighting, "evaluations that were looked at"),
        ),
        remedies=(Remedy(text=f"take the second column, [:, 1], or argmax over both{at(sighting.where)}"),),
        confidence=0.9,
    )


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
