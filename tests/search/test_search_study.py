"""Studies: killed at any byte and any moment, shared by processes, changed between rounds; always the same trials."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from search_arenas import Formula, Walk, bowl
from search_worker import SPACE, plan

from trainwright.errors import RunError, UsageError
from trainwright.records import Plan, StudyInfo, Trial
from trainwright.search.course import search
from trainwright.search.halving import cost
from trainwright.search.owner import SILENT_SECONDS, Owner, this_process
from trainwright.search.problem import Problem
from trainwright.search.space import checked, log_uniform, uniform
from trainwright.search.study import JOURNAL, StudyView, read_study

WORKER = Path(__file__).with_name("search_worker.py")


class Killed(Exception):
    """Stands for the end of a process."""


class Mortal(Walk):
    """Ends in the middle of training, once so many rows were trained."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.left = rows

    def advance(self, numbers: Sequence[int], steps: int) -> Any:
        if self.left <= 0:
            raise Killed
        self.left -= len(numbers)
        return super().advance(numbers, steps)


def outcome(study: StudyInfo) -> list[Trial]:
    """Return all of the trials that does not depend on the clock."""
    return [replace(trial, seconds=0.0) for trial in study.trials]


@pytest.fixture(scope="module")
def undisturbed() -> StudyInfo:
    return search(Walk(), plan("sobol"), SPACE)


def test_a_study_on_disk_and_one_in_memory_are_the_same(undisturbed: StudyInfo, tmp_path: Path) -> None:
    study = search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    assert outcome(study) == outcome(undisturbed)
    assert study.rounds == undisturbed.rounds
    assert outcome(read_study(tmp_path)) == outcome(undisturbed)
    assert study.status == read_study(tmp_path).status == "finished"
    assert {trial.status for trial in study.trials} == {"finished", "pruned"}
    assert study.steps == sum(cost(plan("sobol"), 9) for _ in range(4))
    assert not list(tmp_path.glob("arrays/*.tmp"))
    assert len(list(tmp_path.glob("arrays/*"))) == 4  # the survivors of each chunk


@pytest.mark.parametrize("rows", [0, 5, 9, 13, 17, 20, 30, 44])
def test_a_study_that_ends_within_a_rung_goes_on_as_if_it_had_not(
    rows: int, undisturbed: StudyInfo, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        search(Mortal(rows), plan("sobol"), SPACE, folder=tmp_path)
    assert read_study(tmp_path).status == "stopped"
    arena = Walk()
    assert outcome(search(arena, plan("sobol"), SPACE, folder=tmp_path)) == outcome(undisturbed)
    assert rows < 20 or arena.steps < undisturbed.steps  # what was saved is not trained again


def test_a_study_cut_at_any_byte_of_its_journal_goes_on_as_if_it_had_not(
    undisturbed: StudyInfo, tmp_path: Path
) -> None:
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path / "whole")
    whole = (tmp_path / "whole" / JOURNAL).read_bytes()
    chosen = random.Random(1)
    for number, cut in enumerate([0, 1, len(whole) - 1, *(chosen.randrange(len(whole)) for _ in range(9))]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / JOURNAL).write_bytes(whole[:cut])
        again = StudyView(folder, plan("sobol"), SPACE)
        for chunk in again._ledger.chunks.values():  # the worker that wrote them is this process, and gone
            again._write("release", round=chunk.key[0], chunk=chunk.key[1])
        study = search(Walk(), plan("sobol"), SPACE, folder=folder)
        assert outcome(study) == outcome(undisturbed)
        torn = cut not in (0, len(whole)) and whole[cut - 1 : cut] != b"\n"
        assert any("torn" in note for note in study.notes) == torn


