"""From a trial's values to what can be trained: the recipe's own parts, as a row of an array wherever a row will do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.data.dataset import Dataset
from trainwright.data.feed import Feed
from trainwright.errors import ModelError, UsageError, did_you_mean
from trainwright.parts import optimizers
from trainwright.parts.own_module import told
from trainwright.parts.schedules import fraction_of
from trainwright.randomness import isolated
from trainwright.records.findings import Location, Scalar
from trainwright.records.study import Trial
from trainwright.search.entrant import Enter, Entrant, LoneEntrant, RowEntrant
from trainwright.stacked.member import Member
from trainwright.stages.assemble import assemble
from trainwright.stages.choose import Facts, choose, schedule_for
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.named import build_loss, build_optimizer, build_schedule, freezing_in, loss_for
from trainwright.stages.network import build_model
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup, given_of, prepare
from trainwright.stages.shared_body import SharedBody
from trainwright.stages.sizes import batch_size_for, epochs_for
from trainwright.stages.splits import dataset_batches, facts_of
from trainwright.stages.start import begun, with_network
from trainwright.training.history import History
from trainwright.training.stillness import hold_modes

Factory = Callable[..., nn.Module]


def lone_reason(recipe: Recipe) -> str:
    """Return what a recipe asks of its step that no row of an array does, "" where there is nothing."""
    train, loss = recipe.train, recipe.loss.options
    reasons = {
        "the optimizer evaluates the loss itself": optimizers.CATALOGUE[recipe.optimizer.name].closure,
        f"train.precision = '{train.precision}'": train.precision != "fp32",
        f"train.ema = {train.ema:g}": train.ema > 0,
        f"train.accumulate = {train.accumulate}": train.accumulate > 1,
        "train.compile": train.compile,
        "train.checkpoint_activations": train.checkpoint_activations,
        "a penalty in the loss": bool(loss.get("l1") or loss.get("l2")),
        "a schedule that watches the evaluations": recipe.schedule.name == "plateau",
        "train.unfreeze": bool(train.unfreeze),
        "doctor.repair = 'apply'": recipe.doctor.repair == "apply",
    }
    return next((reason for reason, asked in reasons.items() if asked), "")


def from_dataset(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    *,
    own_order: bool = False,
    shared: SharedBody | None = None,
) -> Enter:
    """Return what builds the trials of a recipe over `dataset`, whose values are settings of the recipe.

    The order of the samples is the same for all trials, seeds and all: they are compared on equal terms, and in one
    array. With `own_order` it is that of a run with the trial's seed; see `order_of`. `shared` is the frozen body that
    all trials have, where it gave its features once.
    """
    recipe = with_network(recipe)
    facts = facts_of(dataset)
    feeds: dict[tuple[Any, ...], Feed] = {}
    courses: _Courses = {}

    def enter(trial: Trial) -> Entrant:
        asked = recipe.changed(trial.values)
        asked = completed(asked, facts)
        reason = lone_reason(asked)
        order = order_of(recipe, trial, own=own_order)
        if reason:
            own = recipe.changed({**trial.values, "train.seed": trial.seed, "train.order_seed": order})
            return _alone(prepare(own, dataset), reason, shared)
        spec = loss_for(asked, facts.task, dataset.shape.outputs)
        loss = build_loss(asked, spec, facts.class_counts)
        model, _ = build_model(asked.changed({"train.seed": trial.seed}), loss, dataset, device)
        size = batch_size_for(asked, len(dataset.train))
        key = (size, order, asked.train.sampler, tuple(sorted(asked.augment.strengths.items())), spec.name)
        if key not in feeds:
            of_order = asked.changed({"train.order_seed": order})
            feeds[key] = dataset_batches(of_order, dataset, size, device, spec)["train"]
        return _row(asked, model, loss.training, feeds[key], trial.seed, courses, shared)

    return enter


def from_factory(
    recipe: Recipe,
    factory: Factory,
    train: Any,
    validation: Any,
    *,
    loss: Any,
    base: Setup,
    names: Mapping[str, str],
    caller: Location,
    own_order: bool = False,
    shared: SharedBody | None = None,
) -> Enter:
    """Return what builds the trials of a model's factory. `names` maps each name of the space to the setting that it
    is, "" where the factory takes it. `base` is the setup of one model, whose data serve all; `own_order` and `shared`
    as above.
    """
    base_order, base_size = recipe.train.seed_of_order, base.splits["train"].batch_size
    feeds: dict[tuple[int, str, int], Feed] = {(base_size, recipe.train.sampler, base_order): base.splits["train"]}
    courses: _Courses = {}

    def enter(trial: Trial) -> Entrant:
        own, changes = divided(trial.values, names)
        model = made(factory, own, trial.seed)
        asked = sharing(recipe.changed(changes), base)
        asked = asked.completed({"schedule.name": schedule_for(asked.optimizer.name).value})
        reason = lone_reason(asked)
        order = order_of(recipe, trial, own=own_order)
        if reason or any(name.startswith(("loss.", "augment.")) for name in changes):
            of_seed = recipe.changed({**changes, "train.seed": trial.seed, "train.order_seed": order})
            setup = prepare_given(of_seed, model, train, validation, loss=loss, optimizer=None, caller=caller)
            return _alone(setup, reason or "its loss or its data are its own", shared)
        begun(asked, model)
        model.to(torch.device(base.recipe.train.device))
        key = (int(asked.train.batch_size), asked.train.sampler, order)
        if key not in feeds:
            plain = asked.changed({"train.order_seed": order, "doctor.level": "off"})
            setup = prepare_given(plain, model, train, validation, loss=loss, optimizer=None, caller=caller)
            feeds[key] = setup.splits["train"]
        return _row(asked, model, base.loss, feeds[key], trial.seed, courses, shared)

    return enter


_SHARED = ("optimizer.name", "train.batch_size", "train.device", "train.threads")


def sharing(recipe: Recipe, base: Setup) -> Recipe:
    """Return the recipe of a trial with what was found for all of them where it asks for nothing."""
    return recipe.completed({name: one.value for name, one in base.recipe.settings().items() if name in _SHARED})


def completed(recipe: Recipe, facts: Facts) -> Recipe:
    """Return the recipe of a trial with what is chosen for such data where it asks for nothing."""
    return recipe.completed({choice.setting: choice.value for choice in choose(facts, given_of(recipe))})


def order_of(recipe: Recipe, trial: Trial, *, own: bool) -> int:
    """Return the seed of the order in which a trial meets the samples: the search's, or with `own` the trial's.

    A search that was given `train.order_seed` has that in either case, as every run of its recipe has.
    """
    return trial.seed if own and recipe.train.order_seed < 0 else recipe.train.seed_of_order


def alone(recipe: Recipe) -> dict[str, Scalar]:
    """Return what the recipe of a search needs besides a trial's values and seed, to make the run that the trial was.

    That is the order of the samples that all trials share, and no end before the last step, as no trial has.
    """
    return {"train.order_seed": recipe.train.seed_of_order, "train.patience": 0}


def made(factory: Factory, values: Mapping[str, Scalar], seed: int) -> nn.Module:
    """Return the model of these values, its weights drawn under `seed`; raises `ModelError` where it is none."""
    with isolated(seed, "initialisation"):
        try:
            model = factory(**values)
        except (Exception, SystemExit) as problem:
            raise ModelError(
                "the model's factory raised an error",
                evidence=f"{told(problem, [])}; it was given {_words(values)}",
                remedy="let it build a model for every value of the space",
            ) from problem
    if not isinstance(model, nn.Module):
        raise ModelError(
            "the model's factory must return a torch.nn.Module",
            evidence=f"it returned a {type(model).__name__}, given {_words(values)}",
            remedy="let it end with `return model`",
        )
    return model


def homes_of(factory: Factory, names: Mapping[str, Any]) -> dict[str, str]:
    """Return for each name of a space the setting of the recipe that it is, "" where it is the factory's own.

    A name with a dot is a setting; another is the factory's where it takes such an argument, else a setting by its
    short name (`lr`). Raises `UsageError`, with the nearest name, for what is neither.
    """
    taken = inspect.signature(factory).parameters.values()
    own = [one.name for one in taken if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    open_ended = any(one.kind is one.VAR_KEYWORD for one in taken)
    homes: dict[str, str] = {}
    for name in names:
        if name in own:
            homes[name] = ""
            continue
        try:
            homes[name] = name if "." in name else next(iter(changes_of({name: None})))
        except UsageError:
            if not open_ended:
                raise UsageError(
                    f"the space has '{name}', which neither the model's factory takes nor a recipe knows",
                    evidence=f"the factory takes {', '.join(own) or 'nothing'}",
                    remedy=did_you_mean(name, [*own, "lr", "weight_decay", "batch_size", "clip_norm", "momentum"]),
                ) from None
            homes[name] = ""
    return homes


def divided(values: Mapping[str, Scalar], names: Mapping[str, str]) -> tuple[dict[str, Scalar], dict[str, Scalar]]:
    """Return the values that the factory takes, and those of the recipe by their settings; `names` as of `homes_of`."""
    own = {name: value for name, value in values.items() if not names[name]}
    return own, {names[name]: value for name, value in values.items() if names[name]}


def defaults_of(factory: Factory) -> bool:
    """Say whether a factory can be called without arguments."""
    return all(
        one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        for one in inspect.signature(factory).parameters.values()
    )


_Courses = dict[str, tuple[Callable[[int], float], Callable[[int], float | None]]]
"""Rate and momentum by step, the same objects for all rows with the same schedule: an array asks each of them once."""


def _row(
    recipe: Recipe,
    model: nn.Module,
    loss: Any,
    feed: Feed,
    seed: int,
    courses: _Courses,
    shared: SharedBody | None = None,
) -> RowEntrant:
    freezing = freezing_in(recipe, model)
    optimizer, _ = build_optimizer(recipe, model, freezing)
    schedule, settings = build_schedule(recipe)
    steps = recipe.train.steps or epochs_for(recipe, feed.steps_per_epoch, 1) * feed.steps_per_epoch
    model.train()
    hold_modes(model, freezing)
    rate, momentum = courses.setdefault(
        repr((recipe.schedule.name, settings, steps)),
        (
            lambda step: schedule.multiple(fraction_of(step, steps)),
            lambda step: schedule.momentum(fraction_of(step, steps)),
        ),
    )
    if shared is not None:
        model, feed = shared.head_of(model, freezing, feed)
    member = Member(
        model=model,
        optimizer=optimizer,
        loss=loss,
        rate=rate,
        momentum=momentum,
        clip_norm=recipe.train.clip_norm or None,
        clip_value=recipe.train.clip_value or None,
        seed=seed,
    )
    return RowEntrant(member=member, feed=feed, planned_steps=steps)


def _alone(setup: Setup, reason: str, shared: SharedBody | None) -> LoneEntrant:
    if shared is not None:
        setup = replace(setup, store=shared.store)
        shared.head_of(setup.model, setup.freezing, setup.splits["train"])  # refuses a body of another kind
    return LoneEntrant(training=assemble(setup, History()).training, reason=reason)


def _words(values: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items()) or "nothing"
