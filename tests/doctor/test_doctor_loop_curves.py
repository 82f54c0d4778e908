"""Gradients that vanish or explode, a best that was passed and a metric that cannot be, from columns made by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from doctor_charts import evals, falling, healthy, info, steps, value
from doctor_loops import ask, flat, found, loop, looped, with_norms

from trainwright.records import Chart, LayerStats


def deep(shares: list[float], *, at: tuple[int, ...] = (20, 70), kind: str = "Linear") -> list[LayerStats]:
    """Return weight layers whose gradient is such a share of their weights, measured at these steps."""
    return [
        LayerStats(
            step=step,
            module=f"{2 * depth}",
            kind=kind,
            units=64,
            samples=64,
            mean=0.0,
            std=1.0,
            zero_fraction=0.0,
            dead_fraction=0.0,
            weight_norm=5.0,
            gradient_norm=5.0 * share,
        )
        for step in at
        for depth, share in enumerate(shares)
    ]


SIGMOIDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-2]
"""Shares as ten sigmoid layers give them."""


class TestVanishing:
    kind = "vanishing-gradients"

    def test_a_gradient_that_dies_out_towards_the_first_layer_is_a_warning_at_the_first_measurement(self) -> None:
        finding = found(self.kind, healthy(steps=steps(flat, 80), layers=deep(SIGMOIDS)))
        assert (finding.code, finding.severity, finding.step, finding.where.module) == ("TW801", "warning", 20, "0")
        assert value(finding, "gradient over weight") == pytest.approx(1e-6)

    @pytest.mark.parametrize(
        ("losses", "layers"),
        [
            (falling, deep(SIGMOIDS)),
            (flat, deep([1e-2, 2e-2, 5e-2, 0.1, 0.5])),
            (flat, deep([1e-8, 1e-5, 1e-2])),
            (flat, deep([1e-8, 1.0, 1e-8, 1.0, 1e-8, 1e-3])),
            (flat, deep(SIGMOIDS, at=(0,)) + deep([0.1] * 6, at=(20, 70))),
            (flat, deep(SIGMOIDS, at=(0, 20))),
            (flat, deep([0.0, 0.0, 0.0, 0.0, 1e-2])),
            (flat, deep(SIGMOIDS, kind="BatchNorm1d")),
            (flat, [replace(layer, gradient_norm=None) for layer in deep(SIGMOIDS)]),
        ],
        ids=[
            "it learns all the same",
            "a plain deep network",
            "three layers",
            "no way through",
            "a zero branch that opened",
            "one measurement",
            "exact zeros",
            "gains",
            "frozen",
        ],
    )
    def test_what_is_no_vanishing_gradient(self, losses: Any, layers: list[LayerStats]) -> None:
        assert ask(self.kind, healthy(steps=steps(losses, 80), layers=layers)) is None

    def test_adversarial_pairs_are_not_judged(self) -> None:
        assert ask(self.kind, looped(loop(turns=True), steps=steps(flat, 80), layers=deep(SIGMOIDS))) is None


class TestExploding:
    kind = "exploding-gradients"
    calm = [1.0] * 60

    def chart(self, norms: list[float], losses: list[float], **changes: Any) -> Chart:
        return healthy(steps=with_norms(norms, losses), **changes)

    def test_three_jumps_after_which_the_loss_is_worse_are_a_warning(self) -> None:
        norms = [*self.calm, 12.0, 1.0, 15.0, 1.0, 11.0, *[1.0] * 30]
        finding = found(self.kind, self.chart(norms, [1.0] * 61 + [1.5] * 34))
        assert (finding.code, finding.severity, finding.step) == ("TW802", "warning", 60)
        assert value(finding, "norm of the gradient") == 15.0
        assert finding.remedies[0].change == {"train.clip_norm": 1.0}

    def test_one_leap_is_enough_and_what_ends_in_nan_is_an_error(self) -> None:
        leap = self.chart([*self.calm, 500.0, *[1.0] * 20], [1.0] * 61 + [2.0] * 20)
        assert found(self.kind, leap).severity == "warning"
        ended = self.chart([*self.calm, 500.0, math.inf], [1.0] * 61 + [math.nan])
        finding = found(self.kind, ended)
        assert (finding.severity, finding.step, value(finding, "no longer finite")) == ("error", 60, 61)

    def test_while_a_run_may_still_come_back_nothing_is_said(self) -> None:
        norms, losses = [*[0.2] * 60, *[3.0] * 60], [2.3] * 60 + [3.0] * 60
        assert ask(self.kind, looped(loop(finished=False), steps=with_norms(norms, losses))) is None
        assert ask(self.kind, looped(loop(finished=True), steps=with_norms(norms, losses))) is not None
        longer = with_norms([*norms, *[3.0] * 60], [*losses, *[3.0] * 60])
        assert ask(self.kind, looped(loop(finished=False), steps=longer)) is not None

    def test_what_leaves_the_loss_three_times_as_high_is_an_error(self) -> None:
        lost = self.chart([*self.calm, 500.0, *[1.0] * 20], [1.0] * 61 + [4.0] * 20)
        assert found(self.kind, lost).severity == "error"

    def test_a_run_that_explodes_at_once_is_judged_by_its_loss(self) -> None:
        assert found(self.kind, self.chart([900.0, 1e17, math.nan], [2.0, 8e15, math.nan])).step == 0

    @pytest.mark.parametrize(
        ("norms", "losses"),
        [
            ([*[1.0] * 60, 500.0, *[1.0] * 20], [1.0] * 81),
            ([*[1.0] * 60, 12.0, *[1.0] * 20], [1.0] * 61 + [2.0] * 20),
            ([*[1.0] * 60, *[50.0] * 20], [1.0] * 60 + [9.0] * 20),
            ([*[1.0] * 20, *[0.001] * 60, *[0.5] * 20], [1.0] * 80 + [2.0] * 20),
            ([1.0, 30.0, math.inf], [2.0, 900.0, math.inf]),
            ([1.0, math.inf], [2.0, 2.0]),
            ([*[1.0] * 60, math.nan], [1.0] * 61),
            ([*[0.2] * 60, *[3.0] * 120], [2.3] * 60 + [3.0] * 30 + [1.0] * 90),
        ],
        ids=[
            "the loss is no worse",
            "a single small jump",
            "the loss had grown before",
            "a run that has memorised",
            "the loss grew first",
            "an operation made it at the start",
            "an operation made it",
            "a plateau that was left",
        ],
    )
    def test_what_is_no_explosion(self, norms: list[float], losses: list[float]) -> None:
        assert ask(self.kind, self.chart(norms, losses)) is None

    def test_steps_that_a_scaler_skipped_do_not_count(self) -> None:
        rows = with_norms([*self.calm, *[math.inf] * 3, *self.calm], [1.0] * 123)
        rows = [replace(row, skipped=not math.isfinite(row.gradient_norm or 0.0)) for row in rows]
        assert ask(self.kind, healthy(steps=rows)) is None

    def test_in_a_foreign_loop_the_line_of_the_step_is_named(self) -> None:
        rows = with_norms([*self.calm, 500.0, *[1.0] * 20], [1.0] * 61 + [2.0] * 20)
        finding = found(self.kind, looped(loop(), steps=rows, settings={}))
        assert finding.where.line == 43
        assert (finding.remedies[0].change, "(train.py:43)" in finding.remedies[0].text) == (None, True)
        assert ask(self.kind, looped(loop(turns=True), steps=rows)) is None


class TestBestPassed:
    kind = "best-checkpoint-passed"

    def test_a_last_loss_far_above_the_best_is_a_note_at_the_end(self) -> None:
        records = evals([2.0, 1.0, 0.8, 1.0], accuracy=[0.1, 0.5, 0.7, 0.65])
        finding = found(self.kind, looped(loop(), evals=records))
        assert (finding.severity, value(finding, "best")) == ("note", 0.8)
        assert ask(self.kind, looped(loop(finished=False), evals=records)) is None

    @pytest.mark.parametrize(
        ("losses", "scores"),
        [([2.0, 1.0, 0.8, 0.85], [0.1, 0.5, 0.7, 0.6]), ([2.0, 0.8, 1.0], [0.1, 0.7, 0.72])],
        ids=["a tenth", "the accuracy rose"],
    )
    def test_noise_and_overconfidence_are_not(self, losses: list[float], scores: list[float]) -> None:
        assert ask(self.kind, looped(loop(), evals=evals(losses, accuracy=scores))) is None

    def test_one_evaluation_at_the_end_has_no_best(self) -> None:
        assert ask(self.kind, looped(loop(), evals=evals([1.0], accuracy=[0.5]))) is None


class TestMetric:
    kind = "metric-contradicts-loss"

    def test_an_accuracy_that_the_loss_leaves_no_room_for_is_a_warning(self) -> None:
        records = evals([2.0, 0.2, 0.1], accuracy=[0.1, 0.1, 0.1])
        finding = found(self.kind, healthy(evals=records))
        assert (finding.code, finding.severity) == ("TW905", "warning")
        assert value(finding, "least accuracy") == pytest.approx(1 - 0.1 / math.log(2))

    @pytest.mark.parametrize(
        ("losses", "scores"),
        [
            ([2.0, 0.2, 0.1], [0.1, 0.8, 0.95]),
            ([2.0, 0.8, 1.6], [0.1, 0.7, 0.75]),
            ([2.0, 1.9, 1.8], [0.1, 0.0, 0.0]),
            ([2.0, 1.9, 0.1], [0.1, 0.1, 0.1]),
            ([-1.0, -2.0, -3.0], [0.1, 0.1, 0.1]),
        ],
        ids=["in step", "calibration", "no bound yet", "once", "negative"],
    )
    def test_what_can_be_is_healthy(self, losses: list[float], scores: list[float]) -> None:
        assert ask(self.kind, healthy(evals=evals(losses, accuracy=scores))) is None

    def test_other_losses_bound_nothing(self) -> None:
        records = evals([2.0, 0.2, 0.1], accuracy=[0.1, 0.1, 0.1])
        assert ask(self.kind, healthy(info=info(loss="mse"), evals=records)) is None


def test_a_healthy_run_of_our_own_loop_shows_none_of_it() -> None:
    chart = healthy()
    for kind in ("exploding-gradients", "vanishing-gradients", "scaler-keeps-skipping", "metric-contradicts-loss"):
        assert ask(kind, chart) is None
