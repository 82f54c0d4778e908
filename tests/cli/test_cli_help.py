from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_answers import Ask, plain_environment, process, write

import trainwright

OPTIONS = {
    ("demo",): ["--folder", "--json"],
    ("new",): ["--target", "--output", "--data-root", "--json", "DATA"],
    ("train",): ["--set", "--folder", "--data-root", "--explain-groups", "--json", "RECIPE"],
    ("find-lr",): ["--set", "--method", "--repeats", "--trial-steps", "--plot", "--data-root", "--json"],
    ("report",): ["--html", "--json", "FOLDER"],
    ("explain",): ["--json", "CODE"],
    ("runs",): ["list", "show", "--json"],
    ("runs", "list"): ["--json", "FOLDER"],
    ("runs", "show"): ["--json", "FOLDER"],
}

HEAVY = ("torch", "numpy", "polars", "sklearn", "torchmetrics", "safetensors")

LOADED = """
import sys
from trainwright.cli.main import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(" ".join(name for name in {heavy!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], (*HEAVY, "pydantic")),
        (["--version"], (*HEAVY, "pydantic")),
        (["train", "--help"], HEAVY),  # typer may use pydantic for a command's own parameters
        (["explain", "TW601"], HEAVY),
    ],
)
def test_help_version_and_explain_load_nothing_heavy(
    arguments: list[str], heavy: tuple[str, ...], tmp_path: Path
) -> None:
    program = LOADED.format(heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == ""


def test_importing_the_package_loads_no_torch(tmp_path: Path) -> None:
    program = "import sys, trainwright; dir(trainwright); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=60).returncode == 0


def test_the_module_is_the_command_line(tmp_path: Path) -> None:
    answer = process("--help", cwd=tmp_path)
    assert answer.status == 0
    assert "Usage: trainwright [OPTIONS] COMMAND" in answer.out
    assert "\x1b" not in answer.out
    for command in ("demo", "new", "train", "report", "explain", "runs"):
        assert command in answer.out
    for status in ("0 done and healthy", "1 it could not be done", "2 wrong usage", "3 done, and at least one"):
        assert status in " ".join(answer.out.split())


@pytest.mark.parametrize("command", OPTIONS)
def test_every_command_has_help_with_its_options(command: tuple[str, ...], ask: Ask) -> None:
    answer = ask(*command, "--help")
    assert answer.status == 0
    assert answer.err == ""
    for option in OPTIONS[command]:
        assert option in answer.out
    assert ask(*command, "-h") == answer


def test_the_version_is_that_of_the_package(ask: Ask) -> None:
    assert ask("--version").out == f"trainwright {trainwright.__version__}\n"


def test_no_command_shows_the_help_and_is_wrong_usage(ask: Ask) -> None:
    answer = ask()
    assert answer.status == 2
    assert "Usage: trainwright" in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tarin"], "tarin"),
        (["train"], "Missing argument 'RECIPE'"),
        (["new"], "Missing argument 'DATA'"),
        (["report"], "Missing argument 'FOLDER'"),
        (["explain"], "Missing argument 'CODE'"),
        (["runs", "shwo"], "shwo"),
        (["runs", "show"], "Missing argument 'FOLDER'"),
        (["train", "recipe.toml", "--st", "a.b=1"], "--st"),
        (["train", "recipe.toml", "--set"], "--set"),
        (["train", "recipe.toml", "another.toml"], "another.toml"),
        (["demo", "--folder"], "--folder"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_is_wrong(
    arguments: list[str], words: str, ask: Ask, place: Path
) -> None:
    write(place / "recipe.toml")
    answer = ask(*arguments)
    assert answer.status == 2
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert list(place.iterdir()) == [place / "recipe.toml"]


def test_explain_says_what_why_how_and_when_it_is_wrong(ask: Ask) -> None:
    answer = ask("explain", "tw601")
    assert answer.status == 0
    assert answer.out.startswith("TW601  learning-rate-too-high")
    for heading in ("Why it hurts", "How to fix it", "When the doctor is wrong"):
        assert heading in answer.out
    assert ask("explain", "learning-rate-too-high") == answer
    listed = ask("explain", "all").out.splitlines()
    assert [line for line in listed if line.startswith("TW601")]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("learning-rate-to-high", "did you mean 'learning-rate-too-high'?"), ("qqqqqq", "trainwright explain all")],
)
def test_an_unknown_diagnosis_is_told_with_the_nearest(code: str, remedy: str, ask: Ask) -> None:
    answer = ask("explain", code)
    assert answer.status == 2
    assert f"there is no diagnosis '{code}'" in answer.err
    assert remedy in answer.err
