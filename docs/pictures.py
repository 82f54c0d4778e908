"""Runs sick programs of the ward beside their fixed twins and keeps the numbers of which docs/build.py draws pictures.

    python -m docs.pictures                    every kind for which there is a program that may be looked at
    python -m docs.pictures TW301 TW401        these alone
    python -m docs.pictures --compare TW301    runs again, and says whether the numbers are those that are kept

A kind is shown by its program in docs/shown where it has one, else by those of the ward. Of the ward only programs of
the fitting half are run: the others are the measure, and nobody looks at them.
Exit status: 0 done; 1 a picture could not be made, or differs from what is kept.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from statistics import fmean, pstdev
from typing import Any

import numpy  # noqa: F401 - imported before the first fork, and so only once
import sklearn.datasets  # noqa: F401
import torch
from docs.drawing import FOLDER, LINEAR, NUMBERS, STEP, TWINS, Picture, checksum, plain, read, written
from docs.recording import QUANTITIES, WARD, Points, Recording, record
from docs.showing import Shown, shown_of
from ward.program import Program, programs

from trainwright import __version__
from trainwright.doctor.kind import Kind
from trainwright.doctor.kinds import CATALOGUE, find_kind
from trainwright.report.axes import Axis, axis_for
from trainwright.report.curves import decimate, smooth

SEED = 0
FIRST = {
    "scheduler-wrong-frequency": "learning rate",
    "scheduler-never-stepped": "learning rate",
    "scheduler-before-optimizer": "learning rate",
    "warmup-missing": "learning rate",
    "overfitting": "validation loss",
    "evaluating-in-train-mode": "validation loss",
    "batch-norm-statistics-stale": "validation loss",
}
"""Kinds whose fault is that of another quantity than the training loss: the picture shows this one where it differs."""
SMOOTH_FROM = 50
SPAN_SHARE = 0.03
FEWEST = 3
"""Points without which there is no curve."""
EACH, MEAN = 70, 40
"""Points that are kept of a curve, extremes among them: the difference cannot be seen at the size of a picture."""
APART = 0.08
"""Curves whose level or spread differs by this share of the axis in a half of the run are told apart at a glance."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or compare the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codes", nargs="*", metavar="CODE")
    parser.add_argument("--compare", action="store_true", help="write nothing; say what differs from what is kept")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    known, wrong = read(), 0
    for kind in [find_kind(code) for code in options.codes] or CATALOGUE.values():
        shown = shown_of(kind.kind)
        candidates = [program for program in programs(WARD / "fitting") if program.kind == kind.kind]
        if shown is None and not candidates:
            if options.codes:
                print(f"{kind.code}  there is no program to draw it of")
                wrong = 1
            continue
        try:
            picture = made(kind, candidates) if shown is None else made_of(kind, shown)
        except RuntimeError as problem:
            print(f"{kind.code}  {problem}", flush=True)
            wrong = 1
            continue
        if options.compare:
            varies = picture.get("varies", False)
            same = varies or known.get(kind.code, {}).get("checksum") == picture.get("checksum")
            print(f"{kind.code}  {'the same numbers' if same else 'differs from what is kept'}", flush=True)
            wrong |= not same
            continue
        known[kind.code] = picture
        FOLDER.mkdir(exist_ok=True)
        NUMBERS.write_text(written(known), encoding="utf-8")
        print(f"{kind.code}  {picture['program']}: {picture.get('none') or picture['quantity']}", flush=True)
    return wrong


def made(kind: Kind, candidates: Iterable[Program]) -> Picture:
    """Return the picture of the first program that shows the fault and in which the doctor names it, else the best."""
    best: Picture = {}
    for program in candidates:
        task = program.tasks[0]
        sick, healed = (record(program, variant, task, SEED) for variant in ("sick", "fixed"))
        picture = of_runs(kind, program.name, task, sick, healed)
        if "none" not in picture and picture["certain"] is not None:
            return picture
        if not best or ("none" in best and "none" not in picture):
            best = picture
    return best


