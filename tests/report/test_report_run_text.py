from __future__ import annotations

import dataclasses
import math

import pytest
import report_runs

from trainwright.records import Chart, CheckResult, EvalRecord, Outcome, RunInfo, StepRecord
from trainwright.report import render_checks, render_run
from trainwright.report.summary import verdict


def steps(losses: list[float]) -> list[StepRecord]:
    return [StepRecord(step=i, epoch=0, loss=loss, rate=0.1, samples=8) for i, loss in enumerate(losses)]


def text_of(losses: list[float], **info: str) -> str:
    head = RunInfo(**info)  # pyright: ignore[reportArgumentType]
    return render_run(head, None, Chart(info=head, steps=steps(losses)), [])


def render(run: report_runs.MadeRun, **options: bool) -> str:
    return render_run(run.info, run.outcome, run.chart, run.findings, checks=run.checks, **options)


def test_a_healthy_run_says_so_in_its_first_line() -> None:
    text = render(report_runs.healthy())
    assert text.splitlines()[0] == "digits-mlp: ✓ finished, healthy"
    assert "\x1b" not in text
    assert "✓ no findings" in text


def test_the_table_of_best_values_is_aligned_at_the_right() -> None:
    lines = render(report_runs.healthy()).splitlines()
    start = next(index for index, line in enumerate(lines) if line.strip().startswith("best  "))
    assert lines[start : start + 4] == [
        "  best           loss   accuracy",
        "  train        0.0121      0.998",
        "  validation   0.0957      0.972",
        "  test          0.118      0.966",
    ]


def test_a_diverged_run_names_the_step_and_the_cause() -> None:
    text = render(report_runs.diverged())
    assert text.splitlines()[0] == "digits-hot: ▲ diverged at step 112: learning rate too high"
    assert "28 of 140 not finite (×)" in text
    assert "2 errors, 1 warning" in text


def test_the_curve_marks_findings_by_shape_at_their_step() -> None:
    lane = next(line for line in render(report_runs.diverged()).splitlines() if line.endswith("  findings"))
    assert lane.count("▲") == 2
    assert lane.count("◆") == 1
    assert lane.index("▲") < lane.index("◆")


def test_skipped_checks_are_never_called_healthy() -> None:
    checks = report_runs.healthy().checks
    passed, _, skipped = render_checks(checks).splitlines()
    assert passed == "  ✓ gradient check:       healthy (0.8 s)"
    assert skipped == "  – validation overlap:   not judged: no validation data was given"
    assert "2 checks judged, 1 not" in render(report_runs.healthy())


def test_a_failed_check_counts_its_findings() -> None:
    finding = report_runs.diverged().findings[0]
    assert render_checks([CheckResult(check="rate", status="failed", findings=(finding,))]) == "  ▲ rate: 1 error"


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [1.0],
        [math.nan] * 5,
        [2.0] * 40,
        [1e30, 1.0, -1e30],
        [1e308, -1e308, 0.0],
        [math.inf, 5e-324, 1.0, math.nan],
    ],
)
def test_strange_losses_render(losses: list[float]) -> None:
    healthy = bool(losses) and math.isfinite(losses[-1])
    assert text_of(losses).startswith("run: ✓ not ended yet, healthy so far") is healthy
    assert ("✓" in text_of(losses)) is healthy


def test_a_loss_that_is_lost_is_never_called_healthy() -> None:
    assert text_of([1.0, math.nan]).splitlines()[0] == "run: ▲ not ended yet: the loss is NaN"
    assert text_of([]).splitlines()[0] == "run: ● nothing recorded yet"
    assert text_of([math.nan, 1.0]).splitlines()[0] == "run: ✓ not ended yet, healthy so far"


def test_all_nan_losses_show_the_gutter_and_no_curve() -> None:
    text = text_of([math.nan] * 30)
    assert "30 of 30 not finite (×)" in text
    assert "×" * 60 in text
    assert "┤" not in text


def test_hostile_names_reach_the_terminal_escaped() -> None:
    text = text_of([1.0, 2.0], name="\x1b[31mx\nforged", model="\u202e", optimizer="\x9b", schedule="\x07")
    assert text.isprintable() or set("".join(text.split("\n"))).isdisjoint("\x1b\u202e\x9b\x07")
    assert text.splitlines()[0].startswith("\\x1b[31mx forged:")


def test_lines_stay_within_the_width() -> None:
    run = report_runs.diverged()
    text = render_run(run.info, run.outcome, run.chart, run.findings, width=60)
    assert max(map(len, text.splitlines())) <= 60


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (None, "nothing recorded yet"),
        (Outcome(status="finished", steps=3), "finished, healthy"),
        (Outcome(status="stopped", steps=3), "stopped at step 3, healthy"),
        (Outcome(status="interrupted", steps=3), "interrupted at step 3, healthy so far"),
        (Outcome(status="diverged", steps=3, reason="the loss is NaN"), "diverged at step 3: the loss is NaN"),
    ],
)
def test_the_verdict_without_findings(outcome: Outcome | None, sentence: str) -> None:
    assert verdict(outcome, Chart(info=RunInfo()), [])[1] == sentence


def test_the_verdict_names_the_worst_finding() -> None:
    run = report_runs.overfitting()
    sign, sentence = verdict(run.outcome, run.chart, run.findings)
    assert (sign.word, sentence) == ("warning", "stopped at step 4,600 with 1 warning: overfitting")


def test_without_recorded_best_values_those_at_the_lowest_validation_loss_are_shown() -> None:
    def evaluated(step: int, split: str, loss: float) -> EvalRecord:
        return EvalRecord(step=step, epoch=0, split=split, loss=loss, loss_error=0.0, metrics={"rmse": loss}, samples=9)

    evals = [evaluated(1, "validation", math.nan), evaluated(2, "train", 0.5), evaluated(2, "validation", 0.7)]
    run = report_runs.healthy(60)
    chart = dataclasses.replace(run.chart, evals=[*evals, evaluated(3, "validation", 0.9)])
    text = render_run(run.info, None, chart, [])
    assert "  train         0.5    0.5\n  validation    0.7    0.7\n" in text
