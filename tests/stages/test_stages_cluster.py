"""A search on Ray: the same trials as one process, each once, however many workers die; and what is refused at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from trainwright.errors import RunError, UsageError
from trainwright.search.study import JOURNAL, read_study
from trainwright.stages import cluster
from trainwright.stages.recipe import Recipe
from trainwright.stages.tune import tune_recipe

KILLS = 2
RECIPE = """
[data]
source = "iris"
[train]
epochs = 4
threads = 1
[tune]
trials = 24
rounds = 2
final = 0
sampler = "sobol"
[tune.space]
"optimizer.lr" = { log_uniform = [1e-4, 1e-1] }
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    pytest.importorskip("ray")
    found = cluster.start(None)
    yield found
    found.shutdown()


def outcome(folder: Path) -> list[tuple[int, str, float | None]]:
    return [(trial.number, trial.status, trial.score) for trial in read_study(folder).trials]


def test_an_address_where_nobody_answers_is_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RunError, match="no Ray cluster answers"):
        cluster._check_reachable(f"127.0.0.1:{port}")
    with pytest.raises(UsageError, match="give host:port"):
        cluster._check_reachable("somewhere")


def test_a_machine_without_ray_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="not installed") as refused:
        cluster.start(None)
    assert "trainwright[ray]" in refused.value.remedy


def test_a_folder_that_is_not_shared_is_refused(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "REACH_SECONDS", 0.0)
    job = cluster.job_of(recipe, {}, tmp_path / "s", None, None)
    with pytest.raises(RunError, match="is not shared"):
        cluster._check_shared(job)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "study.token").write_text("another")
    with pytest.raises(RunError) as refused:
        cluster._check_shared(job)
    assert refused.value.evidence == "it is another folder of that name"
    assert "--store" in refused.value.remedy


@pytest.mark.slow
def test_workers_on_ray_try_the_same_as_one_process(ray: Any, recipe: Path, tmp_path: Path) -> None:
    tune_recipe(Recipe.read(recipe), folder=tmp_path / "one")
    cluster.work(ray, cluster.job_of(recipe, {}, tmp_path / "ray", None, None), 2)
    assert outcome(tmp_path / "ray") == outcome(tmp_path / "one")


@pytest.mark.slow
def test_a_refusal_of_a_worker_is_told_as_it_is(ray: Any, recipe: Path, tmp_path: Path) -> None:
    job = cluster.job_of(recipe, {"data.source": "nowhere.csv"}, tmp_path / "s", None, None)
    with pytest.raises(RunError, match=r"'nowhere\.csv' cannot be found"):
        cluster.work(ray, job, 2)


@pytest.mark.slow
def test_every_trial_ends_once_however_many_workers_are_killed(ray: Any, recipe: Path, tmp_path: Path) -> None:
    folder, said = tmp_path / "s", list[str]()
    killed: set[int] = set()
    over = threading.Event()

    def kill() -> None:
        """Kill who has taken a chunk last, as soon as it has."""
        while not over.wait(0.2) and len(killed) < KILLS:
            journal = folder / JOURNAL
            lines = journal.read_text().splitlines() if journal.is_file() else []
            owners = [json.loads(line)["body"]["owner"]["pid"] for line in lines if '"kind":"lease"' in line]
            if owners and owners[-1] not in killed:
                with suppress(ProcessLookupError):
                    os.kill(owners[-1], signal.SIGKILL)
                killed.add(owners[-1])

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        cluster.work(ray, cluster.job_of(recipe, {"train.epochs": 20}, folder, None, None), 2, say=said.append)
    finally:
        over.set()
        killer.join()
    assert read_study(folder).status == "finished"
    assert len(killed) == KILLS
    assert said
    ended: Counter[int] = Counter()
    for line in (folder / JOURNAL).read_text().splitlines():
        body = json.loads(line)["body"]
        if body["kind"] == "scores":
            ended.update(int(number) for number in body["scores"] if body["last"] or int(number) not in body["kept"])
    assert ended == Counter(range(24))
