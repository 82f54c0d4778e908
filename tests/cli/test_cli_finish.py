"""The command `finish`, and what `train` does with [finish]."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainwright.cli.main import main

RECIPE = """
[data]
source = "wine"
split_seed = 0

[model]
name = "mlp"

[train]
epochs = 6
threads = 1
verify = "off"
"""


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code or 0  # type: ignore[return-value]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    parent = tmp_path_factory.mktemp("runs")
    (parent / "wine.toml").write_text(RECIPE)
    for seed in range(2):
        run("train", parent / "wine.toml", "--set", f"train.seed={seed}", "--folder", parent / f"seed-{seed}")
    return [parent / f"seed-{seed}" for seed in range(2)]


def test_runs_are_finished_together_and_kept(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    answer = tmp_path / "answer.json"
    status = run("finish", *folders, "--folder", tmp_path / "out", "--json", answer)
    told = json.loads(answer.read_text())
    assert status == 0
    assert {row["method"] for row in told["gains"]["rows"]} >= {"single best", "ensemble of 2", "greedy ensemble"}
    assert (tmp_path / "out" / "finish.json").is_file()
    assert (tmp_path / "out" / "report.html").is_file()
    assert "what gained and what lost" in capsys.readouterr().out
    assert run("finish", *folders, "--folder", tmp_path / "out") == 1
    assert "not an empty folder" in capsys.readouterr().err


def test_further_members_are_trained_from_one_run(folders: list[Path], tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    more = ("--members", 3, "--snapshots", 2, "--distil", "--set", 'finish.average=["ema"]')
    assert run("finish", folders[0], *more, "--folder", tmp_path / "out", "--json", answer) == 0
    methods = {row["method"] for row in json.loads(answer.read_text())["gains"]["rows"]}
    assert {"ensemble of 3", "snapshots, 2 of 2 cycles", "EMA", "distilled"} <= methods


def test_slips_are_answered_with_the_remedy(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("finish", tmp_path / "nothing") == 1
    assert run("finish", folders[0], "--set", "train.lr=1") == 2
    assert "a run that has ended" in capsys.readouterr().err
    assert run("finish", folders[0], "--combine", "votes") == 2
    assert run("finish") == 2


def test_a_recipe_that_asks_for_it_is_finished_after_the_run(tmp_path: Path) -> None:
    recipe, answer = tmp_path / "wine.toml", tmp_path / "answer.json"
    recipe.write_text(RECIPE + "\n[finish]\nmembers = 2\n")
    assert run("train", recipe, "--folder", tmp_path / "run", "--json", answer) == 0
    told = json.loads(answer.read_text())
    assert told["outcome"]["status"] == "finished"
    assert any(row["method"] == "ensemble of 2" for row in told["finish"]["gains"]["rows"])
    assert (tmp_path / "run" / "finish" / "report.html").is_file()
    assert run("report", tmp_path / "run") == 0
    assert "ensemble of 2" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_that_asks_for_nothing_is_not_finished(folders: list[Path]) -> None:
    assert not (folders[0] / "finish").exists()
    assert "[finish]" not in (folders[0] / "recipe.toml").read_text()


def test_what_was_finished_is_a_model_for_the_other_commands(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("finish", folders[0], "--folder", tmp_path / "out") == 0
    assert run("predict", tmp_path / "out", "wine", "--output", tmp_path / "out.csv") == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 179
    capsys.readouterr()
    assert run("report", tmp_path / "out", "--html", tmp_path / "page.html") == 0
    assert "what gained and what lost" in capsys.readouterr().out
    assert run("finish", folders[0], "--members", 999_999_999) == 2
