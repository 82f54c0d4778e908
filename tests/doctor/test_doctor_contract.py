"""What holds for every rule and every kind, whatever the chart."""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import fields, replace
from typing import Any

import pytest
from doctor_charts import (
    beside,
    evals,
    healthy,
    info,
    inputs,
    output,
    relu,
    settings,
    steps,
    straight,
    targets,
)
from doctor_drawn import ILL, charts
from hypothesis import HealthCheck, given
from hypothesis import settings as profile

from trainwright.doctor.diagnose import RULES, diagnose, examine
from trainwright.doctor.kinds import find_kind
from trainwright.doctor.rule import NEEDS, Rule
from trainwright.records import (
    Chart,
    Event,
    Finding,
    LoopFacts,
    RunInfo,
    StepProbe,
    StepRecord,
    from_plain,
    to_plain,
)
from trainwright.records.findings import SEVERITIES

EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind.kind)


@EACH_RULE
def test_a_rule_asks_only_for_needs_that_exist(rule: Rule) -> None:
    assert set(rule.needs) <= set(NEEDS)


def test_each_need_says_why_it_is_not_met() -> None:
    nothing = Chart(info=RunInfo())
    assert all(not met(nothing) and why for met, why in NEEDS.values())
    seen = (*healthy().events, Event(step=0, name="frozen"), Event(step=0, name="ranks"))
    watched = replace(healthy(), info=replace(healthy().info, loop=LoopFacts()), events=seen)
    assert all(met(watched) for met, _ in NEEDS.values())


def assert_well_formed(finding: Finding) -> None:
    kind = find_kind(finding.kind)
    assert finding.code == kind.code
    assert finding.severity in SEVERITIES
    assert finding.title
    assert finding.because
    assert finding.evidence
    assert finding.remedies
    assert 0 < finding.confidence <= 1
    assert finding.step is None or finding.step >= 0
    assert all(item.name and isinstance(item.value, float | int | str | bool) for item in finding.evidence)
    for remedy in finding.remedies:
        assert remedy.text
        assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in remedy.change or {})


def assert_sound(chart: Chart) -> None:
    """Every rule copes with the chart, says something well-formed or nothing, and the parts add up."""
    examination = examine(chart)
    for finding in examination.findings:
        assert_well_formed(finding)
    found = [finding.kind for finding in examination.findings]
    assert len(set(found)) == len(found)
    assert not set(found) & set(examination.healthy)
    assert not set(examination.not_judged) & {*found, *examination.healthy}
    order = [SEVERITIES.index(finding.severity) for finding in examination.findings]
    assert order == sorted(order)
    asked = [rule.kind.kind for rule in RULES if not rule.is_beside_the_point(chart)]
    assert [row.check for row in examination.checks()] == asked
    for rule in RULES:  # also where its needs are met but another finding would have silenced it
        if rule.missing(chart) is None:
            finding = rule.judge(chart)
            assert finding is None or finding.kind == rule.kind.kind