def test_a_snapshot_that_is_gone_or_damaged_costs_time_and_no_result(undisturbed: StudyInfo, tmp_path: Path) -> None:
    for damage in ("gone", "flipped"):
        with pytest.raises(Killed):
            search(Mortal(13), plan("sobol"), SPACE, folder=tmp_path / damage)
        (file,) = (tmp_path / damage / "arrays").glob("*.safetensors")
        if damage == "gone":
            file.unlink()
        else:
            raw = bytearray(file.read_bytes())
            raw[-3] ^= 1
            file.write_bytes(raw)
        assert outcome(search(Walk(), plan("sobol"), SPACE, folder=tmp_path / damage)) == outcome(undisturbed)


def damaged(folder: Path, wrong: bytes) -> bytes:
    """Write `wrong` over the middle of a study's journal, as if its processes had ended since; return it all."""
    raw = bytearray((folder / JOURNAL).read_bytes())
    middle = raw.index(b'"scores"', len(raw) // 2)
    raw[middle : middle + len(wrong)] = wrong
    (folder / JOURNAL).write_bytes(raw)
    return bytes(raw)


def test_a_wrong_byte_in_the_journal_is_set_right_and_said(undisturbed: StudyInfo, tmp_path: Path) -> None:
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    whole = (tmp_path / JOURNAL).read_bytes()
    damaged(tmp_path, b"?")
    assert outcome(read_study(tmp_path)) == outcome(undisturbed)
    study = search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    assert outcome(study) == outcome(undisturbed)
    assert any("set right" in note for note in study.notes)
    assert (tmp_path / JOURNAL).read_bytes()[: len(whole)] == whole


def test_of_a_journal_that_is_damaged_further_the_part_before_is_kept_and_the_rest_decided_again(
    undisturbed: StudyInfo, tmp_path: Path
) -> None:
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    raw = damaged(tmp_path, b"??????")
    study = search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    assert outcome(study) == outcome(undisturbed)
    assert any("were dropped" in note for note in study.notes)
    assert (tmp_path / "study.damaged-001.jsonl").read_bytes() == raw


def test_a_damaged_journal_that_somebody_works_on_is_left_alone(
    tmp_path: Path, workers: list[subprocess.Popen[str]]
) -> None:
    process = start(workers, tmp_path, 0.3)
    assert process.stdout is not None
    process.stdout.readline()
    journal, deadline = tmp_path / JOURNAL, time.monotonic() + 30
    while not (journal.exists() and b'"lease"' in journal.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)
    try:
        raw = (tmp_path / JOURNAL).read_bytes()
        place = raw.index(b'"space"')
        raw = raw[:place] + b"??????" + raw[place + 6 :]
        (tmp_path / JOURNAL).write_bytes(raw)
        with pytest.raises(RunError, match=r"line \d+ of .* is damaged"):
            search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
        assert (tmp_path / JOURNAL).read_bytes() == raw
    finally:
        process.send_signal(signal.SIGCONT)


def test_lines_that_do_not_belong_together_are_an_error_and_no_traceback(tmp_path: Path) -> None:
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join(line for line in lines if b'"kind":"lease"' not in line))
    with pytest.raises(RunError, match="do not belong together"):
        search(Walk(), plan("sobol"), SPACE, folder=tmp_path)


def test_another_problem_is_refused_with_what_differs(tmp_path: Path) -> None:
    problem = Problem(
        facts={"the loss": "focal", "optimizer.lr": "auto", "model.width": "8"}, searched=("optimizer.lr",)
    )
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path, problem=problem)
    other = {"the loss": "focal", "optimizer.lr": "0.1", "model.width": "16"}
    with pytest.raises(UsageError, match=r"another problem[\s\S]*evidence: model.width: 16, not 8\n"):
        search(Walk(), plan("sobol"), SPACE, folder=tmp_path, problem=replace(problem, facts=other))
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path, problem=replace(problem, searched=("model.width",)))
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path, problem=replace(problem, facts=other))


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(started: list[subprocess.Popen[str]], folder: Path, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), str(folder), "sobol", str(pause)]
    path = os.pathsep.join([str(WORKER.parent), *sys.path])
    started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}))
    return started[-1]


