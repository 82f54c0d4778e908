"""Whatever the disk does, and whenever: the old state or the new one is there, and the run comes to the same end."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from faults_disk import TRIES, Ended, Ending, Recorder, Refusing, swept
from faults_runs import begin, begin_or_go_on, go_on, logged_once, traces

from trainwright.errors import RunError
from trainwright.runs import durable
from trainwright.runs.durable import Trap, trapped
from trainwright.tensors import digest
from trainwright.training import saver, stored
from trainwright.training.checkpoint import load, save

ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saver, "RETRY_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def _counted(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Tell how many faults a test tried, for the table."""
    before = TRIES["all"]
    yield
    record_property("tries", max(1, TRIES["all"] - before))


def state(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((3, 2), value), "count": torch.tensor(7)}


def tree(value: float) -> dict[str, Any]:
    return {"place": {"step": int(value)}, "snapshot": {"weights": state(value), "optimizer": {}}, "note": "é"}


def write_tree(folder: Path, value: float) -> None:
    stored.write(folder, tree(value), facts={"log": {}}, keep_last=2)


def newest_step(folder: Path) -> int:
    found, _ = stored.newest(folder, folder)
    assert found is not None
    back = found.tree(torch.device("cpu"))
    assert digest(back["snapshot"]["weights"]) == digest(state(back["place"]["step"]))
    return back["place"]["step"]


def best_step(folder: Path) -> int:
    weights, manifest = load(folder, "best")
    assert digest(weights) == digest(state(manifest["step"]))
    return manifest["step"]


def save_best(folder: Path, value: float) -> None:
    save(folder, "best", state(value), step=int(value), facts={})


WAYS = pytest.mark.parametrize(
    ("write", "read"), [(save_best, best_step), (write_tree, newest_step)], ids=["weights", "whole state"]
)


@WAYS
@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
def test_an_end_at_any_operation_leaves_the_old_or_the_new(
    tmp_path: Path, write: Callable[[Path, float], None], read: Callable[[Path], int], torn: bool
) -> None:
    found = []

    def act(trap: Trap) -> None:
        folder = tmp_path / str(len(found))
        with suppress(Ended):
            write(folder, 2)

    def make(number: int) -> Ending:
        write(tmp_path / str(number), 1)
        return Ending(number, torn=torn)

    for number, _ in swept(make, act):
        folder = tmp_path / str(number)
        found.append(read(folder))
        write(folder, 3)  # whoever goes on from here sweeps up after the dead writer
        assert read(folder) == 3
        assert not [path for path in folder.iterdir() if path.name.startswith("tmp-")]
    assert found == sorted(found)
    assert set(found) == {1, 2}
    assert len(found) > 8


@WAYS
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.__getitem__)
def test_a_refusal_at_any_operation_leaves_the_old_or_the_new_and_the_next_save_works(
    tmp_path: Path, write: Callable[[Path, float], None], read: Callable[[Path], int], error: int
) -> None:
    folder = tmp_path / "run"

    def make(number: int) -> Refusing:
        shutil.rmtree(folder, ignore_errors=True)
        write(folder, 1)
        return Refusing(number, error)

    def act(trap: Trap) -> None:
        with suppress(RunError, OSError):
            write(folder, 2)

    for _ in swept(make, act):
        assert read(folder) in (1, 2)
        write(folder, 3)
        assert read(folder) == 3


@WAYS
def test_a_power_cut_at_any_moment_leaves_the_old_or_the_new(
    tmp_path: Path, write: Callable[[Path, float], None], read: Callable[[Path], int]
) -> None:
    recorder, folder = Recorder(), tmp_path / "run"
    with trapped(recorder):
        write(folder, 1)
        first = len(recorder.seen)
        write(folder, 2)
    found = {
        (way, count): read(crashed)
        for count, way, crashed in recorder.crashes(folder, tmp_path / "after")
        if count >= first
    }
    assert set(found.values()) == {1, 2}
    assert found["names lost", len(recorder.seen)] == 2


@WAYS
def test_a_protocol_that_does_not_flush_is_caught(
    tmp_path: Path,
    write: Callable[[Path, float], None],
    read: Callable[[Path], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(durable, "sync", lambda path: None)
    recorder, folder = Recorder(), tmp_path / "run"
    with trapped(recorder):
        write(folder, 1)
        first = len(recorder.seen)
        write(folder, 2)
    lost = 0
    for count, _, crashed in recorder.crashes(folder, tmp_path / "after"):
        if count >= first:
            try:
                read(crashed)
            except (RunError, AssertionError):
                lost += 1
    assert lost > 0


EACH = 5
"""Every fifth operation of a whole run; `make faults` goes through more of them."""


@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
def test_a_run_that_ends_at_any_operation_goes_on_to_the_same_end(tmp_path: Path, torn: bool) -> None:
    expected = traces(begin(tmp_path / "whole"))
    folder = tmp_path / "run"

    def act(trap: Trap) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(Ended):
            begin(folder)

    tries = 0
    for number, _ in swept(lambda number: Ending(EACH * number, torn=torn), act):
        run = begin_or_go_on(folder)
        assert traces(run) == expected, f"ended at operation {EACH * number}"
        assert logged_once(folder)
        tries += 1
    assert tries > 12


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.__getitem__)
def test_one_refusal_at_any_operation_costs_a_run_nothing_or_is_told(tmp_path: Path, error: int) -> None:
    expected = traces(begin(tmp_path / "whole"))
    folder, ended = tmp_path / "run", []

    def act(trap: Trap) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            ended.append(begin(folder))
        except (RunError, OSError) as problem:
            ended.append(problem)

    for number, _ in swept(lambda number: Refusing(EACH * number, error), act):
        run = ended[-1]
        if isinstance(run, Exception):  # where the folder is made, and where the run's end is written
            assert str(error) in str(run) or run.__cause__ is None
            run = begin_or_go_on(folder)
        assert traces(run) == expected, f"refused at operation {EACH * number}"
        assert logged_once(folder)


def test_a_disk_that_stays_full_ends_the_run_with_a_message_and_with_room_it_goes_on(tmp_path: Path) -> None:
    expected = traces(begin(tmp_path / "whole"))
    for number in (25, 40, 60, 80):
        folder = tmp_path / str(number)
        with trapped(Refusing(number, errno.ENOSPC, lasting=True)), pytest.raises((RunError, OSError)) as caught:
            begin(folder)
        assert "No space left" in str(caught.value)
        run = go_on(folder)
        assert traces(run) == expected
        assert logged_once(folder)
