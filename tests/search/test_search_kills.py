"""Several workers on one folder, one of them killed again and again: every trial is made once, as one process makes it.

Slow: twenty kills of processes that have to start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from search_arenas import Walk
from search_worker import SPACE, plan

from trainwright.records.study import StudyInfo
from trainwright.search.course import search
from trainwright.search.study import JOURNAL, read_study

WORKER = Path(__file__).with_name("search_worker.py")
KILLS, WORKERS = 20, 3
PAUSE = 0.06  # seconds that a trial takes from rung to rung, so that a kill falls into the work


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(folder: Path, sampler: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(WORKER.parent), *sys.path])}
    command = [sys.executable, str(WORKER), str(folder), sampler, str(PAUSE)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def results(study: StudyInfo) -> list[tuple[object, ...]]:
    return sorted((one.number, tuple(one.values.items()), one.status, one.budgets, one.scores) for one in study.trials)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "grid", "sobol"])
def test_what_workers_make_while_one_is_killed_again_and_again_is_what_one_process_makes(
    sampler: str, tmp_path: Path, workers: list[subprocess.Popen[bytes]]
) -> None:
    alone = search(Walk(), plan(sampler), SPACE)
    moment, deadline, kills, studies, retaken = random.Random(7), time.monotonic() + 1_800, 0, 0, 0
    while kills < KILLS and time.monotonic() < deadline:
        folder = tmp_path / str(studies)
        studies += 1
        workers += [start(folder, sampler) for _ in range(WORKERS)]
        while kills < KILLS and time.monotonic() < deadline and any(process.poll() is None for process in workers):
            time.sleep(moment.uniform(0.05, 0.6))
            owners = {line["owner"]["pid"] for line in read(folder) if line["kind"] == "lease"}
            working = [process for process in workers if process.poll() is None and process.pid in owners]
            if working:  # the others are still starting
                victim = moment.choice(working)
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                kills += 1
                workers.append(start(folder, sampler))
        for process in workers:
            process.wait(timeout=120)
        retaken += check_once(folder, alone, sampler)
    assert kills == KILLS
    assert retaken >= KILLS / 4  # of the kills, so many fell into a chunk


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a study's journal as they stand."""
    journal = folder / JOURNAL
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    return [json.loads(line)["body"] for line in lines]


def check_once(folder: Path, alone: StudyInfo, sampler: str) -> int:
    """Assert that a folder holds what one process makes, and that no decision was written twice. Return how many chunks
    were taken over.
    """
    search(Walk(), plan(sampler), SPACE, folder=folder)  # whatever the last kill left undone
    study = read_study(folder)
    assert study.status == "finished"
    assert results(study) == results(alone)
    lines = read(folder)
    decided = Counter((one["round"], one["chunk"], one["steps"]) for one in lines if one["kind"] == "scores")
    assert set(decided.values()) == {1}
    drawn = [trial["number"] for one in lines if one["kind"] == "lease" for trial in one["trials"]]
    assert len(drawn) == len(set(drawn)) == len(alone.trials)
    return sum(one["kind"] == "lease" for one in lines) - len({(one.round, one.chunk) for one in alone.trials})
