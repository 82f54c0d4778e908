"""The verb tune: a space, a search from coarse to fine, the final run, and whether it was worth it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from trainwright.data.feed import Feed
from trainwright.doctor.search import edges, judge
from trainwright.errors import RecipeError, UsageError
from trainwright.parts import losses
from trainwright.records import Finding, Location
from trainwright.records.findings import Scalar
from trainwright.records.space import Space
from trainwright.records.study import Edge, Importance, Move, Plan, StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.loading_text import loading_lines
from trainwright.report.study_json import study_json
from trainwright.report.study_text import render_study
from trainwright.search.arrays import Arrays
from trainwright.search.course import search
from trainwright.search.entrant import Enter
from trainwright.search.importance import importance
from trainwright.search.samplers import Sampler, check_sampler
from trainwright.search.scoring import Scorer
from trainwright.search.space import checked, configuration
from trainwright.search.space_toml import from_toml
from trainwright.stages import final as last
from trainwright.stages.entrants import defaults_of, divided, from_dataset, from_factory, homes_of, made
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.named import NamedLoss
from trainwright.stages.network import build_model
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import TuneSection
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.stages.shared_body import SharedBody, shared_body
from trainwright.stages.start import begun
from trainwright.stages.train import Run
from trainwright.tensors import computing_with

Observe = Callable[[StudyInfo], None]
ETA = 3
"""One in so many goes on at a rung."""
CHUNK = 64
"""Trials that are trained side by side, at most."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best trial: its score (lower is better), and the values that it was trained with."""

    value: float
    parameters: Mapping[str, Scalar]
    number: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """A search that has ended, or was stopped. `final` is the run of the best configuration under a fresh seed, and
    `confirmation` what further fresh seeds said of it; None where no final run was asked for, or there is no best.
    """

    info: StudyInfo
    final: Run | None
    confirmation: FinalRun | None
    folder: Path | None
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Best | None:
        """The best trial of those that came furthest, None where all failed."""
        trial = self.info.best
        if trial is None or trial.score is None:
            return None
        return Best(value=trial.score, parameters=trial.values, number=trial.number, steps=trial.steps)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial, in the order of their numbers."""
        return self.info.trials

    @property
    def moves(self) -> tuple[Move, ...]:
        """What became of each range after each round, and why."""
        return self.info.moves

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The ends of the ranges that the best values hug."""
        return edges(self.info)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the search, worst first."""
        return list(judge(self.info))

    def reading(self, name: str = "search") -> StudyReading:
        """Return all that a report is made of, under this name."""
        return StudyReading(
            info=self.info,
            name=name,
            findings=tuple(self.findings),
            edges=self.edges,
            importance=self.importance,
            final=self.confirmation,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        return study_json(self.reading()) | {"folder": None if self.folder is None else str(self.folder)}

    def report(self, *, color: bool = False, width: int = 100) -> str:
        """Return the search as text: the best, what each round found, what failed, what mattered, the final run."""
        return render_study(self.reading(), color=color, width=width)

    @cached_property
    def importance(self) -> tuple[Importance, ...]:
        """How much each parameter mattered, with error bars; () from too few trials."""
        return importance(self.info)


def tune(
    model_factory: Callable[..., torch.nn.Module],
    train: Any,
    validation: Any = None,
    *,
    space: Space,
    trials: int | None = None,
    sampler: Sampler | None = None,
    rounds: int | None = None,
    prune: bool | None = None,
    final: int | bool | None = None,
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    folder: str | Path | None = None,
    test: Any = None,
    loss: Any = None,
    seconds: float | None = None,
    observe: Observe | None = None,
    say: Callable[[str], None] | None = None,
    **settings: Any,
) -> Study:
    """Search `space` for the best configuration of the models that `model_factory` makes, and train it to the end.

    `space` maps names to ranges (`tw.log_uniform(1e-5, 1e-1)`): arguments of the factory, or settings of the recipe by
    their short or full names (`lr`, `optimizer.weight_decay`). `train` and `validation` are what `fit` takes; without
    `validation` a fifth of a pair `train` is held out. `trials` counts configurations over all `rounds`; with `prune`
    those behind at a ninth and a third of the run are stopped. `final` fresh seeds train the best configuration again,
    beside the factory's defaults, on `test` too where it is given. With `folder` the study is kept there, and called
    again with the same folder goes on where it stood. `settings` are keys of the recipe, as in `fit`; `trials`,
    `rounds` and the others above default to those of `[tune]`.

    Raises `UsageError` where the space or a setting makes no sense, `DataError` or `ModelError` on data or models that
    cannot be trained. A trial that fails is no exception: see `.trials`.
    """
    frame = sys._getframe(1)
    caller = Location(file=frame.f_code.co_filename, line=frame.f_lineno)
    if isinstance(loss, str):
        settings["loss"], loss = loss, None
    asked = {"trials": trials, "rounds": rounds, "prune": prune, "final": final, "seconds": seconds}
    changes = {f"tune.{name}": int(value) if name == "final" else value for name, value in asked.items()
               if value is not None}  # fmt: skip
    if isinstance(sampler, str):
        check_sampler(sampler)
        changes["tune.sampler"] = sampler
    whole = Recipe.of(recipe, **changes_of(settings), **changes)
    names = homes_of(model_factory, space)
    full = checked(space)
    if validation is None:
        train, validation = last.held_out(train, whole.train.seed)
    validation, test, notes = last.untouched(validation, test, whole.train.seed)
    middle = configuration(full, dict.fromkeys(full, 0.5))
    own, changed = divided(middle, names)
    example = made(model_factory, own, whole.train.seed)
    base = prepare_given(whole.changed(changed), example, train, validation, loss=loss, optimizer=None, caller=caller)
    to_confirm = last.as_feed(test, base)

    def other() -> torch.nn.Module:
        another = made(model_factory, own, whole.train.seed + 1)
        begun(whole, another)
        return another

    shared = shared_body(base, names.values(), other, to_confirm)
    enter = from_factory(
        whole, model_factory, train, validation, loss=loss, base=base, names=names, caller=caller, shared=shared
    )

    def final_setup(values: Mapping[str, Scalar], seed: int) -> Setup:
        own, changed = divided(values, names)
        model = made(model_factory, own, seed)
        of_seed = whole.changed({**changed, "train.seed": seed})
        return prepare_given(of_seed, model, train, validation, loss=loss, optimizer=None, caller=caller)

    work = _Work(
        recipe=whole,
        base=base,
        enter=enter,
        space=full,
        final_setup=final_setup,
        has_default=defaults_of(model_factory),
        test=to_confirm,
        notes=notes,
        shared=shared,
    )
    path = Path(folder) if folder is not None else None
    return _carried_out(work, path, sampler if not isinstance(sampler, str) else None, observe, say)


def tune_recipe(
    recipe: Recipe,
    *,
    folder: Path | None = None,
    data_root: str | None = None,
    observe: Observe | None = None,
    say: Callable[[str], None] | None = None,
) -> Study:
    """Search what `[tune]` of a recipe says, over any of its settings; else as `tune`."""
    full = space_of(recipe)
    dataset = load_data(recipe, data_root)
    base = prepare(recipe, dataset, data_root)
    if dataset.validation is None:
        raise recipe.problem("data.validation", "a search compares on validation data; set data.validation above 0")
    device = torch.device(base.recipe.train.device)

    def other() -> torch.nn.Module:
        spec = losses.CATALOGUE[base.recipe.loss.name]
        named = NamedLoss(spec=spec, training=base.loss, evaluation=base.evaluation_loss, options={})
        return build_model(base.recipe.changed({"train.seed": recipe.train.seed + 1}), named, dataset, device)[0]

    shared = shared_body(base, full, other, base.splits.get("test"))
    enter = from_dataset(recipe, dataset, device, shared)

    def final_setup(values: Mapping[str, Scalar], seed: int) -> Setup:
        return prepare(recipe.changed({**values, "train.seed": seed}), dataset, data_root)

    work = _Work(
        recipe=recipe,
        base=base,
        enter=enter,
        space=full,
        final_setup=final_setup,
        has_default=True,
        test=base.splits.get("test"),
        notes=(),
        shared=shared,
    )
    return _carried_out(work, folder, None, observe, say)


def space_of(recipe: Recipe) -> Space:
    """Return the space of `[tune]`, each name a setting that exists and takes both ends; raises `RecipeError`."""
    if not recipe.tune.space:
        raise recipe.problem(
            "tune.space",
            "[tune.space] is empty: there is nothing to search; write 'optimizer.lr' = { log_uniform = [1e-5, 1e-1] }",
        )
    space, problems = {}, []
    for name, plain in recipe.tune.space.items():
        section, _, key = name.partition(".")
        if section in ("tune", "data", "doctor") or not key:
            problems.append(f"tune.space: '{name}' cannot be searched; name a setting, such as optimizer.lr")
            continue
        try:
            space[name] = from_toml(name, plain)
        except UsageError as problem:
            problems.append(f"tune.space: {problem.what}; {problem.remedy}")
    if not problems:
        for ends in (0.0, 1.0):  # both ends of every range must be settings that the recipe can have
            try:
                recipe.changed(configuration(checked(space), dict.fromkeys(space, ends)))
            except (RecipeError, UsageError) as problem:
                problems.append(f"tune.space: {str(problem).strip()}")
                break
    if problems:
        raise RecipeError(problems, source=recipe.path or "the recipe")
    return checked(space)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is to be searched, in one form for both ways in."""

    recipe: Recipe
    base: Setup
    enter: Enter
    space: Space
    final_setup: Callable[[Mapping[str, Scalar], int], Setup]
    has_default: bool
    test: Feed | None
    notes: tuple[str, ...]
    shared: SharedBody | None = None


