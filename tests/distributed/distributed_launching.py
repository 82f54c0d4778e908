"""Starts several processes as a user does: by torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS = 300


def started(*words: object, cwd: Path | None = None, path: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` to its end, with this checkout, one thread, and the folders of `path` before all others."""
    places = os.pathsep.join(map(str, [*path, ROOT / "src", ROOT]))
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env=kept | {"PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def torchrun(
    ranks: int, *words: object, options: Sequence[str] = (), cwd: Path | None = None, path: Sequence[Path] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program in several processes."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", ranks, *options]
    return started(*launcher, *words, cwd=cwd, path=path)


def series(ranks: int, name: str, output: Path, *members: str) -> dict[str, Any]:
    """Train every member of a series on so many ranks; return what came out of each."""
    done = torchrun(ranks, HERE / "distributed_programs.py", name, output, *members)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(output.read_text())
