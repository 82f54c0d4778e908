"""Two machines, each with a network of its own: they train as one does, and go on together after one was hit."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from distributed_launching import HERE, started
from distributed_nodes import may_be_made, nodes
from distributed_programs import SERIES, trained
from test_distributed_exact import check_same
from test_distributed_runs import killer, recipe

from trainwright.runs.reader import read_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not may_be_made(), reason="this system lets nobody have networks of their own"),
]
STATIC = ["--master-addr", "10.77.0.1", "--master-port", "29500"]
DYNAMIC = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "10.77.0.1:29500", "--rdzv-id", "job"]


def test_two_machines_train_as_one(tmp_path: Path) -> None:
    with nodes() as both:
        done = both.torchrun(HERE / "distributed_programs.py", "nodes", tmp_path / "found.json", options=STATIC)
    assert [status for status, _ in done] == [0, 0], done
    found = json.loads((tmp_path / "found.json").read_text())
    for name, together in found.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_same(trained(name, SERIES["nodes"][name]), together)
        assert len(together["losses"]) == 20


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("options", [STATIC, DYNAMIC], ids=["static", "c10d"])
def test_a_job_of_two_machines_is_started_again_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], rank: int
) -> None:
    file = recipe(tmp_path)
    monkeypatch.setenv("KILLED_RANK", str(rank))
    words = ["-m", "trainwright", "train", file, "--folder", tmp_path / "run"]
    with nodes() as both:
        done = both.torchrun(*words, options=[*options, "--max-restarts", "1"], path=[killer(tmp_path)])
    assert [status for status, _ in done] == [0, 0], done
    monkeypatch.delenv("KILLED_RANK")
    quiet = started("-m", "trainwright", "train", file, "--devices", "2", "--folder", tmp_path / "quiet")
    assert quiet.returncode == 0, quiet.stderr
    assert read_run(tmp_path / "run").digest == read_run(tmp_path / "quiet").digest
