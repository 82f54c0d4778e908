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
    call,
    entered,
    evals,
    followed,
    healthy,
    info,
    inputs,
    memorised,
    output,
    quantities,
    relu,
    settings,
    slowly,
    steps,
    straight,
    targets,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from trainwright.doctor import kinds
from trainwright.doctor.diagnose import RULES, diagnose, examine
from trainwright.doctor.kind import Kind
from trainwright.doctor.kinds import CATALOGUE, explain, find_kind
from trainwright.doctor.rule import NEEDS, Rule
from trainwright.errors import UsageError
from trainwright.records import (
    Baselines,
    Chart,
    EvalRecord,
    Event,
    Finding,
    InputStats,
    LayerStats,
    Location,
    LoopFacts,
    OutputFacts,
    RunInfo,
    Setting,
    StepProbe,
    StepRecord,
    TargetStats,
    from_plain,
    to_plain,
)
from trainwright.records.findings import SEVERITIES
from trainwright.records.loss_call import LossCall, LossInput, LossTarget

PROMISED = {
    "TW101": ("non-finite-input", "error"),
    "TW102": ("inputs-not-normalised", "warning"),
    "TW201": ("labels-out-of-range", "error"),
    "TW202": ("constant-targets", "error"),
    "TW205": ("padding-counted-in-loss", "warning"),
    "TW206": ("targets-not-scaled", "note"),
    "TW207": ("next-token-not-shifted", "error"),
    "TW208": ("no-valid-targets", "error"),
    "TW209": ("non-finite-targets", "error"),
    "TW301": ("softmax-before-cross-entropy", "error"),
    "TW302": ("sigmoid-before-bce-with-logits", "error"),
    "TW303": ("nll-without-log-softmax", "error"),
    "TW304": ("kl-div-input-not-log", "error"),
    "TW305": ("loss-shape-broadcast", "error"),
    "TW306": ("softmax-wrong-dimension", "error"),
    "TW307": ("softmax-over-one-unit", "error"),
    "TW308": ("relu-on-output", "warning"),
    "TW309": ("regression-loss-for-classes", "warning"),
    "TW310": ("multi-label-with-softmax", "error"),
    "TW311": ("loss-detached", "error"),
    "TW315": ("loss-maximised", "error"),
    "TW402": ("dead-relu", "warning"),
    "TW601": ("learning-rate-too-high", "warning"),
    "TW602": ("learning-rate-too-low", "warning"),
    "TW607": ("plateau", "note"),
    "TW803": ("non-finite-loss", "error"),
    "TW901": ("overfitting", "warning"),
    "TW902": ("underfitting", "warning"),
}
"""What codes, kinds and severities others rely on; new ones may be added, none may change."""

KINDS = pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.kind)
EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind.kind)


@pytest.mark.parametrize("code", PROMISED)
def test_a_promised_code_keeps_its_kind_and_severity(code: str) -> None:
    kind = CATALOGUE[code]
    assert (kind.code, kind.kind, kind.severity) == (code, *PROMISED[code])


def test_the_catalogue_is_in_order_of_code_and_names_each_kind_once() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE)
    assert len({kind.kind for kind in CATALOGUE.values()}) == len(CATALOGUE)
    every = {id(value) for family in kinds._FAMILIES for value in vars(family).values() if isinstance(value, Kind)}
    assert len(every) == len(CATALOGUE)  # a code that is given twice would silently hide one of them


def test_every_rule_judges_a_kind_of_the_catalogue_and_no_other_does_by_the_same_facts() -> None:
    asked = [(rule.kind.code, rule.needs) for rule in RULES]
    assert len(set(asked)) == len(asked)
    assert all(CATALOGUE[rule.kind.code] is rule.kind for rule in RULES)


@KINDS
def test_a_kind_is_well_formed(kind: Kind) -> None:
    assert re.fullmatch(r"TW[1-9]\d\d", kind.code)
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind.kind)
    assert kind.severity in SEVERITIES
    assert kind.title[0].islower()
    assert not kind.title.endswith(".")
    assert all(text.endswith(".") for text in (kind.what, kind.hurts, kind.fix, kind.wrong_when))


