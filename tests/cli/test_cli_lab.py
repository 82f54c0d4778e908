"""`trainwright lab`: the simulations without their page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainwright.cli.main import main
from trainwright.lab.registry import CATALOGUE


def asked(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["lab", *arguments])
    return int(left.value.code or 0)


def test_the_list_names_every_simulation(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("list") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in CATALOGUE)


def test_the_list_as_json_holds_all_that_a_page_needs(tmp_path: Path) -> None:
    assert asked("list", "--json", str(tmp_path / "list.json")) == 0
    document = json.loads((tmp_path / "list.json").read_text())
    assert [each["name"] for each in document["simulations"]] == list(CATALOGUE)
    assert document["simulations"][0]["parameters"]


def test_a_run_prints_its_verdict_and_gives_every_curve_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("run", "learning-rate", "--set", "rate=0.1", "--json", "-") == 0
    taken = capsys.readouterr()
    document = json.loads(taken.out)
    assert "converges" in taken.err
    assert document["state"] == "1&rate=0.1"
    assert document["values"]["rate"] == 0.1
    assert document["result"]["plots"][0]["series"]
    assert document["result"]["verdict"]["sign"] == "healthy"


def test_a_diverging_simulation_is_an_answer_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("run", "learning-rate", "--set", "rate=1.2", "--set", "curvature=20", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["result"]["verdict"]["sign"] == "error"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "learning-rat"), "did you mean 'learning-rate'"),
        (("run", "learning-rate", "--set", "rate=9"), "nearest legal value is 1.2"),
        (("run", "learning-rate", "--set", "speed=9"), "no parameter 'speed'"),
        (("run", "learning-rate", "--set", "rate"), "NAME=VALUE"),
        (("rerun", "goof"), "did you mean 'good'"),
    ],
    ids=str,
)
def test_wrong_usage_is_told_in_a_sentence(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(*arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_folder_that_holds_no_run_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("run", "loss-landscape", "--set", f"folder={tmp_path}") == 1
    assert "holds no run" in capsys.readouterr().err


def test_a_recorded_run_is_trained_again_and_held_against_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("rerun", "nan") == 0
    assert "✓ nan" in capsys.readouterr().out


def test_a_wrong_answer_names_the_command_that_refutes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("run", "quiz", "--set", "chapter=3", "--set", "answer=a") == 0
    assert "trainwright lab run loss-curves --set scenario=too-high" in capsys.readouterr().out
