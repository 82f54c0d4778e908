"""What many processes refuse by one message: ranks that differ, a folder that is not shared, a full disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed_launching import ROOT, started, torchrun
from test_distributed_runs import recipe

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
