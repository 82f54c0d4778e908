"""What holds for every rule of a foreign loop, whatever was seen; and for what silences what."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, get_args

import pytest
from doctor_charts import healthy, info
from doctor_loops import LOOP_RULES, loop, optimizer, scheduler, sighting, watched
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from trainwright.doctor import kinds_calls, kinds_evaluation, kinds_modes, kinds_precision, kinds_stepping
from trainwright.doctor.kind import Kind
from trainwright.doctor.kinds import CATALOGUE
from trainwright.records import (
    Chart,
    Finding,
    GroupFacts,
    LayerStats,
    Location,
    LoopFacts,
    OptimizerFacts,
    RunInfo,
    SchedulerFacts,
    Sighting,
    SightingName,
    StepRecord,
    from_plain,
    to_plain,
)

FAMILIES = (kinds_calls, kinds_stepping, kinds_modes, kinds_precision, kinds_evaluation)
KINDS = [value for family in FAMILIES for value in vars(family).values() if isinstance(value, Kind)]
EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
WATCHED = watched()
NAMES: tuple[SightingName, ...] = get_args(SightingName)
PROMISED = {
    "TW108": ("slow-data-loading", "note"),
    "TW415": ("weights-not-loaded", "warning"),
    "TW501": ("missing-zero-grad", "error"),
    "TW502": ("gradients-erased-before-step", "error"),
    "TW503": ("missing-optimizer-step", "error"),
    "TW504": ("missing-backward", "error"),
    "TW507": ("optimizer-recreated", "error"),
    "TW508": ("clipping-without-effect", "error"),
    "TW509": ("clip-before-unscale", "error"),
    "TW510": ("accumulation-not-averaged", "warning"),
    "TW511": ("zero-grad-inside-accumulation", "error"),
    "TW512": ("graph-kept-alive", "error"),
    "TW515": ("weight-decay-too-strong", "warning"),
    "TW516": ("optimizer-state-lost-on-resume", "error"),
    "TW517": ("parameter-rebound", "error"),
    "TW604": ("scheduler-never-stepped", "warning"),
    "TW605": ("scheduler-before-optimizer", "warning"),
    "TW701": ("training-in-eval-mode", "error"),
    "TW702": ("evaluating-in-train-mode", "warning"),
    "TW704": ("gradients-tracked-in-evaluation", "note"),
    "TW801": ("vanishing-gradients", "warning"),
    "TW802": ("exploding-gradients", "warning"),
    "TW804": ("fp16-underflow", "error"),
    "TW805": ("scaler-keeps-skipping", "warning"),
    "TW807": ("autocast-not-applied", "warning"),
    "TW705": ("batch-norm-statistics-stale", "warning"),
}


def test_each_promised_kind_is_there_with_its_code_and_severity() -> None:
    assert {kind.code: (kind.kind, kind.severity) for kind in KINDS} == PROMISED


@EACH_KIND
def test_a_kind_is_well_formed_and_explains_only_what_exists(kind: Kind) -> None:
    known = {other.kind for other in (*CATALOGUE.values(), *KINDS)}
    assert set(kind.causes) <= known - {kind.kind}
    assert kind.title[0].islower()
    assert not kind.title.endswith(".")
    assert all(text.endswith(".") for text in (kind.what, kind.hurts, kind.fix, kind.wrong_when))


def test_every_rule_judges_a_kind_that_no_other_judges() -> None:
    codes = [rule.kind.code for rule in LOOP_RULES]
    assert len(set(codes)) == len(codes)
    assert {kind.code for kind in KINDS} <= set(codes)


def test_our_own_loop_is_not_judged_by_what_is_seen_of_foreign_ones() -> None:
    own = healthy()
    needing = [rule for rule in LOOP_RULES if "loop" in rule.needs]
    assert len(needing) > 30
    assert all("does this right" in (rule.missing(own) or "") for rule in needing)


def test_a_healthy_watched_loop_shows_nothing() -> None:
    chart = watched(schedulers=(scheduler(),), optimizers=(optimizer("AdamW"),), waiting_fraction=0.1)
    assert [rule.kind.kind for rule in LOOP_RULES if rule.judge(chart) is not None] == []


def sound(finding: Finding | None, kind: Kind) -> None:
    """Assert that a rule said nothing, or something well-formed of its own kind."""
    if finding is None:
        return
    assert (finding.code, finding.kind) == (kind.code, kind.kind)
    assert finding.title
    assert finding.because
    assert finding.evidence
    assert finding.remedies
    assert 0 < finding.confidence <= 1
    assert finding.step is None or finding.step >= 0
    assert all(item.name and isinstance(item.value, float | int | str | bool) for item in finding.evidence)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for remedy in finding.remedies for name in remedy.change or {})


@pytest.mark.parametrize("name", NAMES)
def test_every_sighting_is_judged_whatever_facts_it_lacks(name: SightingName) -> None:
    for seen in (sighting(500, 500), sighting(500, None), sighting(1, 1), Sighting(count=0, step=0)):
        for facts in (LoopFacts(sightings={name: seen}), loop({name: seen}, steps=0)):
            chart = replace(WATCHED, info=replace(WATCHED.info, loop=facts))
            for rule in LOOP_RULES:
                sound(rule.judge(chart), rule.kind)


NUMBERS = st.one_of(st.integers(-2, 600), st.floats(allow_nan=True, allow_infinity=True))
POSITIVE = st.integers(0, 600)
FLOATS = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
PLACES = st.builds(Location, file=st.sampled_from([None, "train.py"]), line=st.sampled_from([None, 3]))
FACT_NAMES = (
    "share count names rate steps skipped dtype flipped restored trainable samples missing total unexpected entropy "
    "epochs batches limit zeroed coefficient module attribute feeds"
)
FACTS = st.dictionaries(
    st.sampled_from(FACT_NAMES.split()),
    st.one_of(NUMBERS, st.booleans(), st.sampled_from(["", "float16", "bfloat16"])),
    max_size=4,
)
SIGHTINGS = st.builds(
    Sighting, count=POSITIVE, step=POSITIVE, where=PLACES, chances=st.one_of(st.none(), POSITIVE), facts=FACTS
)
GROUPS = st.builds(
    GroupFacts,
    parameters=POSITIVE,
    elements=POSITIVE,
    rate=st.floats(),
    decay=st.floats(),
    decoupled=st.booleans(),
    epsilon=FLOATS,
    momentum=FLOATS,
    undecayable=POSITIVE,
    dtype=st.sampled_from(["float16", "float32"]),
    decay_to_gradient=FLOATS,
)
OPTIMIZERS = st.builds(
    OptimizerFacts,
    name=st.sampled_from(["SGD", "Adam"]),
    where=PLACES,
    steps=POSITIVE,
    adaptive=st.booleans(),
    groups=st.lists(GROUPS, max_size=2).map(tuple),
)
SCHEDULERS = st.builds(
    SchedulerFacts,
    name=st.sampled_from(["", "CosineAnnealingLR", "LinearLR"]),
    where=PLACES,
    horizon=st.one_of(st.none(), POSITIVE),
    cyclic=st.booleans(),
    calls=POSITIVE,
    calls_before_first_step=POSITIVE,
    calls_in_first_epoch=st.one_of(st.none(), POSITIVE),
    call_places=st.lists(PLACES, max_size=3).map(tuple),
    optimizer_steps=POSITIVE,
    epochs=POSITIVE,
    steps_per_epoch=st.one_of(st.none(), POSITIVE),
    first_rate=FLOATS,
    last_rate=FLOATS,
    low=FLOATS,
    high=FLOATS,
)
LOOPS = st.builds(
    LoopFacts,
    steps=POSITIVE,
    epochs=POSITIVE,
    turns=st.booleans(),
    finished=st.booleans(),
    attention=st.booleans(),
    waiting_fraction=FLOATS,
    sightings=st.dictionaries(st.sampled_from(NAMES), SIGHTINGS, max_size=6),
    optimizers=st.lists(OPTIMIZERS, max_size=2).map(tuple),
    schedulers=st.lists(SCHEDULERS, max_size=2).map(tuple),
)
ROWS = st.lists(st.tuples(st.floats(), FLOATS, st.booleans()), max_size=30)
LAYERS = st.lists(st.tuples(st.integers(0, 3), FLOATS, FLOATS), max_size=12)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    """Return any chart of a foreign loop."""
    rows = draw(ROWS) * draw(st.sampled_from([1, 6]))
    start = StepRecord(step=0, epoch=0, loss=0.0, rate=draw(st.floats()), samples=1)
    made: list[Any] = [
        replace(start, step=step, loss=loss, gradient_norm=norm, skipped=skipped)
        for step, (loss, norm, skipped) in enumerate(rows)
    ]
    layers = [
        LayerStats(
            step=step, module=str(index), kind="Linear", units=1, samples=1, mean=0.0, std=1.0,
            zero_fraction=0.0, dead_fraction=0.0, weight_norm=weight, gradient_norm=gradient,
        )
        for index, (step, weight, gradient) in enumerate(draw(LAYERS))
    ]  # fmt: skip
    head = draw(st.sampled_from([RunInfo(), info()]))
    return Chart(info=replace(head, loop=draw(LOOPS)), steps=made, layers=layers, evals=WATCHED.evals[:2])


@given(chart=charts())
@profile(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_loop_makes_a_rule_raise_or_say_something_malformed_or_two_things(chart: Chart) -> None:
    for rule in LOOP_RULES:
        if rule.missing(chart) is None:
            first = rule.judge(chart)
            sound(first, rule.kind)
            assert str(rule.judge(chart)) == str(first)


def test_what_was_seen_of_a_loop_survives_being_stored() -> None:
    chart = watched({"gradients-carried-over": sighting()}, schedulers=(scheduler(calls=0),), turns=False)
    stored = from_plain(Chart, json.loads(json.dumps(to_plain(chart))))
    for rule in LOOP_RULES:
        assert str(rule.judge(stored)) == str(rule.judge(chart))
