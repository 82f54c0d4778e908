"""Being told to stop, in every phase: the state is kept, the status says why, and the run goes on to the same end."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_programs import begun, gone_on, write_recipe
from faults_server import Server

from trainwright.runs.lock import LOCK
from trainwright.runs.reader import read_run

pytestmark = pytest.mark.xdist_group("kills")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def until(words: Path, text: str) -> None:
    """Wait until a program has said `text`."""
    ends = time.monotonic() + PATIENCE
    while not words.exists() or text not in words.read_text():
        assert time.monotonic() < ends, words.read_text() if words.exists() else "it said nothing"
        time.sleep(0.01)


def stopped(server: Server, arguments: list[str], words: Path, number: int, *, after: str) -> int:
    pid = server.start(arguments, words)
    until(words, after)
    os.kill(pid, number)
    return server.wait(pid)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
@pytest.mark.parametrize("phase", ["checks", "training"])
def test_a_signal_keeps_the_state_and_the_run_goes_on(
    server: Server, tmp_path: Path, number: int, status: int, phase: str
) -> None:
    recipe, folder, words = write_recipe("long", tmp_path), tmp_path / "run", tmp_path / "words"
    after = {"checks": "parameters, cross_entropy", "training": "epoch 0  step 0"}[phase]
    assert stopped(server, begun("long", recipe, folder), words, number, after=after) == status, words.read_text()
    said = words.read_text()
    assert "Traceback" not in said
    stored = read_run(folder)
    assert stored.outcome is not None
    assert stored.outcome.status == "interrupted"
    assert not (folder / LOCK).exists()
    kept = list((folder / "checkpoints").glob("state-*")) if phase == "training" else []
    if phase == "training":
        assert f"-step-{stored.outcome.steps:08d}" in max(path.name for path in kept)
        assert f"to go on with it: trainwright resume {folder}" in said
    again = [*gone_on("long", recipe, folder), "--max-time", "2"]
    assert server.run(again, words) == 124, words.read_text()
    assert "the time that it was given is up: 2" in words.read_text()
    new = read_run(folder)
    steps = [record.step for record in new.chart.steps]
    assert steps == list(range(len(steps)))
    assert len(steps) >= stored.outcome.steps if phase == "training" else True


def test_a_second_interrupt_leaves_at_once_and_the_run_goes_on(server: Server, tmp_path: Path) -> None:
    recipe, folder, words = write_recipe("long", tmp_path), tmp_path / "run", tmp_path / "words"
    pid = server.start(begun("long", recipe, folder), words)
    until(words, "epoch 0  step 0")
    for _ in range(2):
        os.kill(pid, signal.SIGINT)
        time.sleep(0.05)
    assert server.wait(pid) == 130
    assert "Traceback" not in words.read_text()
    assert server.run([*gone_on("long", recipe, folder), "--max-time", "1"], words) == 124, words.read_text()


def test_a_run_that_is_interrupted_again_and_again_comes_to_the_same_end(server: Server, tmp_path: Path) -> None:
    recipe, words = write_recipe("mlp", tmp_path), tmp_path / "words"
    assert server.run(begun("mlp", recipe, tmp_path / "whole"), words) == 0
    folder, limit = tmp_path / "run", 0.4
    ended: list[int] = []
    while 0 not in ended and len(ended) < 200:
        status = server.run([*gone_on("mlp", recipe, folder), "--max-time", f"{limit:.3f}"], words)
        if status == 0 and not ended and limit > 0.02:  # a machine so fast that nothing was interrupted
            shutil.rmtree(folder)
            limit /= 1.5
            continue
        ended.append(status)
        limit *= 1.1  # or, begun anew each time before its first step, it would never end
    assert ended[0] == 124, "it was never interrupted"
    assert set(ended) == {124, 0}, words.read_text()
    whole, cut = read_run(tmp_path / "whole"), read_run(folder)
    assert cut.digest == whole.digest
    assert len(cut.chart.steps) == len(whole.chart.steps)


def test_ctrl_c_in_a_group_with_data_workers_leaves_no_orphans(server: Server, tmp_path: Path) -> None:
    folder, words = tmp_path / "run", tmp_path / "words"
    pid = server.start(["loader", str(folder), "begin", "500"], words)
    ends = time.monotonic() + PATIENCE
    while not (folder / "metrics.jsonl").exists() or (folder / "metrics.jsonl").stat().st_size == 0:
        assert time.monotonic() < ends, words.read_text() if words.exists() else ""
        time.sleep(0.02)
    os.killpg(pid, signal.SIGINT)
    assert server.wait(pid) == 0, words.read_text()  # in a program of the user's, an interrupt is an outcome
    stored = read_run(folder)
    assert stored.outcome is not None
    assert stored.outcome.status == "interrupted"
    assert list((folder / "checkpoints").glob("state-*"))
    while _group(pid):
        assert time.monotonic() < ends, "workers are left"
        time.sleep(0.05)


def _group(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_of_many_processes_that_want_one_folder_one_writes(server: Server, tmp_path: Path) -> None:
    recipe, folder = write_recipe("mlp", tmp_path), tmp_path / "run"
    words = [tmp_path / f"words-{number}" for number in range(8)]
    started = [server.start(begun("mlp", recipe, folder), output) for output in words]
    ended = [server.wait(pid) for pid in started]
    assert sorted(ended) == [0, *[1] * 7]
    for status, output in zip(ended, words, strict=True):
        assert status == 0 or "run" in output.read_text()
        assert "Traceback" not in output.read_text()
    assert read_run(folder).outcome is not None
