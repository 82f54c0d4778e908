"""A hundred workers of one study are killed, one a second: each trial ends exactly once, and as if nobody had been."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from search_arenas import Walk
from search_killed import TRIALS, plan
from search_worker import SPACE
from test_search_study import outcome

from trainwright.search.course import search
from trainwright.search.study import JOURNAL

KILLS, SECONDS = 100, 1.0
PROGRAM = Path(__file__).with_name("search_killed.py")


def bodies(folder: Path, database: Path | None) -> Iterator[dict[str, Any]]:
    """Yield what was decided, in order."""
    if database is None:
        for line in (folder / JOURNAL).read_text().splitlines():
            yield json.loads(line)["body"]
        return
    with closing(sqlite3.connect(database)) as connection:
        for (body,) in connection.execute("select body from trainwright_lines order by number"):
            yield json.loads(body)


@pytest.mark.slow
@pytest.mark.parametrize("shares", ["a folder", "a database"])
def test_each_trial_ends_exactly_once_though_a_hundred_workers_are_killed(tmp_path: Path, shares: str) -> None:
    database = tmp_path / "studies.db" if shares == "a database" else None
    store = None if database is None else f"sqlite:///{database}"
    folder = tmp_path / "the-study"
    words = [folder, KILLS, SECONDS, *([] if store is None else [store])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), *sys.path])}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(KILLS), "0"]
    study = search(Walk(), plan(), SPACE, folder=folder, store=store)
    assert outcome(study) == outcome(search(Walk(), plan(), SPACE))
    ended: Counter[int] = Counter()
    for body in bodies(folder, database):
        if body["kind"] == "scores":
            ended.update(int(number) for number in body["scores"] if body["last"] or int(number) not in body["kept"])
    assert ended == Counter(range(TRIALS))
