"""A search told in the terminal and as JSON: every number is that of the records, and no name can do harm."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
import report_studies as studies

from trainwright.records import Axis, Evidence, Finding, Plan, Round, StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.study_facts import final_rows, progress
from trainwright.report.study_grid import compare, grid_levels
from trainwright.report.study_json import study_json
from trainwright.report.study_live import render_live, short_names, trial_table
from trainwright.report.study_text import render_study
from trainwright.report.wrapping import display_width
from trainwright.search.samplers import grid

EMPTY = StudyInfo(plan=Plan(budget=10))
EDGE = Finding(
    code="TW608",
    kind="best-value-at-edge",
    severity="warning",
    title="the best value lies at the edge of what was searched",
    evidence=(Evidence(name="best optimizer.lr", value=0.97, threshold=1.0),),
)


def shown(info: StudyInfo, *, color: bool = False, width: int = 100, **facts: Any) -> str:
    return render_study(StudyReading(info=info, **facts), color=color, width=width)


def plain(info: StudyInfo, **facts: Any) -> dict[str, Any]:
    return study_json(StudyReading(info=info, **facts))


def whole() -> str:
    info = studies.searched()
    return shown(
        info, name="digits", findings=[EDGE], edges=studies.EDGES, importance=studies.IMPORTANCE, final=studies.FINAL
    )


def trial(number: int, score: float | None, **facts: object) -> Trial:
    made = Trial(number=number, configuration=number, round=0, chunk=0, values={"lr": 0.1}, seed=0, score=score)
    return replace(made, **facts)  # pyright: ignore[reportArgumentType]


def test_the_summary_tells_the_best_the_moves_the_failures_and_the_final_run() -> None:
    info, text = studies.searched(), whole()
    assert info.best is not None
    assert info.best.score is not None
    assert f"best score {info.best.score:.4g}" in text
    assert f"trial {info.best.number} of round {info.best.round + 1}" in text
    for move in info.moves:
        assert move.reason in " ".join(text.split())
    failed = sum(trial.status == "failed" for trial in info.trials)
    assert failed > 0
    assert f"{failed} × the validation score is nan after 100 steps" in text
    assert "upper end 0.1 (what lies beyond was not tried)" in text
    assert "85 % ± 20" in text
    assert "0.0825 ± 0.0032 (standard error): beyond the noise" in text
    assert "warning[TW608]" in text


def test_every_line_fits_the_width_unless_a_finding_made_it() -> None:
    for width in (60, 80, 120):
        text = shown(studies.searched(), importance=studies.IMPORTANCE, final=studies.FINAL, width=width)
        assert max(map(display_width, text.splitlines())) <= width


@pytest.mark.parametrize("height", [12, 15, 20, 40])
def test_the_live_picture_has_a_bounded_height(height: int) -> None:
    for info in (EMPTY, studies.searched(), studies.hostile()):
        assert len(render_live(info, height=height, width=90).splitlines()) <= height


def test_the_table_goes_from_best_to_worst_and_counts_the_rest() -> None:
    info = replace(EMPTY, trials=(trial(0, 3.0), trial(1, 1.0, status="finished"), trial(2, None, status="failed")))
    lines = trial_table(info, rows=2)
    assert [line.split()[1] for line in lines[1:3]] == ["1", "0"]
    assert lines[3].strip() == "1 more: 1 failed"
    assert trial_table(EMPTY) == ["  no trial has begun"]


def test_parameters_that_do_not_fit_are_counted() -> None:
    assert "5 parameters left out" in "\n".join(trial_table(studies.searched(), rows=3, width=66))


def test_names_are_cut_to_their_last_part_where_that_tells_them_apart() -> None:
    assert short_names(["optimizer.lr", "a.width", "b.width"]) == ["lr", "a.width", "b.width"]


def test_no_name_or_reason_reaches_the_terminal_as_a_command() -> None:
    text = shown(studies.hostile(), name="\x1b[2J", color=False) + render_live(studies.hostile())
    assert "\x1b" not in text
    assert "\x07" not in text


def test_the_best_so_far_is_that_of_the_trials_that_came_furthest() -> None:
    rows = (
        trial(0, 2.0, budgets=(1, 3), scores=(5.0, 2.0), steps=3, rung=2),
        trial(1, 4.0, budgets=(1,), scores=(4.0,), steps=1, rung=1),
        trial(2, 1.0, budgets=(1,), scores=(1.0,), steps=1, rung=1, chunk=1),
        trial(3, 0.1, budgets=(1,), scores=(0.1,), steps=2, chunk=1, status="failed"),
        trial(4, 1.5, budgets=(1, 3), scores=(1.0, 1.5), steps=3, rung=2, chunk=2),
    )
    info = replace(EMPTY, trials=rows)
    # Chunk 0: two trials of one step, then one of two more. The early 1.0 of chunk 1 went no further than that.
    assert progress(info) == [(2, 4.0), (4, 2.0), (10, 1.5)]
    assert info.best is not None
    assert progress(info)[-1][1] == info.best.score


def test_the_last_best_is_that_of_the_study() -> None:
    info = studies.searched()
    assert info.best is not None
    assert progress(info)[-1] == (info.steps, info.best.score)


@pytest.mark.parametrize("count", [1, 5, 16, 54, 200])
def test_the_grid_beside_the_trials_is_the_one_that_the_sampler_would_have_tried(count: int) -> None:
    levels = grid_levels(studies.SPACE, count)
    cells = grid(studies.SPACE, count)
    for name in studies.SPACE:
        assert len({cell[name] for cell in cells if name in cell}) == levels[name]
    made = tuple(trial(number, 1.0) for number in range(count))
    one = Round(sampler="sobol", number=0, space=studies.SPACE, first=0, chunks=(count,))
    assert compare(replace(EMPTY, trials=made, rounds=(one,)))[0] == len(cells)


def test_random_points_try_a_new_value_every_time_where_a_grid_tries_the_root() -> None:
    space = {name: Axis(scale="linear") for name in ("one", "other")}
    made = tuple(
        replace(trial(number, 1.0), values={"one": number / 25, "other": 1 - number / 25}) for number in range(25)
    )
    points, axes = compare(
        replace(EMPTY, trials=made, rounds=(Round(sampler="sobol", number=0, space=space, first=0, chunks=(25,)),))
    )
    assert points == 25
    assert [(len(one.tested), len(one.grid)) for one in axes] == [(25, 5), (25, 5)]


def test_the_document_can_be_read_by_any_parser_and_holds_everything() -> None:
    info = studies.searched()
    document = plain(info, findings=[EDGE], edges=studies.EDGES, importance=studies.IMPORTANCE, final=studies.FINAL)
    read = json.loads(json.dumps(document, allow_nan=False))
    assert read == document
    assert (read["schema"], read["status"], read["steps"]) == (1, "finished", info.steps)
    assert read["best"]["number"] == info.best.number if info.best else False
    assert read["ranking"][0] == read["best"]["number"]
    assert len(read["trials"]) == len(info.trials)
    assert len(read["moves"]) == len(info.moves)
    assert read["edges"][0]["is_limit"] is False
    assert read["importance"][0] == {"name": "optimizer.lr", "share": 0.85, "deviation": 0.2}
    assert read["final"]["optimism"] == pytest.approx(studies.FINAL.fresh - 0.31)
    assert read["final"]["is_beyond_noise"] is True
    assert read["findings"][0]["code"] == "TW608"
    assert sum(row["trials"] for row in read["failures"]) == sum(one.status == "failed" for one in info.trials)


def test_a_study_without_a_trial_and_one_that_lost_all_are_told_too() -> None:
    lost = replace(EMPTY, status="finished", trials=(trial(0, None, status="failed", reason="out of memory"),))
    assert "still running: no trial has a score" in shown(EMPTY)
    assert "1 × out of memory" in shown(lost)
    for info in (EMPTY, lost):
        json.dumps(plain(info), allow_nan=False)


def test_a_gain_counts_only_beyond_the_noise_of_its_pairs() -> None:
    final = studies.FINAL
    assert final.optimism == pytest.approx(0.33375 - 0.31)
    assert final.gain == pytest.approx(0.0825)
    assert final.gain_error == pytest.approx(0.00322749, rel=1e-5)
    # Pairs: what all seeds share does not count as noise.
    noisy = replace(final, fresh_scores=(1.0, 5.0, 9.0), default_scores=(1.1, 5.11, 9.09))
    assert noisy.is_beyond_noise is True
    assert replace(noisy, default_scores=(0.5, 6.0, 9.4)).is_beyond_noise is False
    assert "may be no better" in dict(final_rows(replace(noisy, default_scores=(0.5, 6.0, 9.4))))["gain"]
    assert replace(noisy, fresh_scores=(1.0,), default_scores=(2.0,)).is_beyond_noise is None
    assert replace(noisy, default_scores=()).gain is None


def test_the_gain_is_that_of_the_untouched_split_where_the_default_was_measured_on_it() -> None:
    final = replace(studies.FINAL, default_test_scores=(0.36, 0.355, 0.34, 0.365))
    rows = dict(final_rows(final))
    assert final.is_gain_untouched
    assert final.gain == pytest.approx(0.005)  # 0.0825 on the split that the winner was chosen on
    assert "on the untouched split they are worse than the search's score by 0.04" in rows["optimism"]
    assert "within the noise" in rows["gain on the untouched split"]
    assert "gain" not in rows
    assert final.is_beyond_noise is False
    json.dumps(plain(EMPTY, final=final), allow_nan=False)


def test_a_final_run_that_failed_promises_nothing() -> None:
    final = replace(studies.FINAL, fresh_scores=(0.3, math.nan), default_scores=(0.4, 0.4))
    assert math.isnan(final.fresh)
    assert final.is_beyond_noise is None
    rows = dict(final_rows(final))
    assert "1 more failed" in rows["fresh seeds"]
    assert rows["optimism"] == "unknown: a run under a fresh seed failed"
    json.dumps(plain(EMPTY, final=final), allow_nan=False)


def test_the_t_test_is_false_once_in_forty_where_there_is_no_gain() -> None:
    source, false = random.Random(0), 0
    for _ in range(4000):
        scores = [tuple(source.gauss(0, 1) for _ in range(4)) for _ in range(2)]
        run = FinalRun(
            values={}, seeds=(1, 2, 3, 4), steps=1, search_score=0, fresh_scores=scores[0], default_scores=scores[1]
        )
        false += bool(run.is_beyond_noise)
    assert 70 <= false <= 130
