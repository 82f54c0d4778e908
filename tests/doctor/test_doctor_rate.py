"""The learning rate, too high and too low, from losses and probes made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from doctor_charts import (
    CONSTANT,
    FILE,
    LINES,
    evals,
    evidence,
    followed,
    healthy,
    info,
    judge,
    not_judged,
    overshooting,
    probe,
    settings,
    slowly,
    steps,
    straight,
    targets,
    value,
)

from trainwright.doctor.diagnose import examine
from trainwright.records import Chart, Location, StepProbe, StepRecord, TargetStats

HIGH, LOW = "learning-rate-too-high", "learning-rate-too-low"


class TestShortRuns:
    def test_a_loss_that_was_thrown_far_above_a_guess_and_stayed_above_it_is_a_warning(self) -> None:
        rows = steps([CONSTANT, *[20 * CONSTANT] * 5, *[2 * CONSTANT] * 20], probe=overshooting(CONSTANT))
        finding = judge(HIGH, healthy(steps=rows))
        assert finding is not None
        assert (finding.code, finding.severity) == ("TW601", "warning")
        assert value(finding, "at its highest") == 20 * CONSTANT

    def test_one_leap_or_one_that_was_made_good_is_not(self) -> None:
        for losses in ([CONSTANT, 20 * CONSTANT, *[2 * CONSTANT] * 20], [*[20 * CONSTANT] * 5, *[0.5 * CONSTANT] * 20]):
            assert judge(HIGH, healthy(steps=steps(losses, probe=overshooting(CONSTANT)))) is None

    def test_a_run_that_was_planned_to_be_short_is_judged_at_its_end_alone(self) -> None:
        rows = steps([CONSTANT] * 30, probe=overshooting(CONSTANT))
        chart = healthy(steps=rows)
        assert judge(HIGH, replace(chart, info=replace(chart.info, planned_steps=300))) is None
        assert judge(HIGH, replace(chart, info=replace(chart.info, planned_steps=30))) is not None

    def test_a_few_steps_without_a_finding_are_no_sign_of_health(self) -> None:
        few = examine(healthy(steps=steps([1.0] * 10)))
        assert few.not_judged[HIGH] == "10 steps are too few to tell: it takes 100"
        assert HIGH in examine(healthy()).healthy


class TestDiverged:
    def test_a_loss_that_grew_until_it_was_not_finite_is_an_error(self) -> None:
        rows = steps([1.0, 3.0, 6.1, math.inf])
        finding = judge(HIGH, healthy(steps=rows))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step) == ("TW601", "error", 3)
        assert finding.where == Location(file=FILE, line=LINES["optimizer.lr"])
        assert value(finding, "no longer finite") == 3
        assert value(finding, "before the end") == 6.1
        assert finding.remedies[0].change == {"optimizer.lr": 0.001}

    def test_a_gradient_counts_as_the_loss_does(self) -> None:
        rows = steps([1.0, 3.0, 7.0])
        rows.append(replace(rows[0], step=3, loss=9.0, gradient_norm=math.inf))
        assert judge(HIGH, healthy(steps=rows)) is not None

    def test_one_leap_that_a_probe_saw_is_enough(self) -> None:
        rows = steps([1.0, math.nan], probe=overshooting(CONSTANT + 0.1))
        finding = judge(HIGH, healthy(steps=rows))
        assert finding is not None
        assert value(finding, "raised the loss") == pytest.approx(CONSTANT + 0.1)
        assert value(finding, "a tenth of that update") == pytest.approx(0.01)

    @pytest.mark.parametrize("losses", [[1.0, 1.1, math.nan], [math.nan], [1.0, 2.0, 6.0, math.inf]])
    def test_where_nothing_had_grown_an_operation_made_the_number(self, losses: list[float]) -> None:
        assert judge(HIGH, healthy(steps=steps(losses))) is None

    def test_a_loss_three_times_that_of_the_start_has_diverged_though_it_is_finite(self) -> None:
        finding = judge(HIGH, healthy(steps=steps([*[1.0] * 10, *[6.1] * 40])))
        assert finding is not None
        assert (finding.severity, finding.step) == ("error", 49)
        assert value(finding, "at the start") == 1.0
        assert value(finding, "loss of a constant guess") == CONSTANT

    @pytest.mark.parametrize("losses", [[*[1.0] * 10, *[6.0] * 40], [*[1.0] * 10, *[6.1] * 39]])
    def test_less_growth_or_fewer_steps_are_not_enough(self, losses: list[float]) -> None:
        assert judge(HIGH, healthy(steps=steps(losses))) is None

    def test_a_negative_loss_has_not_diverged(self) -> None:
        unknown = info(loss="", targets=targets(constant_loss=None))
        assert judge(HIGH, healthy(info=unknown, steps=steps(lambda share: -3 + 2 * share))) is None


class TestHovering:
    level = 0.95 * CONSTANT
    rise = 0.02 * CONSTANT

    def of(self, level: float, rise: float, count: int = 100) -> Chart:
        return healthy(steps=steps(lambda share: level, count, probe=overshooting(rise)))

    def test_no_better_than_a_guess_while_updates_overshoot_is_a_warning(self) -> None:
        finding = judge(HIGH, self.of(self.level, 1.01 * self.rise))
        assert finding is not None
        assert (finding.severity, finding.step, finding.confidence) == ("warning", 0, 0.8)
        assert (value(finding, "recent training loss"), evidence(finding, "recent").threshold) == (1.9, 1.9)
        assert value(finding, "raised the loss of its own batch") == pytest.approx(1.01 * self.rise)
        assert finding.remedies[0].change == {"optimizer.lr": 0.0033}

    def test_below_any_of_the_thresholds_it_is_not(self) -> None:
        assert judge(HIGH, self.of(self.level - 0.01, 1.01 * self.rise)) is None
        assert judge(HIGH, self.of(self.level, 0.99 * self.rise)) is None
        assert judge(HIGH, self.of(self.level, 1.01 * self.rise, 99)) is None

    def test_the_first_step_that_overshot_most_is_named(self) -> None:
        def once(step: int, loss: float) -> StepProbe:
            return probe(loss, tenth=-0.01, same=0.5 if step == 40 else 0.05)

        finding = judge(HIGH, healthy(steps=steps(lambda share: CONSTANT, 200, probe=once)))
        assert finding is not None
        assert finding.step == 40

    def test_the_recommended_rate_is_proposed_where_it_is_lower_still(self) -> None:
        chart = self.of(self.level, 1.0)
        finding = judge(HIGH, replace(chart, info=info(recommended_rate=3e-4)))
        assert finding is not None
        assert finding.remedies[0].change == {"optimizer.lr": 3e-4}
        higher = judge(HIGH, replace(chart, info=info(recommended_rate=0.1)))
        assert higher is not None
        assert higher.remedies[0].change == {"optimizer.lr": 0.0033}


class TestThrownAbout:
    def of(self, level: float, rise: float) -> Chart:
        return healthy(steps=steps(lambda share: level, 200, probe=overshooting(rise)))

    def test_far_above_the_minimum_with_large_overshoots_is_a_warning(self) -> None:
        finding = judge(HIGH, self.of(0.31 * CONSTANT, 0.21 * CONSTANT))
        assert finding is not None
        assert evidence(finding, "recent training loss").threshold == pytest.approx(0.3 * CONSTANT)

    def test_near_the_minimum_or_with_small_overshoots_it_is_not(self) -> None:
        assert judge(HIGH, self.of(0.29 * CONSTANT, 0.21 * CONSTANT)) is None
        assert judge(HIGH, self.of(0.31 * CONSTANT, 0.19 * CONSTANT)) is None

    def test_single_leaps_count_though_most_steps_are_low(self) -> None:
        losses = [CONSTANT * (5.0 if step % 10 == 9 else 0.01) for step in range(200)]
        finding = judge(HIGH, healthy(steps=steps(losses, probe=overshooting(0.21 * CONSTANT))))
        assert finding is not None
        assert value(finding, "recent training loss") == pytest.approx(0.509 * CONSTANT)


class TestFallenBack:
    def of(self, best: float, last: float, rise: float = 0.05) -> Chart:
        losses = [CONSTANT] * 20 + [best] * 100 + [last] * 80
        return healthy(steps=steps(losses, probe=overshooting(rise)))

    def test_what_was_learnt_and_lost_again_is_a_warning_for_smaller_overshoots_too(self) -> None:
        finding = judge(HIGH, self.of(0.3, 0.62))
        assert finding is not None
        assert finding.severity == "warning"
        assert value(finding, "at its lowest") == 0.3
        assert value(finding, "recent training loss") == 0.62

    def test_a_small_loss_no_loss_or_no_overshoot_is_not(self) -> None:
        assert judge(HIGH, self.of(0.2, 0.59)) is None
        assert judge(HIGH, self.of(0.4, 0.79)) is None
        assert judge(HIGH, self.of(0.3, 0.62, rise=0.039)) is None


class TestTooHighIsSilent:
    def test_on_a_healthy_run(self) -> None:
        assert judge(HIGH, healthy()) is None

    @pytest.mark.parametrize("constant", [None, 0.0, -1.0])
    def test_where_no_constant_guess_is_there_to_compare_with(self, constant: float | None) -> None:
        rows = steps(lambda share: 1.0, probe=overshooting(1.0))
        assert judge(HIGH, healthy(info=info(targets=targets(constant_loss=constant)), steps=rows)) is None

    def test_without_probes_unless_it_diverged(self) -> None:
        assert judge(HIGH, healthy(steps=steps(lambda share: CONSTANT, probe=lambda step, loss: None))) is None

    def test_without_a_step_it_is_not_judged(self) -> None:
        assert not_judged(HIGH, Chart(info=info())) == "no training step was recorded"


class TestTooLow:
    def test_a_straight_slope_at_an_even_pace_is_a_warning(self) -> None:
        finding = judge(LOW, followed(slowly))
        assert finding is not None
        assert (finding.code, finding.severity, finding.step, finding.confidence) == ("TW602", "warning", 399, 0.8)
        assert finding.where == Location(file=FILE, line=LINES["optimizer.lr"])
        assert (value(finding, "ten times as long"), evidence(finding, "ten times as long").threshold) == (
            pytest.approx(9.5),
            7.0,
        )
        assert value(finding, "in gains of the first") == pytest.approx(1.0, abs=0.01)
        assert value(finding, "recent training loss") == pytest.approx(slowly(0.95), abs=0.001)
        assert finding.remedies[0].change == {"optimizer.lr": 0.1}

    def test_a_recommended_rate_that_is_higher_still_is_proposed(self) -> None:
        chart = followed(slowly)
        low = replace(chart, info=info(settings=settings(optimizer__lr=1e-6), recommended_rate=3e-4))
        finding = judge(LOW, low)
        assert finding is not None
        assert finding.remedies[0].change == {"optimizer.lr": 3e-4}

    def test_a_run_that_has_not_moved_at_all_counts_too(self) -> None:
        still = healthy(steps=steps(lambda share: CONSTANT, probe=straight(10)), evals=evals([CONSTANT] * 21))
        finding = judge(LOW, still)
        assert finding is not None
        assert len(finding.evidence) == 3

    @pytest.mark.parametrize(("gain", "found"), [(7.01, True), (6.99, False)])
    def test_ten_times_the_update_must_gain_seven_times_as_much(self, gain: float, found: bool) -> None:
        chart = followed(slowly)
        chart = replace(chart, steps=steps(slowly, probe=straight(gain)))
        assert (judge(LOW, chart) is not None) == found

    def test_a_schedule_that_decays_is_no_sign_of_arriving(self) -> None:
        def cosine(share: float) -> float:
            return 0.5 * (1 + math.cos(math.pi * share))

        def spent(share: float) -> float:
            return share + math.sin(math.pi * share) / math.pi

        def losses(share: float) -> float:
            return CONSTANT * (1 - spent(share) / 8)

        chart = followed(losses)
        assert judge(LOW, replace(chart, steps=steps(losses, probe=straight(9.5), rate=cosine))) is not None

    @pytest.mark.parametrize(("pace", "found"), [(0.08, True), (0.06, False)])
    def test_a_run_that_slows_down_by_itself_to_a_tenth_of_its_pace_is_arriving(self, pace: float, found: bool) -> None:
        def kinked(share: float) -> float:  # the middle is read off a tenth of the run, so some of the kink is seen
            return CONSTANT * (1 - 0.5 * min(share, 0.5) - 0.5 * pace * max(share - 0.5, 0.0))

        assert (judge(LOW, followed(kinked)) is not None) == found

    def test_a_loss_below_a_quarter_of_a_guess_has_come_far_enough(self) -> None:
        def far(share: float) -> float:
            return CONSTANT * (0.9 - 0.7 * share)

        assert judge(LOW, followed(far)) is None
        assert judge(LOW, followed(lambda share: far(0.9 * share))) is not None

    @pytest.mark.parametrize(("carried_over", "found"), [(0.46, True), (0.44, False), (-0.1, False)])
    def test_progress_that_does_not_carry_over_calls_for_no_longer_steps(
        self, carried_over: float, found: bool
    ) -> None:
        assert (judge(LOW, followed(slowly, carried_over)) is not None) == found

    def test_without_validation_the_training_loss_decides_alone(self) -> None:
        assert judge(LOW, replace(followed(slowly), evals=())) is not None

    @pytest.mark.parametrize(
        ("share", "gains", "found"),
        [(1 / 8, 0.74, True), (1 / 8, 0.76, False), (1 / 20, 0.49, True), (1 / 20, 0.51, False)],
    )
    def test_gains_that_later_batches_do_not_keep_are_no_progress(
        self, share: float, gains: float, found: bool
    ) -> None:
        def progress(place: float) -> float:
            return CONSTANT * (1 - share * place)

        def gaining(step: int, loss: float) -> StepProbe:
            gain = gains / 201  # the steps of the second half
            return probe(loss, tenth=-0.1 * gain, same=-gain, tenfold=-9.5 * gain)

        chart = replace(followed(progress), steps=steps(progress, probe=gaining))
        assert (judge(LOW, chart) is not None) == found

    def test_a_validation_loss_that_rose_was_moved_by_something(self) -> None:
        still = healthy(
            steps=steps(lambda share: CONSTANT, probe=straight(10)),
            evals=evals([CONSTANT * (1 + 0.03 * index / 20) for index in range(21)]),
        )
        assert judge(LOW, still) is None

    @pytest.mark.parametrize(("made", "found"), [(299, False), (300, True)])
    def test_before_three_quarters_of_the_run_it_is_too_early_to_say(self, made: int, found: bool) -> None:
        chart = followed(slowly)
        assert (judge(LOW, replace(chart, steps=chart.steps[:made])) is not None) == found

    def test_a_short_run_is_not_judged_by_its_slope(self) -> None:
        short = replace(healthy(info=info(planned_steps=199)), steps=steps(slowly, 199, probe=straight(9.5)), evals=())
        assert judge(LOW, short) is None

    @pytest.mark.parametrize("constant", [None, 0.0])
    def test_where_no_constant_guess_is_known_it_is_silent(self, constant: float | None) -> None:
        stats: TargetStats = targets(constant_loss=constant)
        assert judge(LOW, replace(followed(slowly), info=info(targets=stats))) is None

    def test_a_healthy_run_is_fine(self) -> None:
        assert judge(LOW, healthy()) is None

    def test_without_probes_it_is_not_judged(self) -> None:
        rows: list[StepRecord] = steps(slowly, probe=lambda step, loss: None)
        assert not_judged(LOW, healthy(steps=rows)).startswith("no update was measured")
