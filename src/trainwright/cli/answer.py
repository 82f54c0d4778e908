"""How every command answers: words for people, one JSON document for programs, and an exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainwright.errors import EXIT_UNHEALTHY, RunError, TrainwrightError

if TYPE_CHECKING:
    from rich.console import Console

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the answer as JSON; - is standard output.")
]


@contextmanager
def answering(json_file: Path | None) -> Iterator[tuple[Console, dict[str, Any]]]:
    """Give a command a console and the document that `--json` writes, whatever happens.

    With `--json -` the words go to standard error, so that standard output holds the document alone. A finding of
    severity error makes the exit status 3, unless the document names another `status`.
    """
    from rich.console import Console

    to_stdout = json_file is not None and str(json_file) == "-"
    console = Console(stderr=to_stdout, highlight=False, soft_wrap=True)
    document: dict[str, Any] = {"schema": 1, "findings": []}
    try:
        yield console, document
    except TrainwrightError as problem:
        document["error"] = {"what": problem.what, "evidence": problem.evidence, "remedy": problem.remedy}
        document.pop("status", None)
        _write(document, json_file)
        raise
    unhealthy = any(finding["severity"] == "error" for finding in document["findings"])
    status = document.pop("status", EXIT_UNHEALTHY if unhealthy else 0)
    _write(document, json_file)
    if status:
        raise typer.Exit(status)


def _write(document: dict[str, Any], json_file: Path | None) -> None:
    if json_file is None:
        return
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if str(json_file) == "-":
        sys.stdout.write(text)
        return
    try:
        json_file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise RunError(
            f"the JSON file {json_file} cannot be written",
            evidence=problem.strerror or str(problem),
            remedy="choose another --json",
        ) from None
