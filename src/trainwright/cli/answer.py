"""How every command answers: words for people, one JSON document for programs, and an exit status."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainwright.cli.devices import leads
from trainwright.errors import EXIT_UNHEALTHY, RunError, TrainwrightError
from trainwright.interruption import EXIT_INTERRUPTED, Interrupted

__all__ = ["EXIT_INTERRUPTED", "OWN_PROCESS", "JsonFile", "answering", "say"]

if TYPE_CHECKING:
    from rich.console import Console

OWN_PROCESS = "the process is the command's own"
"""What a command's context holds where the command line was not called as a function."""

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the answer as JSON; - is standard output.")
]


@contextmanager
def answering(json_file: Path | None, *, words_aside: bool = False) -> Iterator[tuple[Console, dict[str, Any]]]:
    """Give a command a console and the document that `--json` writes, whatever happens.

    With `--json -` the words go to standard error, so that standard output holds the document alone, and so they do
    with `words_aside`, where a command has something else for standard output. A finding of severity error, or a run
    that diverged, makes the exit status 3, unless the document names another `status`.
    """
    from rich.console import Console

    to_stdout = json_file is not None and str(json_file) == "-"
    # Without emoji: a place such as recipe.toml:100: is no code for a picture.
    console = Console(stderr=to_stdout or words_aside, highlight=False, soft_wrap=True, emoji=False)
    document: dict[str, Any] = {"schema": 1, "findings": []}
    try:
        if json_file is not None and not to_stdout:
            _check_place(json_file)
        with _system_errors():
            yield console, document
    except TrainwrightError as problem:
        document["error"] = {"what": problem.what, "evidence": problem.evidence, "remedy": problem.remedy}
        _forget_status(document)
        _write(document, json_file)
        raise
    except SystemExit as left:  # of a user's own code: with its status 0 a gate would open
        if isinstance(left.__context__, BrokenPipeError):  # the console's, where nobody reads any more
            raise
        problem = RunError(
            "the program that was looked at ended itself",
            evidence=f"SystemExit: {left.code}",
            remedy="let the model, the loss and the data leave sys.exit() to who calls them",
        )
        document["error"] = {"what": problem.what, "evidence": problem.evidence, "remedy": problem.remedy}
        _forget_status(document)
        _write(document, json_file)
        raise problem from None
    except KeyboardInterrupt as asked:
        document["error"] = {"what": str(asked) or "interrupted from the keyboard", "evidence": "", "remedy": ""}
        _forget_status(document)
        _write(document, json_file)
        if isinstance(asked, Interrupted):
            raise typer.Exit(asked.exit_status) from None
        raise
    diverged = (document.get("outcome") or {}).get("status") == "diverged"  # whatever the doctor made of it
    unhealthy = diverged or any(finding["severity"] == "error" for finding in document["findings"])
    status = EXIT_UNHEALTHY if unhealthy else 0
    if isinstance(document.get("status"), int):  # a study's own status is a word, and part of the answer
        status = document.pop("status")
    _write(document, json_file)
    if status:
        raise typer.Exit(status)


def _forget_status(document: dict[str, Any]) -> None:
    if isinstance(document.get("status"), int):
        del document["status"]


def say(console: Console, text: str, *, style: str | None = None) -> None:
    """Print plain lines in which names from data and recipes may stand: no control character of theirs gets out."""
    from trainwright.report.safe import visible

    console.print(visible(text, keep="\n"), style=style, markup=False)


@contextmanager
def _system_errors() -> Iterator[None]:
    """Turn what the system refuses (a full disk, a name that is too long) into an error without a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise RunError(
            "the system refused" + (f" {problem.filename}" if problem.filename else ""),
            evidence=problem.strerror or str(problem),
            remedy="choose another place, or make room",
        ) from None


def _check_place(json_file: Path) -> None:
    """Raise `RunError` where nothing can be written to, before minutes are spent on an answer."""
    folder = json_file.absolute().parent
    with _system_errors():
        while not folder.exists():
            folder = folder.parent
        taken = json_file.is_dir()
    if taken or not folder.is_dir() or not os.access(folder, os.W_OK) or not (json_file.exists() or _holds(folder)):
        raise RunError(
            f"the JSON file {json_file} cannot be written",
            evidence="it is a folder" if taken else f"{folder} is no folder that can be written in",
            remedy="choose another --json",
        )


def _holds(folder: Path) -> bool:
    """Say whether a file can really be made in a folder: in some, such as /proc, rights are not enough."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _write(document: dict[str, Any], json_file: Path | None) -> None:
    if json_file is None or not leads():
        return
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    try:
        if str(json_file) == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(text, encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise RunError(
            f"the JSON file {json_file} cannot be written",
            evidence=problem.strerror or str(problem),
            remedy="choose another --json",
        ) from None