def test_workers_killed_at_random_moments_leave_a_study_that_others_finish(
    undisturbed: StudyInfo, tmp_path: Path, workers: list[subprocess.Popen[str]]
) -> None:
    moment, sizes = random.Random(2), []
    for _ in range(3):
        process = start(workers, tmp_path, 0.01)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moment.uniform(0.1, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        sizes.append((tmp_path / JOURNAL).stat().st_size)
    assert sizes[-1] > 0
    study = search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    assert outcome(study) == outcome(undisturbed)


def test_two_workers_share_a_study_and_try_the_same_as_one(
    undisturbed: StudyInfo, tmp_path: Path, workers: list[subprocess.Popen[str]]
) -> None:
    both = [start(workers, tmp_path, 0.01) for _ in range(2)]
    steps = [int(process.communicate(timeout=120)[0].split()[1]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outcome(read_study(tmp_path)) == outcome(undisturbed)
    assert sum(steps) == undisturbed.steps  # nothing was trained twice
    lines = [json.loads(line)["body"] for line in (tmp_path / JOURNAL).read_text().splitlines()]
    leased = [(line["round"], line["chunk"]) for line in lines if line["kind"] == "lease"]
    assert len(leased) == len(set(leased)) == 4


def test_a_lease_ends_with_its_process_and_not_before() -> None:
    alive = this_process()
    assert not alive.is_gone(1e9)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert replace(alive, pid=ended.pid).is_gone(0)
    assert replace(alive, started="another").is_gone(0)  # its number was given to somebody else
    elsewhere = Owner(host="elsewhere", pid=1, started="1", token="a")
    assert not elsewhere.is_gone(SILENT_SECONDS / 2)
    assert elsewhere.is_gone(SILENT_SECONDS * 2)


def test_a_worker_whose_chunk_was_taken_over_writes_nothing_more(undisturbed: StudyInfo, tmp_path: Path) -> None:
    class Robbed(Walk):
        def advance(self, numbers: Sequence[int], steps: int) -> Any:
            if not self.steps:
                other = StudyView(tmp_path, plan("sobol"), SPACE)
                chunk = next(iter(other._ledger.chunks.values()))
                other._lease(chunk.key, [], time.time())
                other._write("release", round=chunk.key[0], chunk=chunk.key[1])
            return super().advance(numbers, steps)

    study = search(Robbed(), plan("sobol"), SPACE, folder=tmp_path)
    assert outcome(study) == outcome(undisturbed)


def test_the_space_may_change_and_old_trials_stay_in_the_record(tmp_path: Path) -> None:
    wide = checked({"lr": log_uniform(1e-4, 1e-1), "x": uniform(0, 1)})
    narrow = checked({"lr": log_uniform(1e-2, 1e0), "x": uniform(0, 1)})
    arena = Formula(bowl(wide, {"lr": 0.9, "x": 0.5}))
    first = search(arena, Plan(budget=9, trials=18, rounds=1, chunk=9), wide, folder=tmp_path)
    study = search(arena, Plan(budget=9, trials=36, rounds=2, chunk=9), narrow, folder=tmp_path)
    assert outcome(study)[:18] == outcome(first)
    assert [one.action for one in study.moves] == ["given"]
    assert all(narrow["lr"].holds(trial.values["lr"]) for trial in study.trials[18:])
    assert len(study.trials) == 36
    more = search(arena, Plan(budget=9, trials=45, rounds=2, chunk=9), narrow, folder=tmp_path)
    assert [len(more.trials), len(more.rounds)] == [45, 3]
    assert more.rounds[2].space == more.rounds[1].space


def test_a_space_that_changes_in_the_middle_of_a_round_takes_what_was_not_begun(tmp_path: Path) -> None:
    wide, narrow = checked({"lr": log_uniform(1e-4, 1e-1)}), checked({"lr": log_uniform(1e-3, 1e-2)})
    given = Plan(budget=36, trials=18, rounds=1, chunk=6)
    with pytest.raises(Killed):
        search(Mortal(12), given, wide, folder=tmp_path)
    study = search(Walk(), given, narrow, folder=tmp_path)
    assert [one.chunks for one in study.rounds] == [(6, 6), (6,)]
    assert all(narrow["lr"].holds(trial.values["lr"]) for trial in study.trials[12:])
    assert all(trial.status != "running" for trial in study.trials)
    assert [trial.number for trial in study.trials] == list(range(18))


def test_what_would_spoil_the_comparison_cannot_change(tmp_path: Path) -> None:
    search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    with pytest.raises(UsageError, match="was begun with 36 steps in a trial, not 40"):
        search(Walk(), replace(plan("sobol"), budget=40), SPACE, folder=tmp_path)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("unsaved")
    with pytest.raises(RunError, match="holds other files"):
        search(Walk(), plan("sobol"), SPACE, folder=tmp_path)
    with pytest.raises(RunError, match="holds no study"):
        read_study(tmp_path)


def test_bounds_by_steps_and_by_seconds_are_kept_and_say_so(tmp_path: Path, undisturbed: StudyInfo) -> None:
    given = replace(plan("sobol"), steps=300)
    study = search(Walk(), given, SPACE, folder=tmp_path / "steps")
    assert 200 <= study.steps <= 300
    assert len(study.rounds) == 2
    stopped = search(Walk(), plan("sobol"), SPACE, folder=tmp_path / "seconds", seconds=0)
    assert stopped.status == "stopped"
    assert "0 seconds are over" in stopped.reason
    assert outcome(search(Walk(), plan("sobol"), SPACE, folder=tmp_path / "seconds")) == outcome(undisturbed)


def test_failures_are_data_and_the_search_goes_on() -> None:
    arena = Formula(bowl(SPACE, {"lr": 0.4, "momentum": 0.5}, wall=0.2))
    study = search(arena, Plan(budget=9, trials=36, rounds=2, chunk=9), SPACE)
    failed = [trial for trial in study.trials if trial.status == "failed"]
    assert failed
    assert all("nan after 1 steps" in trial.reason and trial.score is None for trial in failed)
    assert study.best is not None
    assert study.best.status == "finished"
    trained_on = {number for steps, numbers in arena.log if steps > 1 for number in numbers}
    assert not trained_on & {trial.number for trial in failed}


@pytest.mark.parametrize("sampler", ["grid", "random", "sobol", "tpe"])
def test_every_sampler_runs_a_study_with_repeats_under_common_seeds(sampler: str) -> None:
    arena = Formula(bowl(SPACE, {"lr": 0.4, "momentum": 0.5}), noise=0.01)
    study = search(arena, Plan(sampler=sampler, budget=9, trials=32, rounds=2, chunk=8, repeats=3), SPACE)
    assert 30 <= len(study.trials) / 3 <= 32
    for number in {trial.configuration for trial in study.trials}:
        mates = [trial for trial in study.trials if trial.configuration == number]
        assert len({json.dumps(dict(trial.values)) for trial in mates}) == 1
        assert [trial.seed for trial in mates] == [trial.seed for trial in study.trials[:3]]


def test_the_best_configuration_is_the_best_by_the_median_of_its_repeats() -> None:
    scores = {0: (0.1, 0.9, 0.9), 1: (0.5, 0.5, 0.6), 2: (0.2, None, None)}
    trials = tuple(
        Trial(
            number=3 * configuration + repeat, configuration=configuration, round=0, chunk=0, values={}, seed=repeat,
            status="failed" if score is None else "finished", score=score, rung=score is not None,
        )
        for configuration, each in scores.items()
        for repeat, score in enumerate(each)
    )  # fmt: skip
    best = StudyInfo(plan=Plan(budget=1), trials=trials).best
    assert best is not None
    assert (best.configuration, best.score) == (1, 0.5)


def test_who_observes_sees_every_decision() -> None:
    seen: list[int] = []
    states: set[str] = set()

    def observe(study: StudyInfo) -> None:
        seen.append(study.steps)
        states.add(study.status)

    search(Walk(), plan("sobol"), SPACE, observe=observe)
    assert states == {"running", "finished"}
    assert seen == sorted(seen)
    assert len(seen) == 4 * 6