def _carried_out(
    work: _Work,
    folder: Path | None,
    sampler: Sampler | None,
    observe: Observe | None,
    say: Callable[[str], None] | None,
) -> Study:
    asked, base, shared = work.recipe.tune, work.base, work.shared
    validation, test = base.splits["validation"], work.test
    if shared is not None:
        validation = shared.splits["validation"]
        test = shared.of(base.model, test) if test is not None else None
    budget = base.info.planned_steps or 1
    scorer = Scorer(
        feed=validation,
        loss=base.evaluation_loss,
        score=asked.score,
        task=base.info.task or "classification",
        target_std=base.target_std,
    )
    _check_score(asked, scorer, work.space)
    plan = Plan(
        sampler=asked.sampler if sampler is None else "given",
        trials=asked.trials,
        rounds=min(asked.rounds, asked.trials),
        chunk=min(CHUNK, asked.trials),
        repeats=asked.repeats,
        budget=budget,
        eta=ETA if asked.prune else 1,
        seed=work.recipe.train.seed,
    )
    arena = Arrays(work.enter, scorer, budget=budget, say=say)
    with computing_with(int(base.recipe.train.threads)):
        info = search(
            arena,
            plan,
            work.space,
            folder=folder,
            sampler=sampler,
            seconds=asked.seconds or None,
            observe=observe,
        )
        confirmation = run = None
        if asked.final and info.status == "finished" and info.best is not None:
            confirmation = last.confirm(
                info, work.enter, scorer, test=test, count=asked.final, has_default=work.has_default,
                budget=budget, folder=folder,
            )  # fmt: skip
    if confirmation is not None:
        setup = work.final_setup(confirmation.values, confirmation.seeds[0])
        setup = setup if shared is None else replace(setup, store=shared.store)
        run = last.final_run(setup, None if folder is None else folder / "final")
    started = loading_lines(base.loaded) if base.loaded is not None else ()
    notes = (*started, *work.notes, *(() if shared is None else (shared.text,)))
    return Study(info=info, final=run, confirmation=confirmation, folder=folder, notes=notes)


def _check_score(asked: TuneSection, scorer: Scorer, space: Space) -> None:
    fitting = "rmse" if scorer.task == "regression" else "error"
    if asked.score != "loss" and asked.score != fitting:
        raise UsageError(
            f"tune.score = '{asked.score}' does not go with {scorer.task}", remedy=f"use '{fitting}', or 'loss'"
        )
    moving = [name for name in space if name.startswith("loss.")]
    if asked.score == "loss" and moving:
        raise UsageError(
            "the loss cannot be the score while the loss itself is searched",
            evidence=f"the space has {', '.join(moving)}",
            remedy=f"set tune.score = '{fitting}'",
        )
