"""One program of the ward, run once under the doctor in a process of its own, and what the doctor said."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import signal
import sys
import tempfile
import time
import types
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ward.program import Program

WARD = Path(__file__).resolve().parent
Variant = Literal["sick", "fixed", "healthy"]
_SCORE = re.compile(r"^score (\S+)", re.MULTILINE)
_LONGEST_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Said:
    """One finding, as far as the ward compares it."""

    kind: str
    severity: str
    line: int | None  # of the program itself; None elsewhere
    step: int | None


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One run. `findings` are worst first; `error` is what the program raised, `problem` what the watcher did."""

    name: str
    variant: Variant
    task: str
    seed: int
    findings: tuple[Said, ...] = ()
    score: float | None = None
    steps: int = 0
    seconds: float = 0.0
    error: str = ""
    problem: str = ""
    unseen: tuple[str, ...] = field(default=())


def visit(program: Program, variant: Variant, task: str, seed: int) -> Visit:
    """Run a variant on a task with a seed, in a forked process, and return what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            result = _inside(program, variant, task, seed)
            with os.fdopen(writing, "w") as pipe:
                json.dump(result, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    text = _read(reading, child)
    os.waitpid(child, 0)
    plain = {"name": program.name, "variant": variant, "task": task, "seed": seed}
    if not text:
        return Visit(**plain, error="the process died, or took too long")
    told = json.loads(text)
    findings = tuple(Said(**finding) for finding in told.pop("findings"))
    return Visit(**plain, findings=findings, unseen=tuple(told.pop("unseen")), **told)


def plain(visit: Visit) -> dict[str, Any]:
    """Return a visit as it is written down."""
    return asdict(visit)


def _read(pipe: int, child: int) -> str:
    until = time.monotonic() + _LONGEST_SECONDS
    parts = []
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            break
        part = os.read(pipe, 1 << 16)
        if not part:
            break
        parts.append(part)
    os.close(pipe)
    return b"".join(parts).decode()


def _inside(program: Program, variant: Variant, task: str, seed: int) -> dict[str, Any]:
    """Run the program here, as the only thing that this process still does."""
    from trainwright.watching.watch import Watch

    text = program.path.read_text() if variant == "healthy" else program.text(variant)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{program.name}.py"
        file.write_text(text)
        os.chdir(folder)
        sys.argv = [str(file), str(seed), task]
        sys.path[0:0] = [folder, str(WARD)]
        main = types.ModuleType("__main__")
        main.__file__ = str(file)
        sys.modules["__main__"] = main
        printed, error = io.StringIO(), ""
        level = program.level or "light"
        watched = Watch(level=level, name=program.name)
        started = time.process_time()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            watched.start()
            try:
                exec(compile(text, str(file), "exec"), vars(main))
            except BaseException as problem:
                error = f"{type(problem).__name__}: {problem}"
            watched.stop()
        report = watched.report()
        score = _SCORE.search(printed.getvalue())
        loop = report.chart.info.loop
        return {
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "line": finding.where.line if finding.where.file == str(file) else None,
                    "step": finding.step,
                }
                for finding in report.findings
            ],
            "score": float(score[1]) if score else None,
            "steps": loop.steps if loop else 0,
            "seconds": time.process_time() - started,
            "error": error.splitlines()[0] if error else "",
            "problem": "" if watched.problem is None else f"{type(watched.problem).__name__}: {watched.problem}",
            "unseen": list(loop.unseen) if loop else [],
        }
