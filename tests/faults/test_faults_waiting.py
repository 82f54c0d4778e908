"""A data worker that lives and makes nothing: replaced, or named; a slow one is left alone, and Ctrl-C is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_faults_process import Reads, killed, loader, on_loader, quiet, states

from trainwright.data import waiting
from trainwright.data.streams import StreamBatches
from trainwright.errors import DataError
from trainwright.interruption import Interrupted, listening
from trainwright.tensors import digest

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what another process does is told on Linux alone"),
    pytest.mark.xdist_group("kills"),
]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "LONG_SECONDS", 0.6)
    monkeypatch.setattr(waiting, "STILL_SECONDS", 1.2)


def stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def locked() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def napping() -> None:
    for _ in range(60):
        time.sleep(0.05)


def computing() -> None:
    ends = time.monotonic() + 3.0
    while time.monotonic() < ends:
        pass


def asking_another() -> None:
    subprocess.run([sys.executable, "-c", "import time\nfor _ in range(60): time.sleep(0.05)"], check=True)


@pytest.mark.parametrize("action", [pytest.param(stopped, marks=pytest.mark.slow), locked])
def test_a_data_worker_that_hangs_is_replaced_and_no_batch_changes(tmp_path: Path, action: Callable[[], None]) -> None:
    mark = tmp_path / "mark"
    expected = on_loader(None, loader(Reads(quiet, mark), 2))
    with pytest.warns(RuntimeWarning) as told:
        run = on_loader(tmp_path / "run", loader(Reads(action, mark), 2), mark)
    said = [str(warning.message) for warning in told]
    state = "is stopped" if action is stopped else "waits"
    assert [words for words in said if "has not come for" in words and state in words]
    assert [words for words in said if "a data worker hangs" in words and "was not woken once" in words]
    assert run.digest == expected.digest
    assert states(tmp_path / "run")


@pytest.mark.slow
def test_a_data_worker_that_hangs_at_the_same_batch_again_ends_the_run_with_its_place(tmp_path: Path) -> None:
    class Always(Reads):
        def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
            if row == self.row:
                locked()
            return self.x[row], self.y[row]

    batches = StreamBatches(loader(Always(quiet, tmp_path / "mark"), 1), seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(DataError, match="hangs every time") as caught:
            list(batches.epoch(0))
    assert "at batch" in caught.value.evidence
    assert "num_workers=0" in caught.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize("action", [napping, computing, asking_another])
def test_a_slow_data_worker_is_told_of_and_left_alone(tmp_path: Path, action: Callable[[], None]) -> None:
    mark = tmp_path / "mark"
    calm = list(StreamBatches(loader(Reads(quiet, mark), 1), seed=3).epoch(0))
    mark.touch()
    with pytest.warns(RuntimeWarning) as told:
        slow = list(StreamBatches(loader(Reads(action, mark), 1), seed=3).epoch(0))
    assert ["has not come for" in str(warning.message) for warning in told] == [True]
    assert [digest({"x": x, "y": y}) for x, y in slow] == [digest({"x": x, "y": y}) for x, y in calm]


def test_who_waits_for_data_hears_that_it_is_to_stop(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    batches = StreamBatches(loader(Reads(napping, mark, row=0), 1), seed=3)
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    with listening(own=False), pytest.raises(Interrupted, match="keyboard"):
        list(batches.epoch(0))
    assert not mark.exists()


def test_a_worker_that_dies_while_it_is_waited_for_is_no_hang(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        got = list(StreamBatches(loader(Reads(killed, mark), 1), seed=3).epoch(0))
    assert len(got) == 5
    assert any("died" in str(warning.message) for warning in told)
