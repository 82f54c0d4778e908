"""Runs a program of the ward under the watcher and returns the numbers that a picture may need."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import re
import runpy
import sys
import tempfile
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ward.program import Program, Variant

from trainwright.records import Chart
from trainwright.watching.watch import Watch

WARD = Path(__file__).resolve().parents[1] / "ward"
QUANTITIES = ("training loss", "validation loss", "learning rate")
"""What is recorded of every run, in the order in which a picture prefers it."""
_SCORE = re.compile(r"^score (\S+)", re.MULTILINE)
_LONGEST_SECONDS = 300.0

Points = list[tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One run: each quantity by step, where each finding became certain, and the score that the program prints."""

    curves: dict[str, Points]
    findings: dict[str, tuple[str, int | None]]  # kind -> severity and step
    score: float | None
    error: str


def record(program: Program, variant: Variant, task: str, seed: int) -> Recording:
    """Run a variant in a process of its own. Raises `RuntimeError` where that process dies or takes minutes."""
    context = multiprocessing.get_context("fork")  # what is imported here is not imported again
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sending, program, variant, task, seed))
    process.start()
    sending.close()
    try:
        if not receiving.poll(_LONGEST_SECONDS):
            raise RuntimeError(f"{program.name} took more than {_LONGEST_SECONDS:g} s")
        return Recording(**receiving.recv())
    except EOFError:
        raise RuntimeError(f"the process that ran {program.name} died") from None
    finally:
        process.kill()
        process.join()


def _run(pipe: Connection, program: Program, variant: Variant, task: str, seed: int) -> None:
    """Run the program here, as the only thing that this process still does."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        file = Path(folder) / f"{program.name}.py"
        file.write_text(program.text(variant))
        sys.argv = [str(file), str(seed), task]
        sys.path[0:0] = [folder, str(WARD)]
        printed, error = io.StringIO(), ""
        watched = Watch(level=program.level or "light", name=program.name)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            watched.start()
            try:
                runpy.run_path(str(file), run_name="__main__")
            except Exception as problem:  # some faults end in one
                error = f"{type(problem).__name__}: {problem}".splitlines()[0]
            watched.stop()
        if watched.problem is not None:
            raise watched.problem
        report = watched.report()
        score = _SCORE.search(printed.getvalue())
        pipe.send(
            {
                "curves": _curves(report.chart),
                "findings": {finding.kind: (finding.severity, finding.step) for finding in report.findings},
                "score": float(score[1]) if score else None,
                "error": error,
            }
        )


def _curves(chart: Chart) -> dict[str, Any]:
    columns = (
        [(row.step, row.loss) for row in chart.steps],
        [(row.step, row.loss) for row in chart.evaluations("validation")],
        [(row.step, row.rate) for row in chart.steps],
    )
    return dict(zip(QUANTITIES, columns, strict=True))
