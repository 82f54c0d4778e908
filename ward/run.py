"""Runs the ward (`make ward`): every sick program, its fixed twin and the healthy controls, under the doctor.

    python -m ward.run                      the reporting half: programs and seeds that no threshold was fitted on
    python -m ward.run --half fitting       the other half
    python -m ward.run --only softmax       programs whose name holds this
    python -m ward.run --quick              one task and one seed of each

Prints one line for each program, then the table by kind; `--write` keeps what it saw in ward/results/, from which
docs/build.py makes the page.
Exit status: 0 the figures were printed; 1 a program could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy  # noqa: F401 - imported before the first fork, and so only once
import sklearn.datasets  # noqa: F401
import torch
from ward.kept import HALVES, RESULTS
from ward.patient import WARD, Variant, Visit, plain, visit
from ward.program import Program, programs
from ward.table import summary, table

SICK_SEEDS = 5
CONTROL_SEEDS = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="reporting")
    parser.add_argument("--only", default="", help="programs whose name holds this; several with commas")
    parser.add_argument("--seeds", type=int, default=0, help="seeds of each; else 5 for the sick, 12 for controls")
    parser.add_argument("--quick", action="store_true", help="one task and one seed of each")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--no-sick", action="store_true")
    parser.add_argument("--write", action="store_true", help="keep the visits in ward/results/")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    wanted = [part for part in options.only.split(",") if part]
    jobs = [
        job
        for job in _jobs(options.half, options.seeds, quick=options.quick)
        if not wanted or any(part in job[0].name for part in wanted)
    ]
    jobs = [job for job in jobs if not (options.no_controls and job[1] == "healthy")]
    jobs = [job for job in jobs if not (options.no_sick and job[1] != "healthy")]
    visits: list[Visit] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for done in pool.map(lambda job: visit(*job), jobs):
            visits.append(done)
            print(_line(done), flush=True)
    if options.write:
        _write(visits, options.half)
    known = {program.name: program for program, *_ in jobs}
    print()
    print(table(visits, known))
    print()
    print(summary(visits, known))
    return 1 if any(done.error and done.variant == "healthy" for done in visits) else 0


def _jobs(half: str, seeds: int, *, quick: bool) -> Iterator[tuple[Program, Variant, str, int]]:
    """Yield what is to be run: of each half its own programs, and its own seeds."""
    # Controls are all in both halves, and differ by their seeds: there is nothing to fit on in one of them.
    for folder, count in ((half, SICK_SEEDS), ("controls", CONTROL_SEEDS)):
        variants: tuple[Variant, ...] = ("healthy",) if folder == "controls" else ("sick", "fixed")
        for program in programs(WARD / folder):
            first = 100 if half == "reporting" else 0
            tasks = program.tasks[:1] if quick else program.tasks
            for seed in range(first, first + (1 if quick else seeds or count)):
                # A program on three tasks is run on each in turn, not on all by all seeds.
                chosen = tasks if quick else (tasks[seed % len(tasks)],)
                for task in chosen:
                    for variant in variants:
                        yield program, variant, task, seed


def _line(done: Visit) -> str:
    said = ", ".join(f"{found.kind}({found.severity[0]}:{found.line}@{found.step})" for found in done.findings) or "-"
    score = "" if done.score is None else f"{done.score:.3f}"
    trouble = f"  RAISED {done.error}" if done.error else ""
    trouble += f"  WATCHER {done.problem}" if done.problem else ""
    return (
        f"{done.variant:<8}{done.name:<40}{done.task:<12}{done.seed:>4}{score:>9}{done.seconds:>7.1f}s  {said}{trouble}"
    )


def _write(visits: Sequence[Visit], half: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{half}.jsonl"
    path.write_text("".join(json.dumps(plain(done)) + "\n" for done in visits))
    print(f"\nkept: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    sys.exit(main())
