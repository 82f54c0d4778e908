"""The same program run by `python`, and by `trainwright run`, in real processes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cli_answers import Answer, plain_environment, write

Files = dict[str, str]
_ADDRESS = re.compile(r"0x[0-9a-f]+")


def ran(
    folder: Path,
    command: Sequence[str],
    *,
    doctor: Sequence[str] | None = None,
    options: Sequence[str] = (),
    typed: str = "",
    ended_by: signal.Signals | None = None,
    **environment: str,
) -> Answer:
    """Run `python [options] [-m trainwright run doctor...] command`; `ended_by` is sent at the first line printed."""
    between = [] if doctor is None else ["-m", "trainwright", "run", *doctor]
    process = subprocess.Popen(
        [sys.executable, *options, *between, *command],
        cwd=folder,
        env=plain_environment(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    first = b""
    if ended_by is not None:
        first = process.stdout.readline()
        process.send_signal(ended_by)
    out, err = process.communicate(typed.encode(), timeout=120)
    return Answer(process.returncode, *(_ADDRESS.sub("0x", text.decode()) for text in (first + out, err)))


def twins(
    folder: Path,
    command: Sequence[str],
    files: Files,
    *,
    options: Sequence[str] = (),
    typed: str = "",
    ended_by: signal.Signals | None = None,
    **environment: str,
) -> tuple[Answer, Answer]:
    """Return what a program does under python, and what it does under a doctor who says nothing."""
    answers = []
    for doctor in (None, ["--quiet"]):
        for name, text in files.items():
            write(folder / name, text)
        answers.append(
            ran(folder, command, doctor=doctor, options=options, typed=typed, ended_by=ended_by, **environment)
        )
    return answers[0], answers[1]
