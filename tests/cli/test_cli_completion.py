"""What the shells are offered, asked the way that their own scripts ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli_answers import plain_environment
from typer.core import TyperCommand

from trainwright.cli import examples
from trainwright.cli.main import app


def complete(shell: str, line: str, folder: Path) -> list[str]:
    """Return what `shell` is told for `line`, whose last word is being typed."""
    environment = plain_environment() | {"_TRAINWRIGHT_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    words = line.replace("=", " = ").split(" ")  # as bash divides
    environment |= {"COMP_WORDS": " ".join(words).rstrip(), "COMP_CWORD": str(len([w for w in words[:-1] if w]))}
    environment["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    command = [sys.executable, "-m", "trainwright"]
    done = subprocess.run(command, env=os.environ | environment, cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("shell", "line", "offered"),
    [
        ("bash", "trainwright explain TW30", "TW301"),
        ("zsh", "trainwright explain TW30", "TW301"),
        ("fish", "trainwright explain softmax-b", "softmax-before-cross-entropy"),
        ("bash", "trainwright train x.toml --set loss.name=cro", "cross_entropy"),
        ("zsh", "trainwright train x.toml --set loss.name=cro", "loss.name=cross_entropy"),
        pytest.param("bash", "trainwright verify x.toml --only gradients,init", ",initial", marks=pytest.mark.slow),
        pytest.param("fish", "trainwright lab run learn", "learning-rate", marks=pytest.mark.slow),
        pytest.param("fish", "trainwright choose x --model tr", "transformer", marks=pytest.mark.slow),
    ],
)
def test_each_shell_is_offered_names_from_the_catalogues(shell: str, line: str, offered: str, tmp_path: Path) -> None:
    assert any(offered in word for word in complete(shell, line, tmp_path))


def test_recipes_and_run_folders_are_offered_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "recipe.toml").touch()
    (tmp_path / "data.csv").touch()
    assert complete("bash", "trainwright train r", tmp_path) == ["recipe.toml", "runs/"]
    assert complete("bash", "trainwright report r", tmp_path) == ["runs/"]


def commands() -> dict[str, TyperCommand]:
    root = typer.main.get_command(app)
    found: dict[str, TyperCommand] = {}
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        found[name] = command
        found |= {f"{name} {inner}": each for inner, each in getattr(command, "commands", {}).items()}
    return found


def test_every_command_has_an_example_and_nothing_else_has() -> None:
    assert set(commands()) == set(examples.EXAMPLES)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, all_ in examples.EXAMPLES.items() for line in all_])
def test_every_example_is_what_its_command_takes(name: str, line: str) -> None:
    import shlex

    words = shlex.split(line)
    count = len(name.split())
    command = commands()[name]
    if " ".join(words[1 : 1 + count]) != name or (getattr(command, "commands", None) and len(words) > 1 + count):
        command = typer.main.get_command(app)
        count = 0
    context = command.make_context(name, words[1 + count :])
    context.close()


def test_what_was_meant_is_said_below_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    from trainwright.cli.main import main

    for arguments, told in (
        (["train", "x.toml", "--epochs", "5"], "train.epochs is a setting of the recipe: --set train.epochs=VALUE"),
        (["explain"], "for example: trainwright explain TW301"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2
        assert told in capsys.readouterr().err
