"""A study in a database: the same trials as in a folder, each once, whoever dies."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from search_arenas import Walk
from search_worker import SPACE, plan
from sqlalchemy import Engine, MetaData
from test_search_study import outcome

from trainwright.errors import RunError, UsageError
from trainwright.records import StudyInfo
from trainwright.search.course import search
from trainwright.search.owner import this_process
from trainwright.search.sqlstore import SqlJournal
from trainwright.search.study import abandon, read_study

WORKER = Path(__file__).with_name("search_worker.py")


@pytest.fixture(scope="module")
def undisturbed() -> StudyInfo:
    return search(Walk(), plan("sobol"), SPACE)


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def start(started: list[subprocess.Popen[str]], folder: Path, store: str, pause: float) -> subprocess.Popen[str]:
    """Start a worker with a folder of its own: they share the database alone."""
    own = folder / f"worker-{len(started)}" / "the-study"
    own.mkdir(parents=True)
    command = [sys.executable, str(WORKER), str(own), "sobol", str(pause), store]
    path = os.pathsep.join([str(WORKER.parent), *sys.path])
    started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}))
    return started[-1]


def leases(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        found = connection.execute('select body from trainwright_lines where body like \'%"kind":"lease"%\'').fetchall()
    connection.close()
    return [body for (body,) in found]


def test_two_workers_may_make_the_tables_in_the_same_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    made = MetaData.create_all

    def late(tables: MetaData, bind: Engine, **kwargs: Any) -> None:
        monkeypatch.undo()
        made(tables, bind)  # another worker's
        made(tables, bind, checkfirst=False)  # who looked before, and found none

    monkeypatch.setattr(MetaData, "create_all", late)
    assert SqlJournal(url, "a-study", this_process()).new() == []


def test_workers_that_share_a_database_alone_try_the_same_as_one(
    undisturbed: StudyInfo, tmp_path: Path, workers: list[subprocess.Popen[str]]
) -> None:
    store = f"sqlite:///{tmp_path}/studies.db"
    both = [start(workers, tmp_path, store, 0.01) for _ in range(2)]
    steps = [int(process.communicate(timeout=120)[0].split()[1]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    for place in range(2):  # each folder holds all that was decided, and can be read without the database
        assert outcome(read_study(tmp_path / f"worker-{place}" / "the-study")) == outcome(undisturbed)
    assert sum(steps) == undisturbed.steps
    assert len(leases(tmp_path / "studies.db")) == 4


@pytest.mark.slow
def test_a_study_goes_on_where_it_stood_after_a_kill(
    undisturbed: StudyInfo, tmp_path: Path, workers: list[subprocess.Popen[str]]
) -> None:
    store, moment = f"sqlite:///{tmp_path}/studies.db", random.Random(1)
    process = start(workers, tmp_path, store, 0.01)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(moment.uniform(0.2, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    study = search(Walk(), plan("sobol"), SPACE, folder=tmp_path / "the-study", store=store)
    assert outcome(study) == outcome(undisturbed)


def test_what_a_dead_process_elsewhere_had_taken_is_free_when_somebody_says_so(tmp_path: Path) -> None:
    from dataclasses import replace

    from trainwright.search.study import StudyView

    view = StudyView(tmp_path / "s", plan("sobol"), SPACE)
    view.owner = replace(view.owner, host="elsewhere", pid=7)
    first = view.claim()
    assert first is not None
    again = StudyView(tmp_path / "s", plan("sobol"), SPACE)
    second = again.claim()
    assert second is not None
    assert second.key != first.key  # the first is taken: nobody here can ask whether its process lives
    assert abandon(tmp_path / "s", None, "elsewhere", 8) == 0
    assert abandon(tmp_path / "s", None, "elsewhere", 7) == 1
    third = StudyView(tmp_path / "s", plan("sobol"), SPACE).claim()
    assert third is not None
    assert third.key == first.key


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "is no URL of a database"),
        ("nobase://host/db", "no driver"),
        ("sqlite://", "in memory cannot be shared"),
        ("sqlite:////nowhere/at/all/s.db", "cannot be used"),
    ],
    ids=["no-url", "no-driver", "memory", "no-folder"],
)
def test_a_store_that_cannot_be_used_is_refused(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises((RunError, UsageError), match=says):
        search(Walk(), plan("sobol"), SPACE, folder=tmp_path / "s", store=url)


def test_a_line_that_somebody_changed_is_told(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/studies.db"
    search(Walk(), plan("random"), SPACE, folder=tmp_path / "s", store=store)
    with sqlite3.connect(tmp_path / "studies.db") as connection:
        connection.execute("update trainwright_lines set body = replace(body, '36', '37') where number = 0")
    connection.close()
    with pytest.raises(RunError, match="line 1 of the study 's'"):
        read_study(tmp_path / "s", store)
