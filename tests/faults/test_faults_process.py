"""What may happen in a process while it trains: the state is kept, the message says what, and no number changes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from faults_disk import Refusing
from faults_runs import SETTINGS, begin, data, go_on, net, traces
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

import trainwright as tw
from trainwright.errors import DataError, ModelError, RunError, TrainwrightError
from trainwright.interruption import EXIT_TIME, Interrupted, listening, poll
from trainwright.runs.durable import trapped
from trainwright.tensors import digest
from trainwright.training import saver, stored

LOSS = {key: value for key, value in SETTINGS.items() if key != "loss"}


class Loss:
    """Cross-entropy that does something at one of its calls in training."""

    def __init__(self, call: int, action: Callable[[], None]) -> None:
        self.call, self.action, self.calls = call, action, 0

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(output) <= 8:
            self.calls += 1
            if self.calls == self.call:
                self.action()
        return functional.cross_entropy(output, target)


def run(folder: Path | None, call: int, action: Callable[[], None], **settings: Any) -> tw.Run:
    # The first call of all is the look at the loss before the run.
    return tw.fit(net(), data(), data(1), loss=Loss(call, action), folder=folder, **{**LOSS, **settings})


def quiet() -> None:
    pass


def states(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").glob("state-*"))


def out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize("call", [4, 5, 6])
def test_out_of_memory_keeps_the_state_and_says_what_takes_less(tmp_path: Path, call: int) -> None:
    expected = run(None, 10**9, quiet)
    with pytest.raises(ModelError, match="memory ran out") as caught:
        run(tmp_path / "run", call, out_of_memory, checkpoint_every_steps=0)
    assert "20.00 GiB" in caught.value.evidence
    assert "MiB were free" in caught.value.evidence
    assert "train.accumulate = 2" in caught.value.remedy
    assert len(states(tmp_path / "run")) == 1
    again = go_on(tmp_path / "run", loss=Loss(10**9, quiet))
    assert again.digest == expected.digest
    made = [event.step for event in again.history.events if event.name == "resumed"]
    assert made == [int(states(tmp_path / "run")[0][-8:])] or made[0] > 0


class Reads(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Samples of which one does something when it is read, once: the first that makes the file `mark` go."""

    def __init__(self, action: Callable[[], None], mark: Path, row: int = 13) -> None:
        self.x, self.y = data()
        self.action, self.mark, self.row = action, mark, row

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        if row == self.row and self.mark.exists():
            self.mark.unlink()
            self.action()
        return self.x[row], self.y[row]


def loader(reads: Reads, workers: int, **options: Any) -> DataLoader[Any]:
    return DataLoader(reads, batch_size=4, shuffle=True, num_workers=workers, **options)


def on_loader(folder: Path | None, made: DataLoader[Any], mark: Path | None = None, loss: Any = None) -> tw.Run:
    settings = {key: value for key, value in SETTINGS.items() if key != "batch_size"}
    settings["loss"] = loss or Loss(10**9, quiet)
    if mark is not None:
        mark.touch()
    return tw.fit(net(), made, data(1), folder=folder, **{**settings, "checkpoint_every_steps": 0})


def broken() -> None:
    raise ValueError("this sample is broken")


def test_data_that_cannot_be_read_leave_the_state_of_the_step_before(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    expected = on_loader(None, loader(Reads(quiet, mark), 0))

    armed = Loss(6, mark.touch)  # from then on the sample is broken
    with pytest.raises(DataError, match="cannot be read"):
        on_loader(tmp_path / "run", loader(Reads(broken, mark), 0), loss=armed)
    (state,) = states(tmp_path / "run")[-1:]
    done = int(state[-8:])
    assert done > 0
    run = tw.resume(
        tmp_path / "run", model=net(), train=loader(Reads(quiet, mark), 0), validation=data(1), loss=Loss(0, quiet)
    )
    assert run.digest == expected.digest
    assert [event.step for event in run.history.events if event.name == "resumed"] == [done]


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}], ids=["anew", "persistent"])
def test_a_data_worker_that_dies_is_replaced_and_no_batch_changes(tmp_path: Path, options: dict[str, Any]) -> None:
    mark, folder = tmp_path / "mark", tmp_path / "run"
    expected = on_loader(None, loader(Reads(quiet, mark), 2, **options))
    made = loader(Reads(killed, mark), 2, **options)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        problem, run = None, None
        try:
            run = on_loader(folder, made, mark)
        except (RuntimeError, TrainwrightError) as told_elsewhere:  # torch may tell of it at any moment
            problem = told_elsewhere
        if run is None:
            again = loader(Reads(quiet, mark), 2)
            run = tw.resume(folder, model=net(), train=again, validation=data(1), loss=Loss(0, quiet))
    said = [str(problem)] if problem is not None else [str(warning.message) for warning in told]
    assert any("worker" in words for words in said)
    assert run.digest == expected.digest


