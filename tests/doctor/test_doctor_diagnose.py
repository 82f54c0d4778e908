"""From rules to findings: causes silence symptoms, the worst comes first, and what was not judged is said."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from doctor_charts import (
    CONSTANT,
    followed,
    healthy,
    info,
    inputs,
    output,
    overshooting,
    relu,
    slowly,
    steps,
    targets,
)

from trainwright.doctor.diagnose import RULES, diagnose, examine, settled
from trainwright.doctor.kinds_datasets import DATA_NOT_SHUFFLED
from trainwright.doctor.kinds_labels import CONSTANT_TARGETS
from trainwright.records import Chart, Event


def kinds(chart: Chart) -> list[str]:
    return [finding.kind for finding in diagnose(chart)]


def test_a_healthy_run_passes_every_check() -> None:
    examination = examine(healthy())
    assert examination.findings == ()
    assert examination.not_judged == {}
    own = tuple(rule.kind.kind for rule in RULES if not {"loop", "frozen", "ranks"} & set(rule.needs))
    assert examination.healthy == own  # what only a loop of somebody else's can do wrong is not looked for
    assert {row.status for row in examination.checks()} == {"passed"}


def test_a_check_that_could_not_be_made_is_skipped_and_says_why() -> None:
    rows = {row.check: row for row in examine(Chart(info=info(inputs=None))).checks()}
    assert (rows["inputs-not-normalised"].status, rows["inputs-not-normalised"].reason) == (
        "skipped",
        "the inputs were not measured",
    )
    assert rows["dead-relu"].reason == "the layers were not measured"
    assert rows["labels-out-of-range"].status == "passed"


def test_a_check_that_found_something_has_failed_or_warned_by_severity() -> None:
    chart = Chart(info=info(inputs=inputs(std=100.0), output=output(operation="Softmax")))
    rows = {row.check: row for row in examine(chart).checks()}
    assert rows["softmax-before-cross-entropy"].status == "failed"
    assert rows["inputs-not-normalised"].status == "warned"
    assert [finding.kind for finding in rows["inputs-not-normalised"].findings] == ["inputs-not-normalised"]


def test_what_another_finding_explains_is_skipped_as_its_symptom() -> None:
    diverged = healthy(steps=steps([1.0, 5.0, 50.0, math.inf]))
    rows = {row.check: row for row in examine(diverged).checks()}
    assert rows["learning-rate-too-high"].status == "failed"
    assert (rows["non-finite-loss"].status, rows["non-finite-loss"].reason) == (
        "skipped",
        "a symptom of what was found",
    )


def test_errors_come_before_warnings_before_notes() -> None:
    chart = Chart(
        info=info(inputs=inputs(std=100.0), output=output(operation="Softmax"), targets=targets(maximum=8)),
    )
    assert [finding.severity for finding in diagnose(chart)] == ["error", "warning"]


def test_divergence_for_a_rate_that_is_too_high_is_one_finding() -> None:
    assert kinds(healthy(steps=steps([1.0, 5.0, 50.0, math.inf]))) == ["learning-rate-too-high"]


def test_a_number_that_an_operation_made_is_not_blamed_on_the_rate() -> None:
    assert kinds(healthy(steps=steps([1.0, 0.9, math.nan]))) == ["non-finite-loss"]


def test_bad_inputs_explain_all_that_follows_from_them() -> None:
    event = Event(step=2, name="non-finite", detail={"phase": "input", "samples": 1})
    chart = healthy(steps=steps([1.0, 0.9, math.nan]), events=[event])
    assert kinds(chart) == ["non-finite-input"]
    measured = info(inputs=inputs(non_finite=1, std=1e5))
    assert kinds(replace(chart, info=measured)) == ["non-finite-input"]


def test_raw_inputs_explain_a_rate_that_is_too_high_for_them() -> None:
    hovering = healthy(steps=steps(lambda share: CONSTANT, probe=overshooting(0.5)))
    assert kinds(hovering) == ["learning-rate-too-high"]
    assert kinds(replace(hovering, info=info(inputs=inputs(std=1e3)))) == ["inputs-not-normalised"]


def test_of_two_that_could_each_cause_the_other_the_rule_that_stands_first_is_the_cause() -> None:
    order = [rule.kind.kind for rule in RULES]
    assert order.index("labels-out-of-range") < order.index("learning-rate-too-high")
    assert order.index("dead-relu") < order.index("learning-rate-too-high")
    assert order.index("inputs-not-normalised") < order.index("dead-relu")


@pytest.mark.parametrize(("dead", "severity"), [(0.6, "warning"), (1.0, "error")])
def test_dead_units_are_a_symptom_of_a_rate_that_is_too_high_and_make_it_an_error(dead: float, severity: str) -> None:
    layers = [relu(20, dead), relu(70, dead)]
    found = diagnose(healthy(steps=steps(lambda share: CONSTANT, probe=overshooting(0.5)), layers=layers))
    assert [(finding.kind, finding.severity) for finding in found] == [("learning-rate-too-high", severity)]


def test_what_is_likely_does_not_silence_what_is_certain() -> None:
    diverged = healthy(info=info(inputs=inputs(std=1e3)), steps=steps([1.0, 5.0, 50.0, math.inf]))
    assert [(finding.kind, finding.severity) for finding in diagnose(diverged)] == [
        ("learning-rate-too-high", "error"),
        ("inputs-not-normalised", "warning"),
    ]


def test_what_is_refuted_goes_though_it_was_an_error() -> None:
    sorted_data, constant = DATA_NOT_SHUFFLED.finding(), CONSTANT_TARGETS.finding()
    assert (sorted_data.severity, constant.severity) == ("warning", "error")
    assert settled([constant, sorted_data]) == [sorted_data]


def test_bad_targets_explain_a_loss_that_is_not_finite() -> None:
    event = Event(step=2, name="non-finite", detail={"phase": "target", "samples": 3})
    chart = healthy(steps=steps([1.0, 0.9, math.nan]), events=[event])
    assert kinds(chart) == ["non-finite-targets"]
    measured = info(targets=targets(non_finite=1, non_finite_sample=17))
    (finding,) = diagnose(replace(chart, info=measured, events=[]))
    assert (finding.code, finding.severity, finding.step) == ("TW209", "error", None)
    assert [evidence.value for evidence in finding.evidence] == [1, 17]


def test_a_network_that_does_not_learn_is_one_finding_not_also_a_plateau() -> None:
    chart = healthy(steps=steps(lambda share: 0.99 * CONSTANT), evals=())
    assert kinds(chart) == ["underfitting"]


def test_labels_without_a_unit_explain_everything_but_bad_inputs() -> None:
    chart = healthy(info=info(targets=targets(minimum=1, maximum=10), output=output(operation="Softmax")))
    assert kinds(chart) == ["labels-out-of-range"]


def test_a_layer_that_is_dead_explains_slow_progress_one_that_is_half_dead_does_not() -> None:
    crawling = followed(slowly)
    dead = replace(crawling, layers=[relu(20, 1.0), relu(70, 1.0)])
    assert kinds(dead) == ["dead-relu"]
    half = replace(crawling, layers=[relu(20, 0.6), relu(70, 0.6)])
    assert kinds(half) == ["dead-relu", "learning-rate-too-low"]
