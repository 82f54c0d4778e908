"""The end of a search: the best configuration under fresh seeds, beside the default, on data that nobody has seen."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainwright.data.feed import Feed
from trainwright.errors import TrainwrightError, first_line
from trainwright.interruption import Interrupted, status_of
from trainwright.randomness import derive
from trainwright.records.findings import Scalar
from trainwright.records.jsonable import from_plain, to_plain
from trainwright.records.study import StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.report.numbers import plural
from trainwright.runs import durable
from trainwright.runs.layout import CHECKPOINTS, RECIPE, is_run
from trainwright.runs.reader import read_run
from trainwright.runs.small import read_json
from trainwright.runs.writer import is_scrap
from trainwright.search.arrays import Arrays
from trainwright.search.entrant import Enter
from trainwright.search.scoring import Scorer
from trainwright.stages import resume_fields
from trainwright.stages.recipe import Recipe
from trainwright.stages.resume import Resumption
from trainwright.stages.run import Run
from trainwright.stages.sections import TrainSection
from trainwright.stages.setup import Setup
from trainwright.stages.train import carry_out
from trainwright.training import checkpoint

FILE = "final.json"


def confirm(
    info: StudyInfo,
    enter: Enter,
    scorer: Scorer,
    *,
    recipe: Recipe,
    test: Feed | None,
    count: int,
    has_default: bool,
    about: Mapping[str, str],
    budget: int,
    folder: Path | None,
) -> tuple[FinalRun, tuple[str, ...]]:
    """Train the best configuration, and the default, to the end under `count` fresh seeds each; return what came of it.

    Both see the same first weights (where they have the same shape), order of the samples and number of steps, seed by
    seed; `enter` gives each trial the order of its own seed. What is scored is what a run of `recipe` keeps: the best
    checkpoint of each. What the folder holds of an earlier call is kept where it
    was said of the same configuration, and the same `about`: seeds that are missing are added. Else it is set aside,
    and what was done is said in the second value.
    """
    best = info.best
    assert best is not None
    assert best.score is not None
    file = folder / FILE if folder is not None else None
    kept, said = _kept(file)
    if file is not None and kept is not None:
        old = (dict(kept.values), kept.steps, dict(kept.about))
        changed = [
            word
            for word, one, other in zip(
                ("the best configuration", "the steps in a trial", "the test data, the default or what is scored"),
                old,
                (dict(best.values), budget, dict(about)),
                strict=True,
            )
            if one != other
        ]
        if changed:
            words = " and ".join(changed)
            verb = "have" if len(changed) > 1 or words.startswith(("the steps", "the test")) else "has"
            said += (f"{words} {verb} changed: it was confirmed anew, and what stood there is {_aside(file).name}",)
            kept = None
    seeds = tuple(derive(info.plan.seed, "final", place) for place in range(count))
    missing = tuple(seed for seed in seeds if kept is None or seed not in kept.seeds)
    if kept is not None and missing:
        said += (f"added {plural(len(missing), 'fresh seed')} to the {len(kept.seeds)} confirmed before",)
    if kept is None or missing:
        values = [dict(best.values), *([{}] if has_default else [])]
        own, other = [*_scores(enter, scorer, test, values, missing, budget, recipe.train), ((), ())][:2]
        made = FinalRun(
            values=dict(best.values),
            seeds=missing,
            steps=budget,
            search_score=best.score,
            fresh_scores=own[0],
            default_scores=other[0],
            test_scores=own[1],
            default_test_scores=other[1],
            about=dict(about),
        )
        kept = made if kept is None else kept.extended(made)
        if file is not None:
            durable.replace(file, json.dumps(to_plain(kept)))
    return replace(kept.first(count), search_score=best.score), said


def _kept(file: Path | None) -> tuple[FinalRun | None, tuple[str, ...]]:
    """Return what an earlier call confirmed; what cannot be read is set aside, and said."""
    if file is None or not file.is_file():
        return None, ()
    try:
        return from_plain(FinalRun, read_json(file)), ()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None, (
            f"{file.name} could not be read: it was confirmed anew, and what stood there is {_aside(file).name}",
        )


def final_run(
    setup: Setup, folder: Path | None, *, values: Mapping[str, Scalar], seed: int, steps: int
) -> tuple[Run, tuple[str, ...]]:
    """Train `setup` into `folder`, or return the run that lies there already, where it is of these `values`.

    One that was broken off goes on; one of other values is set aside, which the second value says. Raises
    `Interrupted` where this one is cut off: the search stops with it, and goes on with it.
    """
    about = json.loads(json.dumps({"values": dict(values), "seed": seed, "steps": steps}))
    setup = replace(setup, facts={**setup.facts, "study": about})
    said: tuple[str, ...] = ()
    if folder is not None and folder.exists():
        found, why = _ended(setup, folder, about)
        if found is not None:
            return found, ()
        if why:
            said = (f"the final run was trained anew: {why}; what stood there is {_aside(folder).name}",)
        elif not is_run(folder):
            shutil.rmtree(folder)
    if folder is not None and is_run(folder):
        with Resumption(folder, setup=setup) as resumption:
            run = resumption.carry_out()
    else:
        run = carry_out(setup, folder)
    if run.outcome.status == "interrupted":
        raise Interrupted(run.outcome.reason, status_of(run.outcome.reason))
    return run, said


def _ended(setup: Setup, folder: Path, about: Mapping[str, Any]) -> tuple[Run | None, str]:
    """Return the run in a folder, or why it is not the one asked for: "" where it was broken off, and can go on."""
    if not is_run(folder):
        left = [path.name for path in folder.iterdir() if path.name != RECIPE and not is_scrap(path.name)]
        return None, "the folder held something else" if left else ""
    try:
        stored = read_run(folder)
        if stored.head.get("study") != about:
            return None, "the best configuration is another"
        if stored.info.setting("data.split_seed") != setup.recipe.data.split_seed:
            return None, "its recipe names another division of the data"
        if stored.outcome is None or stored.outcome.status == "interrupted" or "broke off" in stored.outcome.reason:
            other = resume_fields.changed(stored.head.get("configuration", {}), setup.recipe.plain())
            return None, f"it was broken off under other settings ({', '.join(list(other)[:3])})" if other else ""
        state, _ = checkpoint.load(folder / CHECKPOINTS, "best")
        setup.model.load_state_dict(state)
    except (TrainwrightError, RuntimeError) as problem:
        return None, first_line(problem)
    run = Run(
        model=setup.model,
        history=stored.chart,
        outcome=stored.outcome,
        findings=stored.findings,
        digest=stored.digest,
        folder=folder,
    )
    return run, ""


def _aside(path: Path) -> Path:
    """Move a file or a folder out of the way, to the first free name beside it, and return that."""
    number = 1
    while (other := path.with_name(f"{path.stem}-{number:03d}{path.suffix}")).exists():
        number += 1
    return path.rename(other)


def _scores(
    enter: Enter,
    scorer: Scorer,
    test: Feed | None,
    configurations: Sequence[Mapping[str, Scalar]],
    seeds: Sequence[int],
    budget: int,
    asked: TrainSection,
) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return the validation and the test scores of each configuration, under each seed; () for those of no test.

    They are those of the checkpoint that a run keeps, NaN where it failed.
    """
    arena = Arrays(enter, scorer, budget=budget)
    size = len(seeds)
    arena.start(
        [
            Trial(number=size * which + place, configuration=which, round=0, chunk=0, values=values, seed=seed)
            for which, values in enumerate(configurations)
            for place, seed in enumerate(seeds)
        ]
    )
    losses = replace(scorer, score="loss")
    kept = arena.kept(losses, every=asked.evaluate_every_steps or None, patience=asked.patience or None)

    def part(judge: Scorer, which: int) -> tuple[float, ...]:
        places = range(size * which, size * (which + 1))
        return tuple(judge.alone(kept[place].model) if place in kept else math.nan for place in places)

    return [
        (part(scorer, which), () if test is None else part(replace(scorer, feed=test), which))
        for which in range(len(configurations))
    ]
