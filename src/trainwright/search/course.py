"""The course of a search: rounds of chunks, each chunk trained side by side and halved at its rungs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from trainwright.records.space import Axis
from trainwright.records.study import Plan, StudyInfo
from trainwright.search.arena import Arena
from trainwright.search.ledger import Chunk
from trainwright.search.problem import Problem
from trainwright.search.samplers import Sampler
from trainwright.search.space import checked
from trainwright.search.study import LeaseLost, StudyView

_PAUSE = 0.1  # seconds between looks at what other workers are doing


def search(
    arena: Arena,
    plan: Plan,
    space: Mapping[str, Axis],
    *,
    folder: Path | None = None,
    sampler: Sampler | None = None,
    problem: Problem | None = None,
    seconds: float | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    observe: Callable[[StudyInfo], None] | None = None,
    store: str | None = None,
) -> StudyInfo:
    """Search until the plan is done or `seconds` are over, and return the study.

    Called again with the same folder it goes on where it stood; called in several processes at once they share the
    work. `sampler` is one of Optuna's samplers, in place of the plan's name; `problem` is what the study is
    about, which cannot change in a folder; `limits` hold what each parameter can be; `observe` is given the study after
    every decision. With `store`, the URL of a database, decisions are kept there, for workers that share no disk, and
    copied into the folder, whose name is the study's. Raises `UsageError` for a plan or a space that makes no sense,
    and for another problem.
    """
    study = StudyView(folder, plan, checked(space, limits=limits), sampler=sampler, problem=problem, store=store)
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while time.monotonic() < deadline:
        chunk = study.claim()
        if chunk is None:
            if study.is_over():
                break
            time.sleep(_PAUSE)
            continue
        try:
            _train(study, chunk, arena, deadline, observe)
        except LeaseLost:
            arena.drop(chunk.numbers)
        finally:
            study.release(chunk)
    info = study.info()
    study.keep()
    if study.is_over():
        untried = study.untried()
        return replace(info, notes=(*info.notes, untried)) if untried else info
    goes_on = "" if folder is None else "; run it again to go on"
    return replace(info, status="stopped", reason=f"{seconds:g} seconds are over{goes_on}")


def _train(
    study: StudyView, chunk: Chunk, arena: Arena, deadline: float, observe: Callable[[StudyInfo], None] | None
) -> None:
    """Train one chunk from where it stands. A decision that the journal holds is followed, not made again."""
    found = study.load(chunk)
    living, reached = frozenset(chunk.numbers), 0
    if found is None:
        arena.start(study.trials(living))
    else:
        reached, state = found
        living = chunk.kept[reached]
        arena.restore(study.trials(living), state)
    for stop in study.stops:
        if stop.steps <= reached:
            continue
        if not living or time.monotonic() >= deadline:
            break
        started = time.monotonic()
        told = arena.advance(sorted(living), stop.steps)
        kept = chunk.kept.get(stop.steps)
        if kept is None:
            scores = {number: float(told.get(number, math.nan)) for number in sorted(living)}
            reasons = {number: arena.why(number) for number, score in scores.items() if not math.isfinite(score)}
            kept = study.decide(chunk, stop, scores, time.monotonic() - started, reasons)
        arena.drop(living - kept)
        living = kept
        if living and study.folder is not None:  # a state is a copy of every row
            study.save(chunk, stop, arena.state())
        if observe is not None:
            info = study.info()
            # Between two chunks nobody holds a lease, but this process is about to.
            observe(replace(info, status="running") if info.status == "stopped" else info)
    arena.drop(living)
