"""The rules of a model, on charts made by hand: what each needs to speak, and what keeps it silent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from doctor_charts import CONSTANT, info, steps
from doctor_loops import loop, sighting, watched

from trainwright.doctor.activations import chance_of, dead_relu, is_dead, saturated_activations
from trainwright.doctor.diagnose import diagnose
from trainwright.doctor.gradients import exploding_gradients
from trainwright.doctor.model_output import collapsed_predictions, initial_loss_too_high, outputs_ignore_input
from trainwright.doctor.model_signal import scale_with_depth
from trainwright.doctor.model_start import dropout_too_strong, no_nonlinearity, symmetric_initialisation
from trainwright.records import Chart, LayerStats, Location, OutputFacts, StepRecord
from trainwright.records.loss_call import LossCall, LossInput, LossTarget

HERE = Location(file="/home/me/train.py", line=7)


def layer(module: str, kind: str = "ReLU", *, step: int = 0, **facts: float) -> LayerStats:
    plain = {"mean": 0.0, "std": 1.0, "zero_fraction": 0.0, "dead_fraction": 0.0} | facts
    return LayerStats(step=step, module=module, kind=kind, units=32, samples=256, where=HERE, **plain)  # type: ignore[arg-type]


def chart(*layers: LayerStats, **facts: object) -> Chart:
    return Chart(info=info(loop=loop(), **facts), layers=layers, steps=steps(lambda share: 1.0, 60))


def entering(low: float, high: float, function: str = "cross_entropy", *, loss: float) -> Chart:
    call = LossCall(
        function=function,
        where=HERE,
        input=LossInput(shape=(32, 10), minimum=low, maximum=high),
        target=LossTarget(shape=(32,)),
    )
    output = OutputFacts(shape=(32, 10), operation="", calls=(call,))
    first = StepRecord(step=0, epoch=0, loss=loss, rate=0.1, samples=32)
    return Chart(info=info(loop=loop(), output=output), steps=(first,))


def test_nearly_all_units_dead_at_the_start_is_an_error_at_once() -> None:
    found = dead_relu(chart(layer("1", dead_fraction=0.97)))
    assert found is not None
    assert (found.severity, found.where.line, found.step) == ("error", 7, 0)


def test_half_of_the_units_are_judged_when_they_are_dead_twice() -> None:
    once, again = layer("1", dead_fraction=0.6), layer("1", dead_fraction=0.6, step=20)
    assert dead_relu(chart(once)) is None
    assert dead_relu(chart(once, again)) is not None


def test_units_that_never_change_their_sign_are_off_as_often_as_on_by_chance() -> None:
    split = [layer("1", dead_fraction=0.5, on_fraction=0.5, step=step) for step in (0, 20)]
    assert dead_relu(chart(*split)) is None
    assert chance_of(16, 32) > 0.5
    assert is_dead(0.6, 0.0, 32)
    assert not is_dead(0.6, 0.4, 32)


def test_activations_that_are_flat_at_the_start_are_a_warning_and_later_ones_are_not() -> None:
    assert saturated_activations(chart(layer("1", "Tanh", flat_fraction=0.9))) is not None
    assert saturated_activations(chart(layer("1", "Tanh", flat_fraction=0.3))) is None
    assert saturated_activations(chart(layer("1", "Tanh", flat_fraction=0.9, step=20))) is None


@pytest.mark.parametrize(("factor", "spoken"), [(0.05, True), (0.8, False)])
def test_a_signal_that_shrinks_from_layer_to_layer_is_named(factor: float, spoken: bool) -> None:
    layers = [layer(str(place), "Linear", std=factor**place) for place in range(7)]
    assert (scale_with_depth(chart(*layers)) is not None) == spoken


def test_a_gradient_that_shrinks_is_measured_in_parts_of_the_weights() -> None:
    layers = [layer(str(place), "Linear", weight_norm=2.0, gradient_norm=0.1 ** (7 - place)) for place in range(7)]
    found = scale_with_depth(chart(*layers))
    assert found is not None
    assert found.where.module == "0"


def test_one_layer_of_another_size_is_no_matter_of_depth() -> None:
    layers = [layer(str(place), "Linear", std=1e-6 if place == 3 else 1.0) for place in range(8)]
    assert scale_with_depth(chart(*layers)) is None


def test_a_first_loss_far_above_a_guess_needs_large_outputs_too() -> None:
    assert initial_loss_too_high(entering(-20.0, 20.0, loss=9.0)) is not None
    assert initial_loss_too_high(entering(-1.0, 1.0, loss=9.0)) is None
    assert initial_loss_too_high(entering(-20.0, 20.0, loss=3.0)) is None


def test_a_class_that_is_named_always_is_judged_by_how_sure_the_model_is() -> None:
    facts = {"class": 2, "samples": 256, "share": 0.3, "probability": 0.9}
    found = collapsed_predictions(watched({"predictions-collapsed": sighting(1, None, **facts)}))
    assert found is not None
    assert found.severity == "warning"
    assert "class 2" in found.title


def test_what_was_seen_of_a_model_is_said_where_it_was_seen() -> None:
    seen = {
        "units-alike": sighting(1, None, parameter="0.weight", zero=True, names="0.weight"),
        "linear-in-a-row": sighting(1, None, first="0.weight", second="1.weight", sizes="4 to 8 to 4", pairs=2),
        "dropout-strong": sighting(1, None, module="3", p=0.95, layers=1),
        "outputs-alike": sighting(1, None, variation=0.0, looks=5, module="norm", layer="LayerNorm"),
    }
    both = watched(seen)  # type: ignore[arg-type]
    found = (symmetric_initialisation, no_nonlinearity, dropout_too_strong, outputs_ignore_input)
    for rule, kind in zip(found, ("TW401", "TW405", "TW412", "TW409"), strict=True):
        finding = rule(both)
        assert finding is not None
        assert (finding.code, finding.where.line) == (kind, 41)
    assert diagnose(both)[0].code == "TW401"


@pytest.mark.parametrize(("kind", "spoken"), [("RNN", True), ("Linear", False)])
def test_one_batch_that_explodes_counts_in_a_recurrent_network_that_does_not_learn(kind: str, spoken: bool) -> None:
    plain = StepRecord(step=0, epoch=0, loss=CONSTANT, rate=0.1, samples=32, gradient_norm=1.0)
    rows = [replace(plain, step=step) for step in range(60)]
    rows[40] = replace(rows[40], loss=1.6 * CONSTANT, gradient_norm=30.0)
    sick = replace(chart(layer("rnn", kind)), steps=tuple(rows))
    assert (exploding_gradients(sick) is not None) == spoken
