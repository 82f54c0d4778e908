"""Runs on many devices from the shell: killed, and gone on with, on as many devices or on others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from distributed_launching import HERE, started, torchrun

from trainwright.runs.reader import read_run

RECIPE = """
[data]
source = "digits"
[model]
name = "mlp"
dropout = 0.0
[train]
epochs = 6
batch_size = 64
checkpoint_every_steps = 20
verify = "off"
[distributed]
strategy = "{strategy}"
"""


def recipe(folder: Path, strategy: str = "ddp") -> Path:
    """Write a recipe of 120 steps."""
    file = folder / f"{strategy}.toml"
    file.write_text(RECIPE.format(strategy=strategy))
    return file


KILLER = """
import os, signal
told = os.environ.get
if told("RANK") == told("KILLED_RANK", "1") and told("TORCHELASTIC_RESTART_COUNT", "0") == "0":
    from trainwright.training import loop
    step = loop.Training._one
    def killed(training, batches, number, epoch):
        if number == int(os.environ.get("KILLED_STEP", "50")):
            os.kill(os.getpid(), signal.SIGKILL)
        return step(training, batches, number, epoch)
    loop.Training._one = killed
"""


def killer(folder: Path) -> Path:
    """Return a folder in which Python finds what kills one process before a step, unless it was started again."""
    made = folder / "killer"
    made.mkdir()
    (made / "sitecustomize.py").write_text(KILLER)
    return made


def losses(run: Path) -> list[float]:
    """Return the loss of every step of a run."""
    return [record.loss for record in read_run(run).chart.steps]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_whose_process_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, strategy: str) -> None:
    file = recipe(tmp_path, strategy)
    quiet = started("-m", "trainwright", "train", file, "--devices", "2", "--folder", tmp_path / "quiet")
    assert quiet.returncode == 0, quiet.stderr
    killed = tmp_path / "killed"
    cut = started("-m", "trainwright", "train", file, "--devices", "2", "--folder", killed, path=[killer(tmp_path)])
    assert cut.returncode == 1
    assert "process 1 of the training was ended by SIGKILL" in cut.stderr
    assert cut.stderr.count("error:") == 1
    for devices in (1, 2, 4):
        run = tmp_path / f"on-{devices}"
        shutil.copytree(tmp_path / "killed", run)
        again = started("-m", "trainwright", "resume", run, "--devices", devices)
        assert again.returncode == 0, again.stderr
        if devices == 2:
            assert "bit for bit" in again.stdout
            assert read_run(run).digest == read_run(tmp_path / "quiet").digest
            assert losses(run) == losses(tmp_path / "quiet")
        else:
            assert f"not bit-exact: devices 2 -> {devices}" in again.stdout
            assert losses(run) == pytest.approx(losses(tmp_path / "quiet"), rel=1e-3)


@pytest.mark.slow
def test_a_run_in_parts_goes_on_with_four_devices_and_then_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = started("-m", "trainwright", "train", recipe(tmp_path), "--devices", "2", "--folder", tmp_path / "quiet")
    assert quiet.returncode == 0, quiet.stderr
    path, run = [killer(tmp_path)], tmp_path / "run"
    first = ["train", recipe(tmp_path, "fsdp"), "--devices", "2", "--folder", run]
    for step, words in ((50, first), (90, ["resume", run, "--devices", "4"])):
        monkeypatch.setenv("KILLED_STEP", str(step))
        cut = started("-m", "trainwright", *words, path=path)
        assert cut.returncode == 1
        assert "process 1 of the training was ended by SIGKILL" in cut.stderr
    last = started("-m", "trainwright", "resume", run)
    assert last.returncode == 0, last.stderr
    assert "continued from step 80, not bit-exact: devices 4 -> 1" in last.stdout
    assert losses(run) == pytest.approx(losses(tmp_path / "quiet"), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("backend", ["static", "c10d"])
def test_torchrun_starts_a_job_again_and_it_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, rank: int
) -> None:
    monkeypatch.setenv("KILLED_RANK", str(rank))
    file = recipe(tmp_path)
    words = ["-m", "trainwright", "train", file, "--folder", tmp_path / "run"]
    options = ["--max-restarts", "1"] + (["--standalone"] if backend == "c10d" else [])
    done = torchrun(2, *words, options=options, path=[killer(tmp_path)])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "bit for bit" in done.stdout
    quiet = started("-m", "trainwright", "train", file, "--devices", "2", "--folder", tmp_path / "quiet")
    assert quiet.returncode == 0
    assert read_run(tmp_path / "run").digest == read_run(tmp_path / "quiet").digest


THEIRS = {
    "": [],
    "same": ["same-data-on-every-rank"],
    "diverge": ["replicas-diverge"],
    "uneven": ["uneven-shards"],
    "slow": ["slow-rank"],
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", THEIRS)
def test_a_foreign_program_on_two_ranks_is_told_what_is_wrong_between_them(tmp_path: Path, fault: str) -> None:
    answer = tmp_path / "answer.json"
    words = ["-m", "trainwright", "run", "--quiet", "--json", answer, HERE / "distributed_their_loop.py", fault]
    done = torchrun(2, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [finding["kind"] for finding in json.loads(answer.read_text())["findings"]] == THEIRS[fault]