NAN = math.nan
NAN_STEP = StepRecord(
    step=0,
    epoch=0,
    loss=NAN,
    rate=NAN,
    samples=1,
    gradient_norm=NAN,
    update_ratio=NAN,
    probe=StepProbe(before=NAN, tenth=NAN, same=NAN, tenfold=NAN),
)
NAN_CHART = Chart(
    info=info(
        inputs=inputs(mean=NAN, std=NAN, minimum=NAN, maximum=NAN, spread=NAN, offset=NAN),
        targets=targets(minimum=NAN, maximum=NAN, constant_loss=NAN),
        baselines=beside(NAN),
        output=output(row_sum_error=NAN),
        recommended_rate=NAN,
        settings=settings(optimizer__lr=NAN, model__dropout=NAN),
    ),
    steps=[replace(NAN_STEP, step=step) for step in range(400)],
    evals=evals([NAN] * 21, error=NAN, accuracy=[NAN] * 21),
    layers=[relu(step, NAN, mean=NAN, std=NAN) for step in (20, 70)],
)
NOTHING: dict[str, Any] = {field.name: None for field in fields(RunInfo) if "None" in str(field.type)}
STRANGE = {
    "nothing at all": Chart(info=RunInfo()),
    "a head alone": Chart(info=info()),
    "one step": Chart(info=info(), steps=steps([1.0])),
    "one step without a head": Chart(info=RunInfo(), steps=steps([1.0])),
    "one evaluation": Chart(info=info(), evals=evals([1.0], accuracy=[0.5])),
    "all NaN": NAN_CHART,
    "all NaN, head healthy": replace(NAN_CHART, info=info()),
    "None wherever it may be": replace(healthy(), info=RunInfo(**NOTHING)),
    "None in every step": replace(
        healthy(),
        steps=[replace(record, gradient_norm=None, probe=None, update_ratio=None) for record in healthy().steps],
    ),
    "no metrics": replace(healthy(), evals=evals([2.0, 1.0, 0.5, 1.5, 1.6, 1.7])),
    "infinite": Chart(info=info(), steps=steps([math.inf, -math.inf] * 200)),
    "huge": Chart(info=info(), steps=steps([1e308, 1.0, -1e308, 1.0] * 100), evals=evals([1e308] * 9)),
    "zero": Chart(info=info(targets=targets(constant_loss=0.0)), steps=steps([0.0] * 400), evals=evals([0.0] * 9)),
    "negative": Chart(
        info=info(targets=targets(constant_loss=-1.0)), steps=steps([-5.0] * 400), evals=evals([-1.0] * 9)
    ),
    "no rate": Chart(info=info(), steps=steps(lambda share: 2.0, rate=lambda share: 0.0, probe=straight(10))),
    "an event without detail": Chart(info=info(), events=[Event(step=0, name="non-finite")]),
}


@pytest.mark.parametrize("chart", STRANGE.values(), ids=STRANGE)
def test_no_rule_stumbles_over_a_strange_chart(chart: Chart) -> None:
    assert_sound(chart)


def test_nothing_to_look_at_gives_no_finding_and_says_so_for_every_kind_that_needs_something() -> None:
    examination = examine(Chart(info=RunInfo()))
    assert examination.findings == ()
    needy = {rule.kind.kind for rule in RULES if rule.needs and not {"loop", "frozen", "ranks"} & set(rule.needs)}
    assert set(examination.not_judged) == needy
    assert all(examination.not_judged.values())


def test_nothing_but_nan_is_one_finding_about_nan() -> None:
    assert [finding.kind for finding in diagnose(replace(NAN_CHART, info=info()))] == ["non-finite-loss"]


@given(chart=charts())
@profile(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_chart_makes_a_rule_raise_or_say_something_malformed(chart: Chart) -> None:
    assert_sound(chart)


@pytest.mark.parametrize("kind", ILL)
def test_the_same_chart_gets_the_same_findings_and_stays_as_it_was(kind: str) -> None:
    chart, untouched = ILL[kind], copy.deepcopy(ILL[kind])
    first, second = examine(chart), examine(chart)
    assert str(first) == str(second)  # as text: NaN does not equal itself
    assert str(to_plain(chart)) == str(to_plain(untouched))


@pytest.mark.parametrize("kind", ILL)
@pytest.mark.parametrize("text", [False, True], ids=["plain values", "through JSON"])
def test_a_chart_that_was_stored_gets_the_findings_of_the_live_one(kind: str, text: bool) -> None:
    chart = ILL[kind]
    plain: dict[str, Any] = to_plain(chart)
    stored = from_plain(Chart, json.loads(json.dumps(plain)) if text else plain)
    assert str(diagnose(stored)) == str(diagnose(chart))
    assert [finding.kind for finding in diagnose(stored)] == ([kind] if kind else [])


@given(chart=charts())
@profile(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_storing_any_chart_changes_no_finding(chart: Chart) -> None:
    assert str(diagnose(from_plain(Chart, to_plain(chart)))) == str(diagnose(chart))
