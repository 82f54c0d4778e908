"""The command line in this process, with nothing that can hang or leave a trace behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.cli.main import main

CPU_SECONDS = 20.0
"""Processor time that any answer may take here: the promise is 5 on an idle machine, and none comes near to it."""


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    status: int
    out: str
    err: str


class TooLongError(AssertionError):
    """A command used more processor time than any may."""


@contextlib.contextmanager
def within_time(seconds: float = CPU_SECONDS) -> Iterator[None]:
    """Raise where the block takes more processor time than `seconds`, which other programs cannot take from it."""

    def out_of_time(*given: object) -> None:
        raise TooLongError(f"it took more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def ask(*arguments: object, cwd: Path) -> Answer:
    """Answer as the command line does. Whatever is no exit, a traceback for the user, is raised."""
    out, err = io.StringIO(), io.StringIO()
    status = -1
    with contextlib.chdir(cwd), within_time(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
    return Answer(status, out.getvalue(), err.getvalue())


def write_recipe(folder: Path, source: str, **train: Any) -> Path:
    path = folder / "recipe.toml"
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"epochs": 1, **train}.items())
    path.write_text(f"[data]\nsource = {json.dumps(source)}\n[train]\n{settings}", encoding="utf-8")
    return path


def assert_plain(text: str) -> None:
    """No character that a terminal would obey but the end of a line; blanks of any width are harmless."""
    strange = {each for each in text if not each.isprintable() and unicodedata.category(each) != "Zs"}
    assert strange <= {"\n"}


def assert_refused(answer: Answer, folder: Path, words: str = "") -> None:
    """Status 1 or 2, one message that can be read, no traceback, and no trace of a run."""
    assert answer.status in (1, 2), answer
    assert answer.err.startswith(("error: ", "Usage: ")), answer.err
    assert "Traceback" not in answer.err
    assert words in answer.err, answer.err
    assert len(answer.err) < 20_000
    assert_plain(answer.err)
    assert [str(path) for name in ("run.json", "checkpoints", "metrics.jsonl") for path in folder.rglob(name)] == []
    assert not os.path.lexists(folder / "run")
