"""Runs on many devices from the shell: refused, killed, gone on with, on as many devices or on others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed_launching import HERE, ROOT, started, torchrun

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


FULL = """
import errno, os
if os.environ.get("RANK") == "1":
    from torch.distributed import checkpoint
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    checkpoint.HuggingFaceStorageWriter.write_data = full
"""


@pytest.mark.slow
def test_a_part_of_a_checkpoint_that_cannot_be_written_is_told_by_one_message_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "sitecustomize.py").write_text(FULL)
    words = ["train", recipe(tmp_path, "fsdp"), "--devices", "2", "--folder", tmp_path / "run"]
    done = started("-m", "trainwright", *words, path=[tmp_path / "full"])
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "rank 1 cannot write its part of a checkpoint" in done.stderr
    assert "No space left on device" in done.stderr
    assert "make room, then: trainwright resume" in done.stderr


OTHERS = {
    "settings": ("f'optimizer.lr={0.01 + rank}'", "optimizer.lr on rank 1 is not that of rank 0"),
    "data": ("f'data.source=rank-{rank}.csv'", "the data of train on rank 1 is not that of rank 0"),
    "versions": ("'train.epochs=1'", "trainwright on rank 1 is not that of rank 0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", OTHERS)
def test_ranks_that_would_not_train_the_same_are_told_apart_by_one_message(tmp_path: Path, what: str) -> None:
    change, said = OTHERS[what]
    for rank in range(2):
        rows = [f"{row % 7},{row % 3},{'ab'[row % 2 if rank == 0 else row // 2 % 2]}" for row in range(300)]
        (tmp_path / f"rank-{rank}.csv").write_text("\n".join(["x,z,target", *rows]))
    program = tmp_path / "own.py"
    program.write_text(
        "import os\n"
        "from trainwright.cli.main import main\n"
        "from trainwright.stages import ranks\n"
        "rank = int(os.environ['RANK'])\n"
        + ("ranks.__version__ += f'.{rank}'\n" if what == "versions" else "")
        + f"main(['train', 'ddp.toml', '--folder', 'run', '--set', {change}])\n"
    )
    recipe(tmp_path)
    done = torchrun(2, program, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert said in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()


def listens(port: int) -> bool:
    """Say whether somebody answers at a port of this machine."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_process_that_waits_for_the_others_leaves_when_it_is_told_to(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = {**os.environ, **known, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "trainwright", "train", str(recipe(tmp_path)), "--folder", str(tmp_path / "run")]
    waits = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        while waits.poll() is None and not listens(port):
            time.sleep(0.1)
        waits.send_signal(signal.SIGTERM)
        _, said = waits.communicate(timeout=60)
    finally:
        waits.kill()
        waits.wait()
    assert waits.returncode == 143, said
    assert not (tmp_path / "run").exists()


ELSEWHERE = """
import os, sys
if os.environ["RANK"] == "1" and "ELSEWHERE" not in os.environ:
    os.environ["ELSEWHERE"] = "yes"
    command = f"mount -t tmpfs none kept && exec {sys.executable} elsewhere.py"
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", command])
from trainwright.cli.main import main
main(["train", "ddp.toml", "--folder", "kept/run"])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="this system lets nobody have mounts of their own",
)
def test_a_folder_that_is_not_shared_is_refused_by_one_message(tmp_path: Path) -> None:
    recipe(tmp_path)
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    (tmp_path / "kept").mkdir()
    done = torchrun(2, "elsewhere.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "is not shared: rank 1 does not see what rank 0 writes there" in done.stderr
    assert list((tmp_path / "kept").iterdir()) == []


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