@pytest.mark.parametrize("jump", [-86_400.0, 3.2e8, 0.0], ids=["a day back", "ten years on", "stopped"])
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    expected = traces(begin(tmp_path / "whole"))
    real, calls = time.time, [0]

    def jumping() -> float:
        calls[0] += 1
        return real() + jump * (calls[0] % 3) if jump else 1e9

    monkeypatch.setattr(time, "time", jumping)
    changed = begin(tmp_path / "run")
    assert traces(changed) == expected
    assert changed.outcome.seconds >= 0
    assert all(record.seconds >= 0 for record in changed.history.steps)
    assert states(tmp_path / "run") == states(tmp_path / "whole")


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    model = net()
    before = digest(model.state_dict())
    with trapped(Refusing(0, errno.EROFS, lasting=True)), pytest.raises(RunError, match="cannot be written"):
        tw.fit(model, data(), data(1), folder=tmp_path / "run", **SETTINGS)
    assert digest(model.state_dict()) == before


def test_a_folder_that_vanishes_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saver, "RETRY_SECONDS", 0.0)
    folder = tmp_path / "run"
    with pytest.raises((RunError, OSError)):
        run(folder, 4, lambda: shutil.rmtree(folder), epochs=4)


@pytest.mark.parametrize(
    "settings",
    [
        {"checkpoint_every_steps": 0},
        {"checkpoint_every_steps": 1},
        {"checkpoint_every_steps": 3, "keep_last": 5},
        {"evaluate_every_steps": 5},
        {"level": "full"},
    ],
    ids=str,
)
def test_saving_evaluating_and_watching_change_no_weight(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert begin(tmp_path / "run", **settings).digest == begin(None).digest
    kept = states(tmp_path / "run")
    assert kept[-1].endswith("step-00000006")
    assert len(kept) <= settings.get("keep_last", 2)


def test_a_state_that_is_not_finite_displaces_none_that_is(tmp_path: Path) -> None:
    good = run(tmp_path / "run", 10**9, quiet, epochs=1)
    before = states(tmp_path / "run")
    with torch.no_grad():
        next(good.model.parameters()).fill_(float("nan"))
    state = stored.newest(tmp_path / "run" / "checkpoints", tmp_path / "run")[0]
    assert state is not None
    tree = state.tree(torch.device("cpu"))
    tree["snapshot"]["weights"] = good.model.state_dict()
    assert stored.not_finite(tree) == "0.weight"
    assert states(tmp_path / "run") == before


# --- being asked to stop ---


def test_a_run_of_fit_listens_to_ctrl_c_and_gives_the_handler_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def interrupt() -> None:
        seen.append(signal.getsignal(signal.SIGTERM))
        signal.raise_signal(signal.SIGINT)

    cut = run(tmp_path / "run", 4, interrupt)
    assert cut.outcome.status == "interrupted"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert seen == [before[1]]
    assert int(states(tmp_path / "run")[-1][-8:]) == len(cut.history.steps)  # the step was finished, and kept
    again = go_on(tmp_path / "run", loss=Loss(10**9, quiet))
    assert again.digest == run(None, 10**9, quiet).digest


def test_a_second_ctrl_c_in_a_users_process_is_the_usual_one() -> None:
    with listening(own=False):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signal.SIGINT)
    assert not isinstance(caught.value, Interrupted)
    poll()  # nothing is left over


def test_handlers_of_somebody_else_are_left_alone() -> None:
    def theirs(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        with listening():
            assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)


def test_time_that_is_up_is_told_once() -> None:
    with listening(max_seconds=0.0, limit="0s"):
        with pytest.raises(Interrupted, match="is up: 0s") as caught:
            poll()
        assert caught.value.exit_status == EXIT_TIME
        poll()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("30m", 1800),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("10:30", 630),
        ("1-06:30:00", 109_800),
        ("1-2", 93_600),
    ],
)
def test_times_are_read_as_people_and_slurm_write_them(text: str, seconds: float) -> None:
    from trainwright.cli.options import seconds_of

    assert seconds_of(text) == seconds
