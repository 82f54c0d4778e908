"""The verb tune: a space, a search from coarse to fine, the final run, and whether it was worth it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainwright.errors import ModelError, UsageError
from trainwright.parts import losses
from trainwright.records import Location
from trainwright.records.findings import Scalar
from trainwright.records.space import Space
from trainwright.records.study import Plan, StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.report.inline import StudyProgress, in_notebook
from trainwright.report.loading_text import loading_lines
from trainwright.search.arrays import Arrays
from trainwright.search.course import search
from trainwright.search.entrant import Enter
from trainwright.search.lock import held
from trainwright.search.owner import this_process
from trainwright.search.samplers import Sampler, check_sampler
from trainwright.search.scoring import Scorer
from trainwright.search.space import checked, configuration
from trainwright.stages import final as last
from trainwright.stages.before_search import check_factory, check_ready, first_setup
from trainwright.stages.entrants import (
    alone,
    completed,
    defaults_of,
    divided,
    from_dataset,
    from_factory,
    homes_of,
    made,
    sharing,
)
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.named import NamedLoss
from trainwright.stages.network import build_model
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.sections import TuneSection
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.stages.shared_body import shared_body
from trainwright.stages.splits import facts_of
from trainwright.stages.start import begun
from trainwright.stages.study import Study
from trainwright.stages.study_data import as_feed, held_out, untouched
from trainwright.stages.study_notes import guess_of, remarks
from trainwright.stages.study_problem import about_of, problem_of
from trainwright.stages.study_rate import settled
from trainwright.stages.study_work import StudyWork
from trainwright.stages.tune_space import check_given, space_of
from trainwright.tensors import computing_with

Observe = Callable[[StudyInfo], None]
ETA = 3
"""One in so many goes on at a rung."""
CHUNK = 64
"""Trials that are trained side by side, at most."""


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
    score: str | None = None,
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
    again with the same folder goes on where it stood. `score` is what trials are judged by: "loss", "error" or "rmse".
    `settings` are keys of the recipe, as in `fit`; `trials`, `rounds` and the others above default to those of
    `[tune]`.

    Raises `UsageError` where the space or a setting makes no sense, `DataError` or `ModelError` on data or models that
    cannot be trained. A trial that fails is no exception: see `.trials`.
    """
    frame = sys._getframe(1)
    caller = Location(file=frame.f_code.co_filename, line=frame.f_lineno)
    check_factory(model_factory)
    if observe is None and in_notebook():
        observe = StudyProgress()
    if sampler is not None:
        check_sampler(sampler)
    if isinstance(loss, str):
        settings["loss"], loss = loss, None
    elif loss is not None:
        loss, _ = losses.given(loss)
    asked = {"trials": trials, "rounds": rounds, "prune": prune, "final": final, "seconds": seconds, "score": score}
    changes = {f"tune.{name}": int(value) if isinstance(value, bool) and name == "final" else value
               for name, value in asked.items() if value is not None}  # fmt: skip
    if isinstance(sampler, str):
        changes["tune.sampler"] = sampler
    whole = Recipe.of(recipe, **changes_of(settings, "tune()"), **changes)
    full = checked(space)
    names = homes_of(model_factory, full)
    check_given(whole, full, names, own_loss=loss is not None)
    path = Path(folder) if folder is not None else None
    if validation is None:
        train, validation = held_out(train, whole.train.seed)
    validation, test, notes = untouched(validation, test, whole.train.seed)
    if not whole.tune.final and test is None:
        notes = ()  # nothing is to be confirmed

    def setup_of(asked: Recipe, model: torch.nn.Module) -> Setup:
        return prepare_given(asked, model, train, validation, loss=loss, optimizer=None, caller=caller)

    base = first_setup(model_factory, full, names, whole.train.seed, lambda model: setup_of(whole, model))
    default = None
    if defaults_of(model_factory):
        with suppress(ModelError):  # then the default's own runs fail, and say so
            default = made(model_factory, {}, whole.train.seed)
    tested = as_feed(test, base)
    problem = problem_of(whole, base, filter(None, names.values()), loss=loss, factory=model_factory, default=default)
    whole, base, said = settled(whole, base, path)

    def other() -> torch.nn.Module:
        own, _ = divided(configuration(full, dict.fromkeys(full, 0.5)), names)
        another = made(model_factory, own, whole.train.seed + 1)
        begun(whole, another)
        return another

    shared, searched = shared_body(base, names.values(), other, tested), whole

    def enter(*, own_order: bool, whole: bool = False) -> Enter:
        return from_factory(
            searched, model_factory, train, validation, loss=loss, base=base, names=names, caller=caller,
            own_order=own_order, shared=None if whole else shared,
        )  # fmt: skip

    def final_setup(values: Mapping[str, Scalar], seed: int) -> Setup:
        own, changed = divided(values, names)
        return setup_of(whole.changed({**changed, "train.seed": seed}), made(model_factory, own, seed))

    def by_itself(trial: Trial) -> Setup:
        own, changed = divided(trial.values, names)
        asked = sharing(searched.changed({**changed, **alone(searched), "train.seed": trial.seed}), base)
        return setup_of(asked, made(model_factory, own, trial.seed))

    work = StudyWork(
        recipe=whole,
        base=base,
        problem=problem,
        enter=enter,
        space=full,
        final_setup=final_setup,
        alone=by_itself,
        has_default=defaults_of(model_factory),
        about=about_of(whole, default, tested),
        test=tested,
        notes=(*notes, *said),
        shared=shared,
    )
    return _carried_out(work, path, sampler if not isinstance(sampler, str) else None, observe, say)