def made_of(kind: Kind, shown: Shown) -> Picture:
    """Return the picture of a program that shows one kind. Raises `RuntimeError` where it does not."""
    program = shown.program
    sick, healed = (record(program, variant, "", SEED, shown) for variant in ("sick", "fixed"))
    named = next((name for name in (kind.kind, *program.also) if name in sick.findings), "")
    if shown.named != bool(named) or kind.kind in healed.findings:
        told = [(sorted(run.findings), run.error) for run in (sick, healed)]
        raise RuntimeError(f"{program.name} is not named as it should be: found in sick and healed: {told}")
    runs = dict(zip(TWINS, (sick, healed), strict=True))
    points = {name: sorted(run.shown or run.curves.get(shown.up, [])) for name, run in runs.items()}
    severity, step = sick.findings.get(kind.kind, (kind.severity, None))
    picture: dict[str, Any] = {
        "program": program.name,
        "seed": SEED,
        "versions": {"torch": torch.__version__, "trainwright": __version__},
        "quantity": shown.up,
        "by": shown.across,
        "dots": shown.dots,
        "linear": shown.linear,
        "varies": shown.varies,
        "shows": shown.shows,
        "severity": severity,
        "named": named,
        "certain": step if shown.across == STEP and shown.watched else None,
        **{name: thinned(each, 0, log=False) for name, each in points.items()},
    }
    return picture | {"checksum": checksum(picture)}


def of_runs(kind: Kind, program: str, task: str, sick: Recording, healed: Recording) -> Picture:
    """Return the numbers of the first quantity that shows the fault; where none does, that."""
    facts: dict[str, Any] = {
        "program": program,
        "task": task,
        "seed": SEED,
        "versions": {"torch": torch.__version__, "trainwright": __version__},
    }
    runs = dict(zip(TWINS, (sick, healed), strict=True))
    facts["scores"] = {name: run.score for name, run in runs.items()}
    if not any(sick.curves.values()):
        return facts | {"none": "the sick run never makes a step, so it has no curve"}
    order = sorted(QUANTITIES, key=lambda name: name != FIRST.get(kind.kind))
    quantity = next((name for name in order if _apart(name, sick, healed) >= APART), None)
    if quantity is None:
        return facts | {"none": "neither the losses nor the rate of the two runs can be told apart"}
    longest = max(len(run.curves[quantity]) for run in runs.values())
    smoothed = quantity == "training loss" and longest >= SMOOTH_FROM  # the only one that varies with the batch
    span = max(10, round(SPAN_SHARE * longest)) if smoothed else 0
    up = axis_of(sick.curves[quantity], healed.curves[quantity])
    severity, step = sick.findings.get(kind.kind, (kind.severity, None))
    picture = facts | {
        "quantity": quantity,
        "span": span,
        "severity": severity,
        "found": kind.kind in sick.findings,
        "certain": step,
        **{name: thinned(run.curves[quantity], span, log=up.log) for name, run in runs.items()},
    }
    return picture | {"checksum": checksum(picture)}


def thinned(points: Points, span: int, *, log: bool) -> dict[str, Any]:
    """Return a curve with few points, and where it is to be smoothed, its mean, geometric on a logarithmic axis."""
    steps, values = [step for step, _ in points], [value for _, value in points]
    kept = {"each": plain(decimate(steps, values, EACH))}
    if span and log:
        values = [math.exp(value) for value in smooth([math.log(value) for value in values], span)]
    elif span:
        values = smooth(values, span)
    return kept | ({"mean": plain(decimate(steps, values, MEAN))} if span else {})


def axis_of(*curves: Points, log: bool = True) -> Axis:
    """Return the axis that holds all curves, any where there is no number. `log` says that it may be logarithmic."""
    return axis_for([value for points in curves for _, value in points], allow_log=log) or Axis(low=0, high=1)


def _apart(quantity: str, sick: Recording, healed: Recording) -> float:
    return apart(sick.curves[quantity], healed.curves[quantity], log=quantity not in LINEAR)


def apart(sick: Points, healed: Points, *, log: bool = True) -> float:
    """Return by how much the level or the spread of two curves differs in a half of the run, as a share of the axis."""
    if min(len(sick), len(healed)) < FEWEST:
        return 0.0
    up = axis_of(sick, healed, log=log)
    middle = max(sick[-1][0], healed[-1][0]) / 2
    distances = []
    for begin, end in ((0.0, middle), (middle, math.inf)):
        of_sick, of_healed = (_heights(points, up, begin, end) for points in (sick, healed))
        if of_sick and of_healed:
            distances += [abs(measure(of_sick) - measure(of_healed)) for measure in (fmean, pstdev)]
        elif of_sick or of_healed:
            return 1.0  # one of them has no number there
    return max(distances, default=0.0)


def _heights(points: Points, up: Axis, begin: float, end: float) -> list[float]:
    """Return how high the points of a part of the run lie, from 0 to 1."""
    return [up.place(value) for step, value in points if begin <= step < end and math.isfinite(value)]


if __name__ == "__main__":
    sys.exit(main())
