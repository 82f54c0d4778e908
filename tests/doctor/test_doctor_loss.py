"""Rules about what enters the loss, one chart each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from doctor_charts import (
    FILE,
    call,
    entered,
    evidence,
    healthy,
    info,
    judge,
    output,
    quantities,
    settings,
    targets,
    value,
)

from trainwright.doctor.loss_entering import entering, words, written
from trainwright.records import Chart, Finding, Location, OutputFacts
from trainwright.records.loss_call import LossCall, LossInput

SOFTMAX = "softmax-before-cross-entropy"
SIGMOID = "sigmoid-before-bce-with-logits"
NLL = "nll-without-log-softmax"
KL = "kl-div-input-not-log"
PAIRS = "loss-shape-broadcast"
DIMENSION = "softmax-wrong-dimension"
ONE_UNIT = "softmax-over-one-unit"
REACH = "relu-on-output"
DISTANCE = "regression-loss-for-classes"
SEVERAL = "multi-label-with-softmax"
BCE = "binary_cross_entropy_with_logits"


def found(kind: str, facts: OutputFacts, **changes: Any) -> Finding | None:
    """Judge a run whose loss has no name of its own, so that only what was seen of it counts."""
    return judge(kind, healthy(info=info(**{"loss": "", "output": facts} | changes)))


def chart(facts: OutputFacts, loss: str) -> Chart:
    return Chart(info=info(loss=loss, output=facts))


class TestWhatEnters:
    def test_the_losses_that_were_called_are_taken_before_the_name(self) -> None:
        assert [each.function for each in entering(chart(call("log_softmax"), ""))] == ["log_softmax"]
        assert [each.function for each in entering(chart(call("mse_loss"), "mse"))] == ["mse_loss"]

    def test_the_name_adds_what_the_loss_as_a_whole_was_given(self) -> None:
        facts = call("log_softmax")
        whole = LossCall(input=LossInput(shape=(64, 10)), target=entered(most=3))
        facts = replace(facts, calls=(*facts.calls, whole))
        seen = entering(chart(facts, "cross_entropy"))
        assert [each.function for each in seen] == ["log_softmax", "cross_entropy"]
        assert seen[1].target == whole.target
        assert [each.function for each in entering(chart(facts, ""))] == ["log_softmax"]

    def test_a_run_that_was_recorded_without_calls_is_judged_by_its_name(self) -> None:
        (seen,) = entering(chart(output(), "nll"))
        assert (seen.function, seen.input.operation, seen.target) == ("nll_loss", "Addmm", None)
        (seen,) = entering(chart(output(loss_softmax=True), ""))
        assert seen.function == "cross_entropy"
        assert entering(Chart(info=info(output=None))) == ()

    def test_operations_and_shapes_are_written_as_people_write_them(self) -> None:
        assert (words("LogSoftmax"), words("Relu"), words("")) == ("log_softmax", "relu", "")
        assert (written((64,)), written((64, 10, 5))) == ("(N,)", "(N, 10, 5)")


class TestSoftmax:
    def test_a_softmax_inside_the_loss_is_found_at_its_line(self) -> None:
        place = Location(file="loss.py", line=3)
        inner = replace(call(operation="Softmax").calls[0].input, where=place)
        finding = found(SOFTMAX, output(calls=(LossCall(function="log_softmax", input=inner),)))
        assert finding is not None
        assert finding.where == place

    def test_a_softmax_before_a_log_softmax_of_the_model_is_one_too_many(self) -> None:
        finding = found(SOFTMAX, call("nll_loss", operation="LogSoftmax", previous="Softmax"))
        assert finding is not None
        assert finding.title == "softmax is applied before log_softmax"

    def test_values_must_sum_to_one_both_where_the_loss_was_called_and_in_every_batch(self) -> None:
        facts = call(row_sum_error=1e-7)
        assert found(SOFTMAX, facts) is not None
        assert found(SOFTMAX, replace(facts, row_sum_error=None)) is None
        assert found(SOFTMAX, replace(facts, row_sum_error=0.1)) is None
        assert found(SOFTMAX, call(row_sum_error=1e-7, shape=(64, 2))) is None

    def test_another_loss_may_have_its_softmax(self) -> None:
        assert found(SOFTMAX, call("mse_loss", operation="Softmax", row_sum_error=0.0)) is None


class TestSigmoid:
    def test_a_sigmoid_in_the_graph_is_an_error_with_both_floors(self) -> None:
        finding = found(SIGMOID, call(BCE, operation="Sigmoid", minimum=0.2, maximum=0.8))
        assert finding is not None
        assert (finding.severity, finding.confidence) == ("error", 1.0)
        assert (value(finding, "loss of a no"), value(finding, "loss of a yes")) == (0.693, 0.313)
        assert value(finding, "last operation") == "sigmoid"

    def test_a_softmax_there_is_called_one(self) -> None:
        finding = found(SIGMOID, call(BCE, operation="Softmax"))
        assert finding is not None
        assert finding.title == "softmax is applied before bce_with_logits"

    def test_the_same_sigmoid_twice_is_found_before_plain_binary_cross_entropy(self) -> None:
        assert found(SIGMOID, call("binary_cross_entropy", operation="Sigmoid", previous="Sigmoid")) is not None
        assert found(SIGMOID, call("binary_cross_entropy", operation="Sigmoid", previous="Addmm")) is None

    @pytest.mark.parametrize(
        ("low", "high", "size", "seen"),
        [(0.1, 0.9, 64, True), (0.1, 0.4, 64, False), (0.0, 0.9, 64, False), (0.1, 0.9, 32, False)],
    )
    def test_by_value_alone_it_is_a_warning_and_needs_values_around_a_half(
        self, low: float, high: float, size: int, seen: bool
    ) -> None:
        finding = found(SIGMOID, call(BCE, operation="", minimum=low, maximum=high, shape=(size, 1)))
        assert (finding is not None) == seen
        assert finding is None or (finding.severity, finding.confidence) == ("warning", 0.9)
        assert found(SIGMOID, call(BCE, operation="Addmm", minimum=low, maximum=high, shape=(size, 1))) is None


class TestLogarithms:
    @pytest.mark.parametrize(("kind", "function"), [(NLL, "nll_loss"), (KL, "kl_div")])
    def test_what_does_not_sum_to_one_as_exponentials_is_no_log_probability(self, kind: str, function: str) -> None:
        raw = found(kind, call(function))
        assert raw is not None
        assert "raw outputs" in raw.title
        assert evidence(raw, "log of the sum").threshold == 5e-2
        soft = found(kind, call(function, operation="Softmax", log_sum_error=1.6))
        assert soft is not None
        assert "probabilities" in soft.title
        assert "log_softmax" in soft.remedies[0].text

    @pytest.mark.parametrize(("kind", "function"), [(NLL, "nll_loss"), (KL, "kl_div")])
    @pytest.mark.parametrize(
        "changes",
        [{"log_sum_error": 1e-6}, {"log_sum_error": 2e-2}, {"logarithm": True}, {"log_sum_error": None}],
        ids=["float32", "bfloat16", "a logarithm was taken", "not measured"],
    )
    def test_log_probabilities_and_whatever_was_made_by_a_logarithm_are_fine(
        self, kind: str, function: str, changes: dict[str, Any]
    ) -> None:
        assert found(kind, call(function, **changes)) is None

    def test_the_line_of_the_call_is_named_or_the_setting_or_the_module(self) -> None:
        line = Location(file="train.py", line=9)
        at = [
            found(NLL, call("nll_loss", where=line)),
            found(NLL, call("nll_loss"), settings=settings(loss__name="nll")),
            found(NLL, replace(call("nll_loss"), calls=(_made_in(Location(module="head")),))),
        ]
        assert [finding.where if finding else None for finding in at] == [
            line,
            Location(file=FILE),
            Location(module="head"),
        ]


def _made_in(place: Location) -> LossCall:
    each = call("nll_loss").calls[0]
    return replace(each, input=replace(each.input, where=place))


class TestShapes:
    @pytest.mark.parametrize(
        ("ours", "theirs", "reduction", "seen"),
        [
            ((64, 1), (64,), "mean", True),
            ((64,), (64, 1), "sum", True),
            ((64, 1, 1), (64,), "mean", True),
            ((64, 1), (64,), "none", False),
            ((64, 1), (64, 1), "mean", False),
            ((64, 1), (1, 64), "mean", False),
            ((64, 3), (64, 1), "mean", False),
            ((1, 1), (1,), "mean", False),
            ((64, 1), (32,), "mean", False),
            ((64, 3), (3,), "mean", False),
        ],
    )
    def test_only_the_same_values_in_another_number_of_dimensions_are_a_broadcast_by_mistake(
        self, ours: tuple[int, ...], theirs: tuple[int, ...], reduction: str, seen: bool
    ) -> None:
        facts = call("mse_loss", shape=ours, target=quantities(shape=theirs))
        facts = replace(facts, calls=(replace(facts.calls[0], reduction=reduction),))
        finding = found(PAIRS, facts)
        assert (finding is not None) == seen
        if finding is not None:
            assert evidence(finding, "pairs").value == 64 * 64
            assert evidence(finding, "pairs").threshold == 64
            assert "squeeze" in finding.remedies[0].text

    @pytest.mark.parametrize("function", ["cross_entropy", "kl_div", BCE])
    def test_other_losses_have_shapes_of_their_own(self, function: str) -> None:
        assert found(PAIRS, call(function, shape=(64, 1), target=quantities(shape=(64,)))) is None


class TestDimension:
    @pytest.mark.parametrize(
        ("shape", "worked_on", "dimension", "seen"),
        [
            ((64, 10), (64, 10), 0, True),
            ((64, 10), (64, 10), 1, False),
            ((64, 64), (64, 64), 0, False),
            ((64, 10), (10, 64), 0, False),
            ((640, 10), (64, 10, 10), 0, False),
            ((64, 1), (64, 1), 0, False),
            ((64, 10, 5), (64, 10, 5), 2, True),
            ((64, 10, 5), (64, 10, 5), 1, False),
            ((64, 10, 5), (64, 5, 10), 2, False),
            ((64, 10, 10), (64, 10, 10), 2, False),
        ],
    )
    def test_along_samples_or_positions_is_wrong_and_a_square_may_have_been_turned(
        self, shape: tuple[int, ...], worked_on: tuple[int, ...], dimension: int, seen: bool
    ) -> None:
        facts = call("nll_loss", shape=shape, operation="LogSoftmax", dimension=dimension, operation_shape=worked_on)
        finding = found(DIMENSION, facts)
        assert (finding is not None) == seen
        assert finding is None or value(finding, "dimension that") == dimension

    def test_the_batch_is_known_where_the_loss_was_given_all_positions_in_one_row_each(self) -> None:
        facts = call("nll_loss", shape=(320, 10), operation="LogSoftmax", dimension=0, operation_shape=(64, 5, 10))
        assert found(DIMENSION, replace(facts, shape=(64, 5, 10))) is not None

    def test_without_a_loss_of_the_library_the_samples_may_compete_on_purpose(self) -> None:
        facts = call("", operation="Softmax", dimension=0, operation_shape=(64, 10))
        assert found(DIMENSION, facts) is None

    def test_before_cross_entropy_the_remedy_is_to_drop_it(self) -> None:
        finding = found(DIMENSION, call(operation="Softmax", dimension=0, operation_shape=(64, 10)))
        assert finding is not None
        assert "drop the softmax" in finding.remedies[0].text


class TestOneUnit:
    def test_a_softmax_along_a_dimension_of_one_is_constant_whatever_the_loss(self) -> None:
        for function in ("", "mse_loss", "binary_cross_entropy"):
            finding = found(
                ONE_UNIT, call(function, shape=(64,), operation="Softmax", dimension=1, operation_shape=(64, 1))
            )
            assert finding is not None
            assert finding.title == "softmax over a single unit is always 1"

    def test_a_cross_entropy_of_one_unit_is_always_zero(self) -> None:
        finding = found(ONE_UNIT, call(shape=(64, 1)))
        assert finding is not None
        assert finding.title == "cross_entropy over a single unit is always 0"
        assert found(ONE_UNIT, call(shape=(64, 2))) is None
        assert found(ONE_UNIT, call(BCE, shape=(64, 1))) is None

    def test_an_old_recording_tells_it_from_the_shape(self) -> None:
        assert (
            judge(ONE_UNIT, healthy(info=info(loss="mse", output=output(operation="Softmax", shape=(64, 1)))))
            is not None
        )
        assert judge(ONE_UNIT, healthy(info=info(loss="mse", output=output(operation="Softmax")))) is None


class TestReach:
    @pytest.mark.parametrize(("share", "severity"), [(0.0, None), (0.01, "warning"), (0.05, "error"), (1.0, "error")])
    def test_how_many_targets_are_out_of_reach_makes_it_an_error(self, share: float, severity: str | None) -> None:
        finding = found(
            REACH, call("mse_loss", shape=(64, 1), operation="Relu", low=0.0, target=quantities(outside=share))
        )
        assert (finding.severity if finding else None) == severity
        assert finding is None or value(finding, "what relu can give") == "at least 0"

    def test_a_logit_that_is_never_negative_cannot_say_no(self) -> None:
        finding = found(REACH, call(BCE, operation="Relu", low=0.0, target=entered(below_half=0.5)))
        assert finding is not None
        assert (finding.severity, value(finding, "loss of a no")) == ("error", 0.693)
        assert found(REACH, call(BCE, operation="Relu", low=0.0, target=entered(below_half=0.0))) is None

    @pytest.mark.parametrize(
        ("low", "high", "floor"),
        [(-1.0, 1.0, math.log(1 + 9 * math.exp(-2))), (0.0, 1.0, math.log(1 + 9 / math.e)), (-10.0, 10.0, None)],
        ids=["tanh", "sigmoid", "clamped far out"],
    )
    def test_bounded_logits_leave_a_floor(self, low: float, high: float, floor: float | None) -> None:
        finding = found(REACH, call(operation="Hardtanh", low=low, high=high))
        assert (finding is not None) == (floor is not None)
        assert finding is None or value(finding, "least loss") == pytest.approx(floor, abs=1e-4)
        assert finding is None or finding.severity == "warning"

    def test_a_relu_into_cross_entropy_is_a_warning_and_log_softmax_is_nothing(self) -> None:
        finding = found(REACH, call(operation="Relu", low=0.0))
        assert finding is not None
        assert finding.severity == "warning"
        assert found(REACH, call(operation="LogSoftmax", high=0.0)) is None
        assert found(REACH, call(operation="Addmm")) is None


EVEN = {"rarest": 0.09, "commonest": 0.11}
"""Shares of ten values, all about as frequent."""


class TestClasses:
    def test_whole_numbers_from_zero_all_as_frequent_look_like_ids(self) -> None:
        facts = call("mse_loss", shape=(64, 1), target=entered(shape=(64, 1), floating=True))
        finding = found(DISTANCE, facts, targets=targets(**EVEN))
        assert finding is not None
        assert (finding.severity, finding.confidence) == ("warning", 0.8)

    @pytest.mark.parametrize(
        ("target", "stats"),
        [
            (entered(shape=(64, 1), minimum=1, maximum=10), targets(minimum=1, maximum=10, **EVEN)),
            (entered(shape=(64, 1), maximum=1), targets(maximum=1, distinct=2, rarest=0.5, commonest=0.5)),
            (entered(shape=(64, 1)), targets(rarest=0.01, commonest=0.3)),
            (entered(shape=(64, 1)), targets(distinct=8, **EVEN)),
            (entered(shape=(64, 1), counted=60), targets(**EVEN)),
            (entered(shape=(64, 1), whole=False), targets(integral=False, **EVEN)),
            (entered(shape=(64, 1)), targets()),
            (quantities(), targets(**EVEN)),
        ],
        ids=["from 1", "yes or no", "uneven", "gaps", "few", "quantities", "not counted", "other numbers"],
    )
    def test_other_whole_numbers_are_quantities(self, target: Any, stats: Any) -> None:
        assert found(DISTANCE, call("mse_loss", shape=(64, 1), target=target), targets=stats) is None

    def test_a_unit_for_each_class_against_one_column_of_ids_is_certain(self) -> None:
        finding = found(DISTANCE, call("mse_loss", target=entered(shape=(64, 1))))
        assert finding is not None
        assert finding.confidence == 1.0
        assert found(DISTANCE, call("mse_loss", target=entered(shape=(64, 10), maximum=1))) is None
        assert found(DISTANCE, call("mse_loss", target=entered(shape=(64, 1), maximum=10))) is None

    @pytest.mark.parametrize(
        ("function", "operation", "most", "seen"),
        [
            ("cross_entropy", "Addmm", 2, True),
            ("cross_entropy", "Addmm", 1, False),
            ("cross_entropy", "Addmm", None, False),
            ("binary_cross_entropy", "Softmax", 2, True),
            ("binary_cross_entropy", "Sigmoid", 2, False),
            (BCE, "Addmm", 2, False),
            ("kl_div", "LogSoftmax", 2, True),
            ("mse_loss", "Softmax", 3, True),
        ],
    )
    def test_several_ones_in_a_row_and_a_softmax_contradict_each_other(
        self, function: str, operation: str, most: int | None, seen: bool
    ) -> None:
        target = entered(shape=(64, 10), floating=True, maximum=1, fewest=0, most=most)
        finding = found(SEVERAL, call(function, operation=operation, target=target))
        assert (finding is not None) == seen
        assert finding is None or value(finding, "the most labels") == most
