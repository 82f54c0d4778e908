"""Runs a program of the ward under the watcher and returns the numbers that a picture may need."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import re
import runpy
import socket
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from docs.showing import Shown
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
    shown: Points = field(default_factory=list)  # what the program left under that name


def record(program: Program, variant: Variant, task: str, seed: int, shown: Shown | None = None) -> Recording:
    """Run a variant in a process of its own, or in as many as `shown` says; of several, the first one tells.

    Raises `RuntimeError` where that process dies or takes minutes.
    """
    context = multiprocessing.get_context("fork")  # what is imported here is not imported again
    receiving, sending = context.Pipe(duplex=False)
    world, port = (shown.processes, _free_port()) if shown is not None else (1, 0)
    processes: list[ForkProcess] = []
    for rank in range(world):
        launch = _launched(rank, world, port) if world > 1 else {}
        processes.append(context.Process(target=_run, args=(sending, program, variant, task, seed, shown, launch)))
        processes[-1].start()
    sending.close()
    try:
        if not receiving.poll(_LONGEST_SECONDS):
            raise RuntimeError(f"{program.name} took more than {_LONGEST_SECONDS:g} s")
        return Recording(**receiving.recv())
    except EOFError:
        raise RuntimeError(f"the process that ran {program.name} died") from None
    finally:
        for process in processes:
            process.kill()
            process.join()


def _launched(rank: int, world: int, port: int) -> dict[str, str]:
    """Return what torchrun tells a process of itself."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_PORT": port}
    return {"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in place.items()}}


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def _run(
    pipe: Connection,
    program: Program,
    variant: Variant,
    task: str,
    seed: int,
    shown: Shown | None,
    launch: dict[str, str],
) -> None:
    """Run the program here, as the only thing that this process still does."""
    os.environ.update(launch)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        file = Path(folder) / f"{program.name}.py"
        file.write_text(program.text(variant))
        sys.argv = [str(file), str(seed), task]
        sys.path[0:0] = [folder, str(WARD)]
        printed, error = io.StringIO(), ""
        left: dict[str, Any] = {}
        if shown is not None and not shown.watched:
            with contextlib.redirect_stdout(printed), warnings.catch_warnings(action="ignore"):
                left = runpy.run_path(str(file), run_name="__main__")
            found = {finding.kind: (finding.severity, finding.step) for finding in left["told"]}
            pipe.send({"curves": {}, "findings": found, "score": None, "error": "", "shown": left["shown"]})
            return
        watched = Watch(level=program.level or "light", name=program.name)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            watched.start()
            try:
                left = runpy.run_path(str(file), run_name="__main__")
            except Exception as problem:  # some faults end in one
                error = f"{type(problem).__name__}: {problem}".splitlines()[0]
            watched.stop()
        if watched.problem is not None:
            raise watched.problem
        if int(launch.get("RANK", 0)):
            return
        report = watched.report()
        score = _SCORE.search(printed.getvalue())
        pipe.send(
            {
                "curves": _curves(report.chart),
                "findings": {finding.kind: (finding.severity, finding.step) for finding in report.findings},
                "score": float(score[1]) if score else None,
                "error": error,
                "shown": left.get("shown", []),
            }
        )


def _curves(chart: Chart) -> dict[str, Any]:
    columns = (
        [(row.step, row.loss) for row in chart.steps],
        [(row.step, row.loss) for row in chart.evaluations("validation")],
        [(row.step, row.rate) for row in chart.steps],
    )
    return dict(zip(QUANTITIES, columns, strict=True))
