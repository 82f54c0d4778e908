"""What is said of the samples of a loop: shared, prepared differently, unrelated to labels, unevenly counted."""

from __future__ import annotations

from typing import Any

import pytest
from doctor_charts import CONSTANT, call, entered, evals, falling, info, inputs, judge, steps, targets
from doctor_loops import HERE, flat, loop, looped, sighting

from trainwright.doctor.diagnose import diagnose
from trainwright.records import Chart, Location, Setting

ALIKE: dict[str, Any] = {
    "shift": 0.1,
    "log_ratio": 0.05,
    "shift_error": 0.05,
    "drift_shift": 0.1,
    "drift_log_ratio": 0.05,
    "pooled": False,
    "centred": False,
    "complete": True,
    "training": "mean 0, standard deviation 1",
    "validation": "mean 9, standard deviation 4",
}
TARGETS = Location(file="/home/me/train.py", line=40)
PLACES = {"data.target": Setting(value=None, where=TARGETS)}


def overlapping(**facts: Any) -> Chart:
    seen = sighting(1, None, step=20, **{"found": 30, "asked": 100, "expected": 0.0, "by_index": True, **facts})
    return looped(loop({"validation-overlaps-training": seen}))


def prepared(**facts: Any) -> Chart:
    return looped(loop({"validation-prepared-differently": sighting(1, None, step=20, **{**ALIKE, **facts})}))


def learning(losses: Any, held_out: float, *, accuracy: float = 0.11, relation: float | None = None) -> Chart:
    """Return a loop whose validation stays at one loss, with labels of ten classes."""
    about = {"integral": True, "distinct": 10, "commonest": 0.105, "rarest": 0.09, "relation": relation}
    return looped(
        loop(),
        targets=targets(constant_loss=CONSTANT, **about),
        task="classification",
        steps_per_epoch=None,
        settings=PLACES,
        steps=steps(losses),
        evals=evals([held_out] * 6, accuracy=[accuracy] * 6),
    )


def test_shared_samples_are_an_error_above_one_in_a_hundred() -> None:
    finding = judge("validation-overlaps-training", overlapping())
    assert finding is not None
    assert (finding.severity, finding.where, finding.step) == ("error", HERE, 20)
    few = judge("validation-overlaps-training", overlapping(found=5, asked=1000))
    assert few is not None
    assert few.severity == "warning"
    assert judge("validation-overlaps-training", overlapping(found=1, asked=5000)) is None


def test_rows_that_are_equal_by_chance_are_allowed_for() -> None:
    assert judge("validation-overlaps-training", overlapping(expected=0.4, by_index=False)) is None


@pytest.mark.parametrize(
    ("facts", "sick"),
    [
        ({}, False),
        ({"shift": 5.0}, True),
        ({"shift": 5.0, "drift_shift": 2.0}, False),
        ({"shift": 5.0, "shift_error": 1.0}, False),
        ({"log_ratio": 2.0}, True),
        ({"log_ratio": 2.0, "drift_log_ratio": 1.0}, False),
        ({"log_ratio": 0.7, "pooled": True}, True),
        ({"log_ratio": 0.7, "pooled": True, "complete": False}, False),
        ({"shift": 1.3, "pooled": True, "complete": False}, True),
        ({"centred": True}, True),
        ({"centred": True, "complete": False}, False),
    ],
)
def test_another_preparation_is_told_from_a_drift_of_the_data(facts: dict[str, Any], sick: bool) -> None:
    assert (judge("validation-preprocessed-differently", prepared(**facts)) is not None) == sick


def test_what_was_learnt_by_heart_and_helps_nowhere_has_labels_of_other_samples() -> None:
    finding = judge("labels-unrelated-to-inputs", learning(falling, 1.2 * CONSTANT))
    assert finding is not None
    assert finding.where == TARGETS
    assert judge("labels-unrelated-to-inputs", learning(falling, 1.2 * CONSTANT, accuracy=0.5)) is None
    assert judge("labels-unrelated-to-inputs", learning(falling, 0.9 * CONSTANT)) is None


def test_a_relation_that_simple_predictors_find_speaks_for_the_labels() -> None:
    assert judge("labels-unrelated-to-inputs", learning(falling, 1.2 * CONSTANT, relation=9.0)) is None


def test_a_network_that_learns_nothing_is_blamed_on_the_labels_only_where_they_show_no_relation() -> None:
    assert judge("labels-unrelated-to-inputs", learning(flat, 1.01 * CONSTANT)) is None
    assert judge("labels-unrelated-to-inputs", learning(flat, 1.01 * CONSTANT, relation=3.0)) is None
    assert judge("labels-unrelated-to-inputs", learning(flat, 1.01 * CONSTANT, relation=0.3)) is not None


def test_outliers_matter_to_the_squared_error_alone() -> None:
    facts = targets(farthest_share=0.97)
    squared = looped(loop(), targets=facts, loss="mse", output=call("mse_loss", target=entered()))
    huber = looped(loop(), targets=facts, loss="huber", output=call("huber_loss", target=entered()))
    assert judge("outliers-dominate-loss", squared) is not None
    assert judge("outliers-dominate-loss", huber) is None


@pytest.mark.parametrize(("order", "sick"), [(1.0, True), (0.5, False), (-1.0, False), (None, False)])
def test_weights_that_rise_with_the_counts_are_inverted(order: float | None, sick: bool) -> None:
    chart = looped(loop(), targets=targets(weight_order=order, weighted=True))
    assert (judge("class-weights-inverted", chart) is not None) == sick


def test_a_rare_class_is_a_note_unless_the_loss_makes_up_for_it() -> None:
    rare = {"rarest": 0.01, "commonest": 0.6, "distinct": 3, "samples": 5000, "integral": True}
    finding = judge("class-imbalance", looped(loop(), targets=targets(**rare)))
    assert finding is not None
    assert finding.severity == "note"
    assert judge("class-imbalance", looped(loop(), targets=targets(**rare, weighted=True))) is None
    many = targets(rarest=0.001, commonest=0.012, distinct=200, samples=1000, integral=True)
    assert judge("class-imbalance", looped(loop(), targets=many)) is None
    informed = looped(loop(), targets=targets(**rare, constant_loss=0.72), steps=steps(lambda share: 0.75 - share / 2))
    assert judge("class-imbalance", informed) is None
    assert judge("class-imbalance", looped(loop(), targets=targets(**{**rare, "rarest": 0.2}))) is None


def test_huge_inputs_explain_a_loss_that_is_not_finite_and_small_ones_do_not() -> None:
    broken = steps(lambda share: float("nan") if share > 0.1 else 2.0)
    huge = Chart(info=info(inputs=inputs(std=1e9, minimum=-3e9, maximum=3e9)), steps=broken)
    assert [finding.kind for finding in diagnose(huge)] == ["inputs-not-normalised"]
    wide = Chart(info=info(inputs=inputs(std=12.0, minimum=-40.0, maximum=40.0)), steps=broken)
    finding = judge("inputs-not-normalised", wide)
    assert finding is not None
    assert finding.severity == "warning"
