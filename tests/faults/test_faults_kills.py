"""Real processes, really killed, at random moments: the run comes to the end that it would have come to."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from faults_programs import PROGRAMS, begun, gone_on, write_recipe
from faults_server import Server, killed_after

from trainwright.runs.reader import read_run

pytestmark = pytest.mark.xdist_group("kills")


@dataclass(frozen=True)
class Whole:
    """A program that ran through: what it left, and how long it took."""

    traces: dict[str, Any]
    seconds: float


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


_WHOLE: dict[str, Whole] = {}


def whole(name: str, server: Server, home: Path) -> Whole:
    """Return the uninterrupted run of a program; made once."""
    if name not in _WHOLE:
        folder = home / f"{name}-whole"
        arguments = begun(name, write_recipe(name, home), folder)
        assert server.run(arguments, home / "words") == 0, (home / "words").read_text()
        started = time.monotonic()
        again = begun(name, home / f"{name}.toml", home / f"{name}-again")
        server.run(again, home / "words")
        _WHOLE[name] = Whole(traces(folder), time.monotonic() - started)
        assert traces(home / f"{name}-again") == _WHOLE[name].traces, "the program is not the same twice"
    return _WHOLE[name]


def traces(folder: Path) -> dict[str, Any]:
    """Return what must be the same, from what a run left on the disk."""
    stored = read_run(folder)
    assert stored.notes == ()
    assert stored.outcome is not None
    steps = [record.step for record in stored.chart.steps]
    assert steps == list(range(len(steps))), "every step once, in order"
    return {
        "digest": stored.digest,
        "outcome": repr(replace(stored.outcome, seconds=0.0)),
        "steps": [repr(replace(record, seconds=0.0)) for record in stored.chart.steps],
        "evals": [repr(replace(record, seconds=0.0)) for record in stored.chart.evals],
        "layers": [repr(record) for record in stored.chart.layers],
        "findings": repr(stored.findings),
    }


def survives(name: str, seed: int, server: Server, home: Path, tmp_path: Path) -> None:
    expected = whole(name, server, home)
    chance = random.Random(f"{name} {seed}")
    recipe, folder, words = home / f"{name}.toml", tmp_path / "run", tmp_path / "words"
    delays = [chance.uniform(0, expected.seconds) for _ in range(chance.randint(1, 3))]
    for delay in delays:
        killed_after(server, gone_on(name, recipe, folder), words, delay)
    if not folder.exists() or read_outcome(folder) is None:
        status = server.run(gone_on(name, recipe, folder), words)
        assert status == 0, f"killed after {delays} s: {words.read_text()}"
    assert traces(folder) == expected.traces, f"killed after {delays} s: {words.read_text()}"
    assert not list(folder.glob("tmp-*"))


def read_outcome(folder: Path) -> object:
    return read_run(folder).outcome if (folder / "run.json").exists() else None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_run_comes_to_the_same_end(name: str, seed: int, server: Server, home: Path, tmp_path: Path) -> None:
    survives(name, seed, server, home, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 44))
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_run_killed_at_any_of_many_moments_comes_to_the_same_end(
    name: str, seed: int, server: Server, home: Path, tmp_path: Path
) -> None:
    survives(name, seed, server, home, tmp_path)