def tune_recipe(
    recipe: Recipe,
    *,
    folder: Path | None = None,
    data_root: str | None = None,
    observe: Observe | None = None,
    say: Callable[[str], None] | None = None,
    store: str | None = None,
) -> Study:
    """Search what `[tune]` of a recipe says, over any of its settings; else as `tune`.

    `store` is the URL of a database that keeps the study's decisions, for workers that share no disk.
    """
    full = space_of(recipe)
    dataset = load_data(recipe, data_root)
    base = prepare(recipe, dataset, data_root)
    if dataset.validation is None:
        raise recipe.problem("data.validation", "a search compares on validation data; set data.validation above 0")
    problem = problem_of(recipe, base, full)
    recipe, base, said = settled(recipe, base, folder)
    device, test = torch.device(base.recipe.train.device), base.splits.get("test")

    def other() -> torch.nn.Module:
        spec = losses.CATALOGUE[base.recipe.loss.name]
        named = NamedLoss(spec=spec, training=base.loss, evaluation=base.evaluation_loss, options={})
        return build_model(base.recipe.changed({"train.seed": recipe.train.seed + 1}), named, dataset, device)[0]

    shared = shared_body(base, full, other, test)

    def enter(*, own_order: bool, whole: bool = False) -> Enter:
        return from_dataset(recipe, dataset, device, own_order=own_order, shared=None if whole else shared)

    # The data were divided by the search's seed: said in the recipe, or a fresh seed would name another division.
    divided_by = recipe.train.seed if recipe.data.split_seed < 0 else recipe.data.split_seed
    of_division = recipe.changed({"data.split_seed": divided_by})

    def final_setup(values: Mapping[str, Scalar], seed: int) -> Setup:
        return prepare(of_division.changed({**values, "train.seed": seed}), dataset, data_root)

    def by_itself(trial: Trial) -> Setup:
        asked = of_division.changed({**trial.values, **alone(recipe), "train.seed": trial.seed})
        return prepare(completed(asked, facts_of(dataset)), dataset, data_root)

    work = StudyWork(
        recipe=of_division,
        base=base,
        problem=problem,
        enter=enter,
        space=full,
        final_setup=final_setup,
        alone=by_itself,
        has_default=True,
        about=about_of(recipe, None, test),
        test=test,
        notes=said,
        shared=shared,
    )
    study = _carried_out(work, folder, None, observe, say, store)
    study.write_best()
    return study


def _carried_out(
    work: StudyWork,
    folder: Path | None,
    sampler: Sampler | None,
    observe: Observe | None,
    say: Callable[[str], None] | None,
    store: str | None = None,
) -> Study:
    asked, base, shared = work.recipe.tune, work.base, work.shared
    check_ready(base)
    budget = base.info.planned_steps or 1
    scorer = Scorer(
        feed=(base if shared is None else shared).splits["validation"],
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
        guess=guess_of(base.info, asked.score),
    )
    arena = Arrays(work.enter(own_order=False), scorer, budget=budget, say=say)
    with computing_with(int(base.recipe.train.threads)):
        info = search(
            arena,
            plan,
            work.space,
            folder=folder,
            sampler=sampler,
            problem=work.problem,
            seconds=asked.seconds or None,
            observe=observe,
            store=store,
        )
    info = replace(info, notes=(*info.notes, *remarks(info, asked)))
    confirmation, run, said = None, None, ()
    if asked.final and info.status == "finished" and info.best is not None:
        with _alone(folder, say):
            confirmation, run, said = _ended(work, info, scorer, folder)
    started = loading_lines(base.loaded) if base.loaded is not None else ()
    notes = (*started, *work.notes, *(() if shared is None else (shared.text,)), *said)
    return Study(info=info, final=run, confirmation=confirmation, folder=folder, notes=notes, work=work)


def _ended(
    work: StudyWork, info: StudyInfo, scorer: Scorer, folder: Path | None
) -> tuple[FinalRun, Run, tuple[str, ...]]:
    """Confirm the best configuration, and train it; return both, and what was done about those of an earlier call."""
    budget, shared, test = info.plan.budget, work.shared, work.test
    if shared is not None and test is not None:
        test = shared.of(work.base.model, test)
    with computing_with(int(work.base.recipe.train.threads)):
        confirmation, said = last.confirm(
            info, work.enter(own_order=True), scorer, recipe=work.recipe, test=test, count=work.recipe.tune.final,
            has_default=work.has_default, about=work.about, budget=budget, folder=folder,
        )  # fmt: skip
    seed = confirmation.seeds[0]
    setup = work.final_setup(confirmation.values, seed)
    run, more = last.final_run(
        setup if shared is None else replace(setup, store=shared.store), None if folder is None else folder / "final",
        values=confirmation.values, seed=seed, steps=budget,
    )  # fmt: skip
    kept_loss = run.outcome.best.get("validation", {}).get("loss")
    confirmation = replace(confirmation, kept_step=run.outcome.best_step, kept_loss=kept_loss)
    return confirmation, run, (*said, *more)


@contextmanager
def _alone(folder: Path | None, say: Callable[[str], None] | None) -> Iterator[None]:
    """Let one process at a time do the final run of a study; another waits, and finds it done."""
    if folder is None:
        yield
        return

    def waiting(who: str) -> None:
        host, pid, *_ = [*who.split(), "another host", "?"]
        (say or (lambda text: None))(f"waiting for process {pid} on {host}, which does the final run")

    with held(folder / "study.final.lock", this_process(), waiting=waiting):
        yield


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
