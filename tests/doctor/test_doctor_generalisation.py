"""Learnt by heart, learnt too little, no longer learning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from doctor_charts import (
    CONSTANT,
    FILE,
    LINES,
    bent,
    beside,
    evals,
    evidence,
    falling,
    healthy,
    info,
    judge,
    memorised,
    not_judged,
    settings,
    steps,
    value,
)

from trainwright.records import Chart, Location

OVER, UNDER, FLAT = "overfitting", "underfitting", "plateau"


class TestOverfitting:
    def test_validation_well_above_its_best_while_training_falls_on_is_a_warning(self) -> None:
        finding = judge(OVER, memorised())
        assert finding is not None
        assert (finding.code, finding.severity, finding.step, finding.confidence) == ("TW901", "warning", 120, 0.9)
        assert finding.where == Location(file=FILE, line=LINES["model.dropout"])
        assert (value(finding, "at its best"), evidence(finding, "at its best").step) == (0.8, 100)
        assert value(finding, "validation loss now") == 0.9
        assert evidence(finding, "validation loss now").threshold == pytest.approx(0.88)
        assert value(finding, "training loss now") < value(finding, "training loss around the best")
        assert finding.remedies[0].change == {"model.dropout": 0.3}

    def test_the_best_may_be_the_untrained_network(self) -> None:
        chart = memorised()
        worse = [replace(record, loss=0.5 + 0.1 * index) for index, record in enumerate(chart.evals)]
        finding = judge(OVER, replace(chart, evals=worse))
        assert finding is not None
        assert evidence(finding, "at its best").step == 0

    def test_a_model_without_dropout_to_raise_is_told_to_stop_earlier(self) -> None:
        for changed in ({}, settings(model__dropout=0.5)):
            chart = memorised()
            finding = judge(OVER, replace(chart, info=replace(chart.info, settings=changed)))
            assert finding is not None
            assert [remedy.change for remedy in finding.remedies] == [None]

    @pytest.mark.parametrize(
        "chart",
        [
            memorised(0.879),
            memorised(count=2),
            memorised(0.9, error=0.034),
            memorised(0.059, best=0.02),
        ],
        ids=["a small rise", "two evaluations", "within the noise", "a rise that harms nobody"],
    )
    def test_less_than_that_is_no_finding(self, chart: Chart) -> None:
        assert judge(OVER, chart) is None

    @pytest.mark.parametrize(
        "chart",
        [memorised(0.881), memorised(count=3), memorised(0.9, error=0.033), memorised(0.061, best=0.02)],
        ids=["a tenth", "three evaluations", "three standard errors", "a fiftieth of a guess"],
    )
    def test_just_that_much_is_a_finding(self, chart: Chart) -> None:
        assert judge(OVER, chart) is not None

    def test_a_rise_of_the_loss_alone_is_calibration(self) -> None:
        assert judge(OVER, memorised(accuracy=0.75)) is None
        assert judge(OVER, memorised(accuracy=0.72)) is not None  # 400 samples: 2.3 points are chance
        assert judge(OVER, memorised(1.01 * CONSTANT, accuracy=0.75)) is not None  # worse than a guess

    def test_one_evaluation_that_is_back_at_the_best_ends_it(self) -> None:
        chart = memorised()
        assert judge(OVER, replace(chart, evals=[*chart.evals[:-1], replace(chart.evals[-1], loss=0.8)])) is None

    def test_a_training_loss_that_rises_too_is_another_illness(self) -> None:
        rising = steps(lambda share: CONSTANT * (0.5 + 0.2 * share), 180)
        assert judge(OVER, replace(memorised(), steps=rising)) is None

    def test_the_first_quarter_of_a_run_is_too_early(self) -> None:
        chart = memorised()
        longer = replace(chart, info=replace(chart.info, planned_steps=4 * 180 + 4))
        assert judge(OVER, longer) is None

    def test_a_network_that_is_worse_than_a_guess_on_what_it_was_shown_memorises_nothing(self) -> None:
        chart = memorised()
        guess = chart.steps[-1].loss / 2
        assert chart.info.targets is not None
        bad = replace(chart.info, targets=replace(chart.info.targets, constant_loss=guess))
        assert judge(OVER, replace(chart, info=bad)) is None

    def test_a_healthy_run_is_fine(self) -> None:
        assert judge(OVER, healthy()) is None

    def test_without_validation_it_is_not_judged(self) -> None:
        assert not_judged(OVER, healthy(evals=())) == "there is no validation data"


class TestUnderfitting:
    def at(self, share: float, **changes: object) -> Chart:
        return healthy(steps=steps(lambda _: share * CONSTANT), **changes)

    def test_no_better_than_a_constant_guess_is_a_warning(self) -> None:
        finding = judge(UNDER, self.at(0.98))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step, finding.confidence) == ("TW902", "warning", 399, 0.8)
        assert finding.where == Location(file=FILE, line=LINES["optimizer.lr"])
        assert evidence(finding, "recent training loss").threshold == pytest.approx(0.98 * CONSTANT)
        assert value(finding, "loss of a constant guess") == CONSTANT

    def test_a_little_better_is_enough(self) -> None:
        assert judge(UNDER, self.at(0.97)) is None

    @pytest.mark.parametrize(
        ("made", "planned", "found"), [(199, 400, False), (200, 400, True), (200, 801, True), (200, 804, False)]
    )
    def test_it_waits_for_a_fair_share_of_the_run(self, made: int, planned: int, found: bool) -> None:
        chart = healthy(steps=steps(lambda _: CONSTANT, made), info=info(planned_steps=planned))
        assert (judge(UNDER, chart) is not None) == found

    def linear(self, linear: float, **changes: object) -> Chart:
        chart = healthy(info=info(baselines=beside(linear)))
        return replace(chart, **changes) if changes else chart

    def test_at_the_end_a_linear_model_that_is_right_more_often_shows_it(self) -> None:
        best = max(record.metrics["accuracy"] for record in healthy().evals)
        noise = 3 * (best * (1 - best) / 400) ** 0.5
        margin = max(0.05, noise)
        finding = judge(UNDER, self.linear(best + margin + 0.001))
        assert finding is not None
        assert finding.title == "the network does worse than a linear model"
        assert value(finding, "best validation accuracy") == best
        assert value(finding, "of a linear model") == pytest.approx(best + margin + 0.001)
        assert judge(UNDER, self.linear(best + margin - 0.001)) is None

    @pytest.mark.parametrize(("rmse", "found"), [(1.06, True), (1.04, False)])
    def test_in_regression_a_linear_model_that_errs_less_shows_it(self, rmse: float, found: bool) -> None:
        chart = healthy(
            info=info(task="regression", loss="mse", metric="rmse", baselines=beside(1.0, metric="rmse")),
            evals=evals([CONSTANT / 10] * 21, rmse=[rmse] * 21),
        )
        assert (judge(UNDER, chart) is not None) == found

    def test_before_the_end_or_without_a_linear_score_it_is_not_compared(self) -> None:
        chart = self.linear(1.0)
        assert judge(UNDER, chart) is not None
        assert judge(UNDER, replace(chart, info=replace(chart.info, planned_steps=450))) is None
        assert judge(UNDER, replace(chart, evals=())) is None
        assert judge(UNDER, healthy(info=info(baselines=beside(None)))) is None
        assert judge(UNDER, healthy(info=info(baselines=None))) is None

    def test_a_network_that_is_only_bad_on_new_data_lacks_no_capacity(self) -> None:
        chart = self.linear(1.0)
        worse = [replace(record, loss=record.loss + 0.2) for record in chart.evals]
        assert judge(UNDER, replace(chart, evals=worse)) is None

    def test_without_targets_it_is_not_judged(self) -> None:
        assert not_judged(UNDER, healthy(info=info(targets=None))) == "the targets were not measured"


class TestPlateau:
    def at(self, level: float, fall: float = 0.0, **changes: object) -> Chart:
        """Return a run that stays at `level` of a guess for its second half, but for `fall`, with noise of its own."""

        def losses(share: float) -> float:
            wobble = 0.02 * (-1) ** int(400 * share)
            return CONSTANT * (level + wobble + (0.2 if share < 0.5 else -fall * (share - 0.5)))

        return healthy(steps=steps(losses), **changes)

    def test_no_slope_for_a_fifth_of_the_run_is_a_note(self) -> None:
        finding = judge(FLAT, self.at(0.5))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step) == ("TW607", "note", 300)
        assert finding.where == Location(file=FILE, line=LINES["schedule.name"])
        assert abs(value(finding, "change of the training loss over 100 steps")) < 0.01
        assert finding.remedies[0].change == {"schedule.name": "warmup_cosine"}

    def test_with_a_schedule_that_decays_a_lower_rate_is_proposed(self) -> None:
        finding = judge(FLAT, self.at(0.5, info=info(schedule="step")))
        assert finding is not None
        assert finding.remedies[0].change == {"optimizer.lr": 0.001}

    @pytest.mark.parametrize(("level", "found"), [(0.09, False), (0.11, True), (0.94, True), (0.96, False)])
    def test_the_floor_and_a_run_that_has_not_begun_are_no_plateau(self, level: float, found: bool) -> None:
        assert (judge(FLAT, self.at(level)) is not None) == found

    def test_a_loss_that_still_falls_is_no_plateau(self) -> None:
        assert judge(FLAT, self.at(0.5, fall=0.4)) is None

    def test_the_end_of_a_decayed_schedule_is_meant_to_be_flat(self) -> None:
        chart = self.at(0.5)
        decayed = [replace(record, rate=0.01 if record.step < 390 else 0.0049) for record in chart.steps]
        assert judge(FLAT, replace(chart, steps=decayed)) is None

    def test_a_run_of_two_windows_is_the_shortest_that_can_tell(self) -> None:
        chart = self.at(0.5)
        assert judge(FLAT, replace(chart, steps=chart.steps[-200:])) is not None
        assert judge(FLAT, replace(chart, steps=chart.steps[-199:])) is None
        assert judge(FLAT, replace(chart, info=info(planned_steps=1000))) is not None
        assert judge(FLAT, replace(chart, info=info(planned_steps=1010))) is None

    def test_without_targets_it_is_not_judged(self) -> None:
        assert not_judged(FLAT, healthy(info=info(targets=None))) == "the targets were not measured"

    def test_a_healthy_run_is_fine(self) -> None:
        assert judge(FLAT, healthy(steps=steps(falling, probe=bent))) is None
