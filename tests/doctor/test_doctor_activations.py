"""Dead units, from layers measured on the reference samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from doctor_charts import FILE, LINES, evidence, healthy, info, judge, not_judged, relu, settings, value

from trainwright.records import Chart, LayerStats, Location

KIND = "dead-relu"


def of(layers: Sequence[LayerStats], **facts: object) -> Chart:
    return healthy(layers=layers, info=info(**facts))


def test_half_a_layer_dead_twice_in_a_row_is_a_warning_from_when_it_was_first_seen() -> None:
    layers = [relu(0, 0.1), relu(20, 0.6), relu(70, 0.5), relu(200, 0.55)]
    finding = judge(KIND, of(layers))
    assert finding is not None
    assert (finding.code, finding.severity, finding.step) == ("TW402", "warning", 20)
    assert finding.where == Location(file=FILE, line=LINES["optimizer.lr"], module="1")
    assert evidence(finding, "64 units at zero for all 512").threshold == 0.5
    assert (value(finding, "64 units at zero for all 512"), value(finding, "the same share")) == (0.55, 0.5)
    assert "55%" in finding.title


def test_sixty_four_samples_are_enough_to_tell() -> None:
    assert judge(KIND, of([relu(20, 1.0, samples=64), relu(70, 1.0, samples=64)])) is not None


@pytest.mark.parametrize(("before", "last", "severity"), [(0.9, 0.9, "error"), (0.89, 1.0, "warning")])
def test_nine_tenths_in_both_measurements_are_an_error(before: float, last: float, severity: str) -> None:
    finding = judge(KIND, of([relu(20, before), relu(70, last)]))
    assert finding is not None
    assert finding.severity == severity


@pytest.mark.parametrize(
    "layers",
    [
        [relu(20, 0.49), relu(70, 1.0)],
        [relu(20, 1.0), relu(70, 0.49)],
        [relu(20, 1.0)],
        [relu(20, 1.0, module="1"), relu(20, 1.0, module="3")],
        [relu(20, 1.0, samples=63), relu(70, 1.0, samples=63)],
        [relu(20, 1.0, kind="GELU"), relu(70, 1.0, kind="GELU")],
        [relu(20, 0.0, zero_fraction=0.6), relu(70, 0.0, zero_fraction=0.6)],
    ],
    ids=["once", "recovered", "one look", "one look at each", "few samples", "no ReLU", "zeros, but none always"],
)
def test_less_than_that_is_no_finding(layers: list[LayerStats]) -> None:
    assert judge(KIND, of(layers)) is None


def test_the_worst_layer_is_named() -> None:
    layers = [relu(step, dead, module=name) for step in (20, 70) for name, dead in (("1", 0.5), ("3", 0.8))]
    finding = judge(KIND, of(layers))
    assert finding is not None
    assert finding.where.module == "3"


def test_units_that_died_in_training_call_for_a_lower_rate() -> None:
    layers = [relu(0, 0.0), relu(20, 0.6), relu(70, 0.6)]
    finding = judge(KIND, of(layers))
    assert finding is not None
    assert finding.remedies[0].change == {"optimizer.lr": 0.0033}
    recommended = judge(KIND, of(layers, recommended_rate=3e-4))
    assert recommended is not None
    assert recommended.remedies[0].change == {"optimizer.lr": 3e-4}
    unknown = judge(KIND, of(layers, settings={}))
    assert unknown is not None
    assert unknown.remedies[0].change is None


def test_units_that_were_born_dead_call_for_another_initialisation() -> None:
    finding = judge(KIND, of([relu(0, 1.0), relu(20, 1.0)], settings=settings()))
    assert finding is not None
    assert finding.step == 0
    assert "initialise" in finding.remedies[0].text
    assert finding.remedies[0].change is None


def test_without_layers_it_is_not_judged() -> None:
    assert not_judged(KIND, replace(healthy(), layers=())) == "the layers were not measured"