@KINDS
def test_what_a_kind_explains_exists_and_is_not_itself(kind: Kind) -> None:
    known = {other.kind for other in CATALOGUE.values()}
    assert {*kind.causes, *kind.causes_as_error} <= known - {kind.kind}


@KINDS
def test_an_explanation_has_all_its_paragraphs(kind: Kind) -> None:
    for name in (kind.code, kind.kind, kind.code.lower(), kind.kind.upper()):
        paragraphs = explain(name).split("\n\n")
        assert paragraphs[0] == f"{kind.code}  {kind.kind}  ({kind.severity})\n{kind.title}"
        assert paragraphs[1] == kind.what
        assert paragraphs[2:-1] == [
            f"Why it hurts\n{kind.hurts}",
            f"How to fix it\n{kind.fix}",
            f"When the doctor is wrong\n{kind.wrong_when}",
        ]
        assert paragraphs[-1].startswith("How to silence it\n")


def test_a_diagnosis_that_does_not_exist_brings_up_the_nearest() -> None:
    with pytest.raises(UsageError, match="overfitting"):
        find_kind("overfiting")


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


ILL = {
    "": healthy(),
    "non-finite-input": Chart(info=info(inputs=inputs(std=1e3, non_finite=2))),
    "non-finite-targets": Chart(info=info(targets=targets(non_finite=2))),
    "inputs-not-normalised": Chart(info=info(inputs=inputs(std=1e3))),
    "labels-out-of-range": Chart(info=info(targets=targets(minimum=1, maximum=10))),
    "softmax-before-cross-entropy": Chart(info=info(output=output(operation="Softmax"))),
    "constant-targets": healthy(
        info=info(output=call(target=entered(minimum=3, maximum=3)), targets=targets(minimum=3, maximum=3, distinct=1))
    ),
    "padding-counted-in-loss": healthy(info=info(output=call(target=entered(padding=0.3, padding_id=0)))),
    "targets-not-scaled": healthy(
        info=info(
            loss="mse",
            targets=targets(mean=0.0, std=1e5, integral=False, minimum=-4e5, maximum=4e5, distinct=1000),
            output=call("mse_loss", shape=(64, 1), target=quantities()),
        )
    ),
    "no-valid-targets": healthy(
        info=info(
            output=call(target=entered(counted=0, minimum=None, maximum=None)),
            targets=targets(minimum=-100, maximum=-100, distinct=1),
        )
    ),
    "sigmoid-before-bce-with-logits": healthy(
        info=info(output=call("binary_cross_entropy_with_logits", operation="Sigmoid", low=0.0, high=1.0))
    ),
    "nll-without-log-softmax": healthy(info=info(loss="nll", output=call("nll_loss"))),
    "kl-div-input-not-log": healthy(info=info(loss="kl_div", output=call("kl_div", row_sum_error=1e-7))),
    "loss-shape-broadcast": healthy(
        info=info(loss="mse", output=call("mse_loss", shape=(64, 1), target=quantities(shape=(64,))))
    ),
    "softmax-wrong-dimension": healthy(
        info=info(
            output=call("nll_loss", operation="LogSoftmax", dimension=0, operation_shape=(64, 10), logarithm=True)
        )
    ),
    "softmax-over-one-unit": healthy(
        info=info(
            loss="mse",
            output=call(
                "mse_loss",
                shape=(64, 1),
                operation="Softmax",
                dimension=1,
                operation_shape=(64, 1),
                target=quantities(),
            ),
        )
    ),
    "relu-on-output": healthy(
        info=info(
            loss="mse",
            output=call("mse_loss", shape=(64, 1), operation="Relu", low=0.0, target=quantities(outside=0.5)),
        )
    ),
    "regression-loss-for-classes": healthy(
        info=info(
            loss="mse",
            targets=targets(rarest=0.09, commonest=0.11),
            output=call("mse_loss", shape=(64, 1), target=entered(shape=(64, 1), floating=True)),
        )
    ),
    "loss-maximised": healthy(info=info(output=replace(call(), calls=(replace(call().calls[0], weight=-1.0),)))),
    "loss-detached": healthy(info=info(output=replace(call(), calls=(replace(call("").calls[0], constant=True),)))),
    "next-token-not-shifted": healthy(
        info=info(output=replace(call(), calls=(replace(call(target=entered(copied=1.0)).calls[0], sees="own"),)))
    ),
    "multi-label-with-softmax": healthy(
        info=info(
            output=call(target=entered(shape=(64, 10), floating=True, maximum=1, fewest=0, most=4)),
            targets=targets(maximum=1, distinct=2),
        )
    ),
    "dead-relu": healthy(layers=[relu(20, 1.0), relu(70, 1.0)]),
    "learning-rate-too-high": healthy(steps=steps([1.0, 5.0, 50.0, math.inf])),
    "learning-rate-too-low": followed(slowly),
    "plateau": healthy(steps=steps(lambda share: 1.0)),
    "non-finite-loss": healthy(
        steps=steps([1.0, math.nan]), events=[Event(step=1, name="non-finite", detail={"phase": "forward"})]
    ),
    "overfitting": memorised(),
    "underfitting": healthy(steps=steps(lambda share: 2.0)),
}
"""Kind -> a chart that has it and nothing else, with NaN and infinities among them; and a healthy one."""

finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.one_of(st.floats(0.001, 10), st.floats(), finite)
fractions = st.sampled_from([0.0, 0.5, 1.0, math.nan])
counts = st.integers(1, 1000)
places = st.builds(
    Location,
    file=st.none() | st.just("model.py"),
    line=st.none() | counts,
    module=st.none() | st.just("body.0"),
)
probes = st.builds(StepProbe, before=numbers, tenth=numbers, same=numbers, tenfold=numbers)
values = st.one_of(st.none(), st.booleans(), numbers, st.sampled_from(["none", "standard", "constant"]))
shapes = st.sampled_from([(), (64,), (64, 1), (64, 2), (64, 10), (64, 10, 5), (64, 5)])
shares = st.sampled_from([0.0, 0.03, 0.5, 1.0, math.nan])
entries = st.builds(
    LossInput,
    shape=shapes,
    operation=st.sampled_from(["", "Softmax", "LogSoftmax", "Sigmoid", "Relu", "Tanh", "Addmm"]),
    previous=st.sampled_from(["", "Softmax", "Sigmoid"]),
    where=places,
    low=st.none() | st.just(0.0) | numbers,
    high=st.none() | st.just(1.0) | numbers,
    dimension=st.none() | st.integers(0, 2),
    operation_shape=shapes,
    minimum=st.none() | numbers,
    maximum=st.none() | numbers,
    row_sum_error=st.none() | numbers,
    log_sum_error=st.none() | numbers,
    logarithm=st.booleans(),
    direct=st.booleans(),
    units_last=st.booleans(),
)
goals = st.builds(
    LossTarget,
    shape=shapes,
    floating=st.booleans(),
    total=counts,
    counted=st.just(0) | counts,
    ignored=st.sampled_from([None, -100, 0]),
    minimum=st.none() | numbers,
    maximum=st.none() | numbers,
    whole=st.booleans(),
    outside=shares,
    below_half=shares,
    byte_scaled=st.booleans(),
    fewest=st.none() | st.integers(0, 3),
    most=st.none() | st.integers(0, 4),
    row_sum_error=st.none() | numbers,
    padding=st.none() | shares,
    padding_id=st.none() | st.just(0),
    copied=st.none() | shares,
)
calls = st.builds(
    LossCall,
    function=st.sampled_from(
        [
            "",
            "cross_entropy",
            "nll_loss",
            "kl_div",
            "log_softmax",
            "logsigmoid",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
            "mse_loss",
            "l1_loss",
            "poisson_nll_loss",
        ]
    ),
    where=places,
    reduction=st.sampled_from(["mean", "none"]),
    input=entries,
    target=st.none() | goals,
    weight=st.none() | st.sampled_from([-1.0, 1.0]) | numbers,
    sees=st.sampled_from(["", "own", "later", "earlier"]),
    pairs=st.booleans(),
    constant=st.booleans(),
    order=st.none() | numbers,
)
heads = st.builds(
    RunInfo,
    loss=st.sampled_from(["", "cross_entropy", "bce_with_logits", "mse", "nll", "kl_div", "focal"]),
    schedule=st.sampled_from(["", "constant", "cosine"]),
    planned_steps=st.none() | st.integers(0, 500),
    steps_per_epoch=st.none() | st.integers(0, 50),
    metric=st.sampled_from([None, "accuracy", "rmse"]),
    settings=st.dictionaries(
        st.sampled_from(["optimizer.lr", "model.dropout", "data.normalise", "data.source"]),
        st.builds(Setting, value=values, where=st.none() | places),
    ),
    recommended_rate=st.none() | numbers,
    has_input_norm=st.booleans(),
    inputs=st.none()
    | st.builds(
        InputStats,
        samples=counts,
        features=counts,
        mean=numbers,
        std=numbers,
        minimum=numbers,
        maximum=numbers,
        spread=numbers,
        offset=numbers,
        integral=st.booleans(),
        non_finite=st.sampled_from([0, 0, 3]),
        constant_features=st.just(0),
    ),
    targets=st.none()
    | st.builds(
        TargetStats,
        samples=counts,
        minimum=numbers,
        maximum=numbers,
        integral=st.booleans(),
        distinct=counts,
        constant_loss=st.none() | numbers,
        mean=st.none() | numbers,
        std=st.none() | numbers,
        rarest=st.none() | shares,
        commonest=st.none() | shares,
    ),
    baselines=st.none()
    | st.builds(Baselines, metric=st.sampled_from(["accuracy", "rmse"]), linear_metric=st.none() | numbers),
    output=st.none()
    | st.builds(
        OutputFacts,
        shape=st.sampled_from([(), (64,), (64, 1), (64, 2), (64, 10), (64, 10, 5)]),
        operation=st.sampled_from(["", "Softmax", "Addmm"]),
        where=places,
        row_sum_error=st.none() | numbers,
        loss_softmax=st.booleans(),
        calls=st.lists(calls, max_size=2).map(tuple),
    ),
)
events = st.builds(
    Event,
    step=st.integers(0, 300),
    name=st.sampled_from(["non-finite", "phase"]),
    detail=st.dictionaries(
        st.sampled_from(["phase", "operation", "file", "module"]),
        st.sampled_from(["input", "forward", "target", "torch.log"]),
    ),
)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    """Return a chart that has a finding, or none, with some of its parts put in at random.

    Up to 300 steps: few different numbers, repeated, so that it is made quickly.
    """
    base = draw(st.sampled_from(list(ILL.values())))
    losses = draw(st.lists(numbers, min_size=1, max_size=12))
    measured = draw(st.lists(st.none() | probes, min_size=1, max_size=6))
    norms = draw(st.lists(st.none() | numbers, min_size=1, max_size=3))
    rates = draw(st.lists(st.floats(0, 10), min_size=1, max_size=3))
    count = draw(st.sampled_from([0, 1, 2, 50, 99, 150, 300]))
    scores = draw(st.lists(numbers, min_size=1, max_size=4))
    parts: dict[str, Any] = {
        "info": draw(heads),
        "steps": [
            StepRecord(
                step=step,
                epoch=step // 20,
                loss=losses[step * len(losses) // count],
                rate=rates[step % len(rates)],
                samples=8,
                gradient_norm=norms[step % len(norms)],
                probe=measured[step % len(measured)],
            )
            for step in range(count)
        ],
        "evals": [
            EvalRecord(
                step=30 * index,
                epoch=index,
                split=draw(st.sampled_from(["train", "validation"])),
                loss=loss,
                loss_error=draw(numbers),
                metrics=draw(
                    st.dictionaries(st.sampled_from(["accuracy", "rmse"]), st.sampled_from(scores), max_size=2)
                ),
                samples=draw(counts),
            )
            for index, loss in enumerate(draw(st.lists(numbers, max_size=8)))
        ],
        "layers": [
            LayerStats(
                step=30 * index,
                module=draw(st.sampled_from(["1", "3"])),
                kind=draw(st.sampled_from(["ReLU", "Linear"])),
                units=8,
                samples=draw(st.sampled_from([10, 100])),
                mean=0.0,
                std=1.0,
                zero_fraction=dead,
                dead_fraction=dead,
            )
            for index, dead in enumerate(draw(st.lists(fractions, max_size=5)))
        ],
        "events": draw(st.lists(events, max_size=2)),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(parts)), min_size=1))
    return replace(base, **{name: parts[name] for name in chosen})


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
