"""The end of a search: the best configuration under fresh seeds, beside the default, on data that nobody has seen."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainwright.data.arrays import pair_tensors
from trainwright.data.batches import batches_of, is_pair
from trainwright.data.feed import Feed
from trainwright.errors import UsageError
from trainwright.randomness import derive, permutation
from trainwright.records.findings import Scalar
from trainwright.records.jsonable import from_plain, to_plain
from trainwright.records.study import StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.runs.layout import CHECKPOINTS
from trainwright.runs.reader import read_run
from trainwright.search.arrays import Arrays
from trainwright.search.entrant import Enter
from trainwright.search.scoring import Scorer
from trainwright.stages.setup import Setup
from trainwright.stages.train import Run, carry_out
from trainwright.training import checkpoint

FILE = "final.json"
HELD_OUT = 0.2
"""Share of a pair that is held out to compare on, where no validation data are given."""
FEWEST = 200
"""Validation samples from which on half of them are left untouched, to confirm on."""

Pair = tuple[torch.Tensor, torch.Tensor]


def confirm(
    info: StudyInfo,
    enter: Enter,
    scorer: Scorer,
    *,
    test: Feed | None,
    count: int,
    has_default: bool,
    budget: int,
    folder: Path | None,
) -> FinalRun:
    """Train the best configuration, and the default, to the end under `count` fresh seeds each; return what came of it.

    Both see the same first weights (where they have the same shape), batches and number of steps, seed by seed.
    """
    best = info.best
    assert best is not None
    assert best.score is not None
    kept = folder / FILE if folder is not None else None
    if kept is not None and kept.is_file():
        return from_plain(FinalRun, json.loads(kept.read_text(encoding="utf-8")))
    seeds = tuple(derive(info.plan.seed, "final", place) for place in range(count))
    own, tested = _scores(enter, scorer, test, best.values, seeds, budget)
    other, other_tested = _scores(enter, scorer, test, {}, seeds, budget) if has_default else ((), ())
    made = FinalRun(
        values=dict(best.values),
        seeds=seeds,
        steps=budget,
        search_score=best.score,
        fresh_scores=own,
        default_scores=other,
        test_scores=tested,
        default_test_scores=other_tested,
    )
    if kept is not None:
        kept.write_text(json.dumps(to_plain(made)), encoding="utf-8")
    return made


def final_run(setup: Setup, folder: Path | None) -> Run:
    """Train `setup` into `folder`, or return the run that lies there already; one that was broken off begins again."""
    if folder is not None and folder.exists():
        stored = read_run(folder)
        if stored.outcome is not None:
            state, _ = checkpoint.load(folder / CHECKPOINTS, "best")
            setup.model.load_state_dict(state)
            return Run(
                model=setup.model,
                history=stored.chart,
                outcome=stored.outcome,
                findings=stored.findings,
                digest=stored.digest,
                folder=folder,
            )
        shutil.rmtree(folder)
    return carry_out(setup, folder)


def _scores(
    enter: Enter, scorer: Scorer, test: Feed | None, values: Mapping[str, Scalar], seeds: Sequence[int], budget: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the validation and the test scores of one configuration under each seed."""
    arena = Arrays(enter, scorer, budget=budget)
    trials = [
        Trial(number=place, configuration=0, round=0, chunk=0, values=values, seed=seed)
        for place, seed in enumerate(seeds)
    ]
    arena.start(trials)
    numbers = range(len(seeds))
    told = arena.advance(numbers, budget)
    scores = tuple(told.get(number, math.nan) for number in numbers)
    if test is None:
        return scores, ()
    on_test = arena.scores(replace(scorer, feed=test))
    return scores, tuple(on_test.get(number, math.nan) for number in numbers)


def held_out(train: Any, seed: int) -> tuple[Any, Any]:
    """Return a pair in two parts, to train on and to compare on. Raises `UsageError` for what is no pair."""
    if not is_pair(train):
        raise UsageError(
            "a search compares on validation data, and there are none",
            evidence=f"train is a {type(train).__name__}, of which nothing can be held out",
            remedy="pass validation=",
        )
    x, y = pair_tensors(list(train), "the data")
    return _parts(x, y, seed, HELD_OUT)


def untouched(validation: Any, test: Any, seed: int) -> tuple[Any, Any, tuple[str, ...]]:
    """Return what to compare on, what to confirm on (None where there is nothing), and what to say of it."""
    if test is not None:
        return validation, test, ()
    if not is_pair(validation) or len(validation[0]) < FEWEST:
        return validation, None, ("no split is left untouched to confirm on: pass test=",)
    x, y = pair_tensors(list(validation), "the validation data")
    searched, left = _parts(x, y, seed, 0.5)
    return searched, left, ("half of the validation data are left untouched, to confirm on; pass test= to use all",)


def as_feed(data: Any, base: Setup) -> Feed | None:
    """Return data to test on as batches, None for none."""
    if data is None:
        return None
    train = base.splits["train"]
    return batches_of(data, batch_size=train.batch_size, seed=0, device=base.recipe.train.device)


def _parts(x: torch.Tensor, y: torch.Tensor, seed: int, share: float) -> tuple[Pair, Pair]:
    order = permutation(seed, 0, len(x))
    cut = max(1, round(share * len(x)))
    first, second = order[cut:], order[:cut]
    return (x[first], y[first]), (x[second], y[second])
