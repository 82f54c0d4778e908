"""The rules that are certain at once: inputs, labels, what enters the loss, numbers that are not finite."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest
from doctor_charts import (
    FILE,
    LINES,
    evidence,
    healthy,
    info,
    inputs,
    judge,
    not_judged,
    output,
    settings,
    steps,
    targets,
    value,
)

from trainwright.records import Chart, Event, Finding, Location, OutputFacts, RunInfo, StepRecord

LABELS, SOFTMAX = "labels-out-of-range", "softmax-before-cross-entropy"
INPUTS, BAD_INPUT, BAD_LOSS = "inputs-not-normalised", "non-finite-input", "non-finite-loss"


def before(**facts: object) -> Chart:
    """Return a chart from before training: a head alone."""
    return Chart(info=info(**facts))


class TestInputsNotNormalised:
    @pytest.mark.parametrize(
        ("changes", "words", "number", "threshold"),
        [
            ({"std": 10.1}, "standard deviation of the inputs", 10.1, 10.0),
            ({"spread": 1001.0}, "widest feature over the median", 1001.0, 1e3),
            ({"offset": 10.1}, "median over features of", 10.1, 10.0),
            ({"integral": True, "maximum": 101.0}, "whole numbers", 101.0, 100.0),
        ],
    )
    def test_each_scale_beyond_its_threshold_is_a_warning(
        self, changes: dict[str, float], words: str, number: float, threshold: float
    ) -> None:
        finding = judge(INPUTS, before(inputs=inputs(**changes)))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step) == ("TW102", "warning", 0)
        assert (value(finding, words), evidence(finding, words).threshold) == (number, threshold)
        assert finding.where == Location(file=FILE, line=LINES["data.normalise"])

    @pytest.mark.parametrize(
        "changes",
        [
            {"std": 10.0},
            {"spread": 1000.0},
            {"offset": 10.0},
            {"integral": True, "maximum": 100.0},
            {"integral": False, "maximum": 1e6},
        ],
    )
    def test_a_scale_at_its_threshold_is_no_finding(self, changes: dict[str, float]) -> None:
        assert judge(INPUTS, before(inputs=inputs(**changes))) is None

    def test_every_scale_that_is_wrong_is_evidence_and_the_range_is_shown(self) -> None:
        finding = judge(INPUTS, before(inputs=inputs(std=70.0, integral=True, minimum=0.0, maximum=255.0)))
        assert finding is not None
        assert len(finding.evidence) == 3
        assert value(finding, "range of the inputs") == "0 to 255"

    def test_a_normalisation_layer_that_comes_first_makes_up_for_it(self) -> None:
        assert judge(INPUTS, before(inputs=inputs(std=1e4), has_input_norm=True)) is None

    def test_the_patch_is_offered_where_the_recipe_switched_scaling_off(self) -> None:
        raw = before(inputs=inputs(std=1e3), settings=settings(data__normalise="none"))
        finding = judge(INPUTS, raw)
        assert finding is not None
        assert finding.remedies[0].change == {"data.normalise": "standard"}
        given = judge(INPUTS, before(inputs=inputs(std=1e3), settings={}))
        assert given is not None
        assert given.remedies[0].change is None

    def test_without_measured_inputs_it_is_not_judged(self) -> None:
        assert not_judged(INPUTS, before(inputs=None)) == "the inputs were not measured"


class TestLabelsOutOfRange:
    @pytest.mark.parametrize(
        ("lowest", "highest", "remedy"),
        [
            (1, 10, "subtract 1"),
            (0, 10, "11 output units"),
            (-1, 9, "number the classes from 0 to 9"),
            (2, 10, "11 output units"),
        ],
    )
    def test_a_label_without_an_output_unit_is_an_error_with_its_own_remedy(
        self, lowest: int, highest: int, remedy: str
    ) -> None:
        finding = judge(LABELS, before(targets=targets(minimum=lowest, maximum=highest)))
        assert finding is not None
        assert (finding.code, finding.severity, finding.confidence) == ("TW201", "error", 1.0)
        assert value(finding, "the smallest label") == lowest
        assert (value(finding, "the largest label"), evidence(finding, "the largest label").threshold) == (highest, 9)
        assert value(finding, "classes that") == 10
        assert remedy in finding.remedies[0].text
        assert finding.where == Location(file=FILE, line=LINES["data.source"])

    def test_labels_that_all_have_a_unit_are_fine_even_where_some_are_missing(self) -> None:
        assert judge(LABELS, before()) is None
        assert judge(LABELS, before(targets=targets(minimum=3, maximum=5))) is None

    @pytest.mark.parametrize(("lowest", "wrong"), [(-1, True), (0, False)])
    def test_one_logit_knows_the_labels_0_and_1(self, lowest: int, wrong: bool) -> None:
        head = {"loss": "bce_with_logits", "output": output(shape=(64, 1))}
        finding = judge(LABELS, before(**head, targets=targets(minimum=lowest, maximum=1)))
        assert (finding is not None) == wrong

    @pytest.mark.parametrize(
        "facts",
        [
            {"targets": targets(minimum=-1.5, maximum=40, integral=False)},
            {"targets": targets(minimum=-math.inf, maximum=math.inf)},
            {"loss": "mse"},
            {"loss": ""},
            {"output": output(shape=(64,))},
            {"output": output(shape=())},
        ],
        ids=["quantities", "infinite", "squared error", "unknown loss", "no row of outputs", "no tensor"],
    )
    def test_where_labels_are_not_looked_up_nothing_is_out_of_range(self, facts: dict[str, object]) -> None:
        out_of_range: dict[str, object] = {"targets": targets(minimum=-1, maximum=40)}
        assert judge(LABELS, before(**(out_of_range | facts))) is None

    @pytest.mark.parametrize(
        ("facts", "why"),
        [
            ({"targets": None}, "the targets were not measured"),
            ({"output": None}, "the model's output was not measured"),
        ],
    )
    def test_without_targets_or_output_it_is_not_judged(self, facts: dict[str, object], why: str) -> None:
        assert not_judged(LABELS, before(**facts)) == why


class TestSoftmaxBeforeCrossEntropy:
    place = Location(file="model.py", line=12, module="head")

    def found(self, facts: OutputFacts, **changes: object) -> Finding | None:
        return judge(SOFTMAX, before(output=facts, **changes))

    def test_a_softmax_in_the_graph_is_an_error_that_names_its_line_and_the_floor(self) -> None:
        finding = self.found(output(operation="Softmax", where=self.place, row_sum_error=1e-7))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step) == ("TW301", "error", 0)
        assert finding.where == self.place
        assert value(finding, "last operation") == "softmax"
        assert value(finding, "sums to 1 in 5 of 5 batches") == 1e-7
        assert "cannot go below 1.461" in finding.because

    @pytest.mark.parametrize(("classes", "floor"), [(2, "0.313"), (3, "0.551"), (4, "0.744"), (100, "3.622")])
    def test_the_floor_follows_from_the_number_of_classes(self, classes: int, floor: str) -> None:
        finding = self.found(output(operation="Softmax", shape=(64, classes)))
        assert finding is not None
        assert floor in finding.because

    def test_without_a_line_the_setting_stands_in_for_it(self) -> None:
        finding = self.found(
            output(operation="Softmax", where=Location(module="5")), settings=settings(model__name="x")
        )
        assert finding is not None
        assert finding.where == Location(file=FILE, module="5")

    def test_rows_that_sum_to_one_are_enough_where_the_graph_does_not_tell(self) -> None:
        finding = self.found(output(operation="Mul", row_sum_error=1e-4))
        assert finding is not None
        assert evidence(finding, "sums to 1").threshold == 1e-3

    @pytest.mark.parametrize(
        "facts",
        [
            output(operation="LogSoftmax"),
            output(operation="Addmm", row_sum_error=None),
            output(operation="Sigmoid", row_sum_error=1e-3),
            output(operation="Sigmoid", shape=(64, 2), row_sum_error=1e-7),
            output(operation="Softmax", shape=(64,)),
        ],
        ids=["log_softmax", "logits", "sums nearly to one", "two numbers by chance", "no row"],
    )
    def test_anything_else_is_fine(self, facts: OutputFacts) -> None:
        assert self.found(facts) is None

    def test_another_loss_may_have_its_softmax_unless_it_applies_one_of_its_own(self) -> None:
        assert self.found(output(operation="Softmax"), loss="") is None
        assert self.found(output(operation="Softmax", loss_softmax=True), loss="") is not None

    def test_without_a_look_at_the_output_it_is_not_judged(self) -> None:
        assert not_judged(SOFTMAX, before(output=None)) == "the model's output was not measured"


def broken(step: int, *, loss: float = math.nan, norm: float | None = None) -> list[StepRecord]:
    """Return a run whose last step, number `step`, has a loss or a gradient norm that is not finite."""
    rows = steps(lambda share: 1.0, step)
    return [*rows, StepRecord(step=step, epoch=0, loss=loss, rate=0.01, samples=64, gradient_norm=norm)]


class TestNonFiniteInput:
    def test_a_value_among_the_samples_is_an_error_before_the_first_step(self) -> None:
        finding = judge(BAD_INPUT, before(inputs=inputs(non_finite=3)))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step) == ("TW101", "error", None)
        assert value(finding, "among 1000 samples") == 3
        assert finding.where == Location(file=FILE, line=LINES["data.source"])

    def test_the_batch_that_failed_is_enough(self) -> None:
        event = Event(step=7, name="non-finite", detail={"phase": "input", "samples": 2})
        finding = judge(BAD_INPUT, replace(healthy(), events=[event]))
        assert finding is not None
        assert (finding.step, value(finding, "samples of the batch")) == (7, 2)

    def test_inputs_that_were_not_measured_may_still_fail_later(self) -> None:
        event = Event(step=7, name="non-finite", detail={"phase": "input"})
        assert judge(BAD_INPUT, Chart(info=RunInfo(), events=[event])) is not None

    def test_finite_inputs_and_other_failures_are_not_its_business(self) -> None:
        assert judge(BAD_INPUT, before()) is None
        event = Event(step=7, name="non-finite", detail={"phase": "forward"})
        assert judge(BAD_INPUT, replace(healthy(), events=[event])) is None


class TestNonFiniteLoss:
    detail: ClassVar = {"operation": "torch.log", "module": "body.2", "parameter": None, "file": "model.py", "line": 31}

    def test_the_operation_the_module_and_the_line_are_named(self) -> None:
        event = Event(step=5, name="non-finite", detail={"phase": "forward", **self.detail})
        finding = judge(BAD_LOSS, healthy(steps=broken(5), events=[event]))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step) == ("TW803", "error", 5)
        assert finding.title == "the loss is not finite"
        assert finding.where == Location(file="model.py", line=31, module="body.2")
        assert math.isnan(value(finding, "loss"))
        assert value(finding, "first seen in") == "the forward pass"
        assert value(finding, "first operation") == "torch.log"
        assert "logarithm" in finding.remedies[0].text

    @pytest.mark.parametrize(
        ("operation", "words"),
        [
            ("torch.log", "logarithm"),
            ("Sqrt", "square root"),
            ("Tensor.__truediv__", "divisor"),
            ("LinalgVectorNorm", "epsilon"),
            ("torch.exp", "exp overflows"),
            ("Pow", "power"),
            ("LogSoftmax", "inputs of the operation"),
            (None, "inputs of the operation"),
        ],
    )
    def test_the_remedy_fits_the_operation(self, operation: str | None, words: str) -> None:
        event = Event(step=5, name="non-finite", detail={"phase": "forward", **self.detail, "operation": operation})
        finding = judge(BAD_LOSS, healthy(steps=broken(5), events=[event]))
        assert finding is not None
        assert words in finding.remedies[0].text

    @pytest.mark.parametrize(
        ("phase", "words"),
        [
            ("backward", "the backward pass"),
            ("loss", "the loss function"),
            ("weights", "the weights, from an earlier step"),
            ("target", "the targets"),
            ("unknown", "no single operation"),
        ],
    )
    def test_each_phase_has_words(self, phase: str, words: str) -> None:
        event = Event(step=5, name="non-finite", detail={"phase": phase})
        finding = judge(BAD_LOSS, healthy(steps=broken(5), events=[event]))
        assert value(finding, "first seen in") == words

    def test_a_gradient_that_is_not_finite_is_told_from_a_loss(self) -> None:
        finding = judge(BAD_LOSS, healthy(steps=broken(5, loss=1.0, norm=math.inf)))
        assert finding is not None
        assert finding.title == "the gradient is not finite"
        assert value(finding, "gradient norm") == math.inf

    def test_a_replay_of_another_step_is_not_taken_for_this_one(self) -> None:
        event = Event(step=4, name="non-finite", detail={"phase": "forward", **self.detail})
        finding = judge(BAD_LOSS, healthy(steps=broken(5), events=[event]))
        assert finding is not None
        assert finding.where == Location()

    def test_finite_steps_are_fine_however_large(self) -> None:
        assert judge(BAD_LOSS, healthy(steps=steps([1e38, -1e38] * 20))) is None

    def test_without_a_step_it_is_not_judged(self) -> None:
        assert not_judged(BAD_LOSS, before()) == "no training step was recorded"
