"""From what was asked for to something that can train: every "auto" resolved, every mismatch refused before a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from trainwright.data.dataset import Dataset
from trainwright.data.feed import Feed
from trainwright.data.files import locate
from trainwright.data.load import EMBEDDED, load
from trainwright.data.remote import is_url
from trainwright.data.streaming import Streaming
from trainwright.parts import losses, optimizers, schedules
from trainwright.parts.freezing import Freezing
from trainwright.records import LearningRate, RunInfo, to_plain
from trainwright.records.loading import Loaded
from trainwright.report.loading_text import loading_lines
from trainwright.report.model_text import render_batch_size
from trainwright.report.rate_text import rate_line
from trainwright.stages.choose import choose
from trainwright.stages.facts import Subject, measure
from trainwright.stages.fit_together import check_batches, check_numerics, check_targets
from trainwright.stages.memory import search_batch_size, step_plan
from trainwright.stages.named import (
    Loss,
    build_loss,
    build_optimizer,
    build_schedule,
    freezing_in,
    loss_for,
)
from trainwright.stages.network import REFERENCE_SAMPLES, build_started
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO, FIND
from trainwright.stages.sizes import accumulate_for, batch_size_for, choose_device, epochs_for, threads_for
from trainwright.stages.splits import dataset_batches, facts_of
from trainwright.stages.start import home_of, resolved_start, with_network
from trainwright.training.features import FeatureStore
from trainwright.training.precision import check_precision
from trainwright.vitals.memory import available_memory

Splits = Mapping[str, Feed]

_REFERENCE_TOKENS, _FEWEST_WINDOWS = 4_096, 64  # of a text, each token of which is a sample of its own


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that a training needs. `recipe` is resolved: no "auto" is left. `facts` go into the run's head.

    `evaluation_loss` is `loss` without what belongs to training alone; `closure` says that the optimizer evaluates the
    loss itself, `averages` that it has weights of its own for evaluation, and `given` that model and data came from
    Python, where no recipe can find them again. `loaded` says what the model started from, `freezing` what of it does
    not learn, and `store` is where others find the features that a frozen body gives.
    """

    model: nn.Module
    loss: Loss
    evaluation_loss: Loss
    optimizer: torch.optim.Optimizer
    schedule: schedules.Schedule
    splits: Splits
    reference: torch.Tensor
    target_std: tuple[float, ...]
    recipe: Recipe
    recipe_text: str
    info: RunInfo
    facts: Mapping[str, Any]
    closure: bool = False
    averages: bool = False
    given: bool = False
    loaded: Loaded | None = None
    freezing: Freezing = field(default_factory=Freezing)
    store: FeatureStore | None = None


def load_data(recipe: Recipe, data_root: str | None = None) -> Dataset:
    """Read, split and scale the data of a recipe."""
    section = recipe.data
    return load(
        section.source,
        target=section.target or None,
        task=section.task,
        normalise=section.normalise,
        validation=section.validation,
        test=section.test,
        seed=recipe.train.seed if section.split_seed < 0 else section.split_seed,
        data_root=data_root,
        folder=home_of(recipe),
        test_source=section.test_source or None,
        ignore=section.ignore,
        context=section.context,
        image_size=section.image_size or None,
        streaming=Streaming(asked=section.streaming, room=available_memory(), workers=section.workers),
    )


def prepare(recipe: Recipe, dataset: Dataset, data_root: str | None = None) -> Setup:
    """Build what a recipe names for `dataset`; raises `RecipeError` or `ModelError` where they do not fit.

    `optimizer.lr = "find"` asks the learning-rate finder; what it said is in `facts`.
    """
    if asks_for_rate(recipe):
        return _with_found_rate(recipe, dataset, data_root)
    device = choose_device(recipe.train.device)
    recipe = with_network(recipe)
    facts = facts_of(dataset)
    chosen = {choice.setting: choice.value for choice in choose(facts, given_of(recipe))}
    if recipe.train.batch_size == AUTO:  # asked for: it is found by trying, not recommended
        chosen.pop("train.batch_size", None)
    recipe = recipe.completed(chosen)
    check_precision(recipe.train.precision, device)

    spec = loss_for(recipe, facts.task, dataset.shape.outputs)
    loss = build_loss(recipe, spec, facts.class_counts)
    samples = len(dataset.train)
    model, options, loaded = build_started(recipe, loss, dataset, device)
    freezing = freezing_in(recipe, model)
    optimizer, optimizer_settings = build_optimizer(recipe, model, freezing)
    named = optimizers.CATALOGUE[recipe.optimizer.name]
    schedule, schedule_settings = build_schedule(recipe)

    batch_size = samples if named.closure and not recipe.given("train.batch_size") else batch_size_for(recipe, samples)
    searched: list[str] = []
    if recipe.train.batch_size == AUTO and not named.closure:
        found = search_batch_size(
            model,
            step_plan(recipe, loss.training),
            lambda size: dataset_batches(recipe, dataset, size, device, spec)["train"],
            samples,
            device,
        )
        batch_size = found.batch_size
        searched = render_batch_size(found).splitlines()
    splits = dataset_batches(recipe, dataset, batch_size, device, spec)
    train = splits["train"]
    reference = train.take(_reference_size(dataset))
    accumulate = accumulate_for(recipe, train.steps_per_epoch, whole=named.closure)
    epochs = epochs_for(recipe, train.steps_per_epoch, accumulate)
    notes = [
        *dataset.notes,
        *(loading_lines(loaded) if loaded is not None else ()),
        *searched,
        *check_batches(recipe, model, train),
        *check_numerics(recipe, closure=named.closure),
        *check_targets(recipe, spec, model, reference),
    ]
    resolved = recipe.resolved(
        {
            **optimizer_settings,
            **schedule_settings,
            **_sources(recipe, data_root),
            "data.task": facts.task,
            "data.streaming": dataset.train.stream is not None,
            **{f"model.{option}": value for option, value in options.items()},
            **resolved_start(recipe),
            "loss.name": spec.name,
            **{f"loss.{option}": value for option, value in loss.options.items()},
            **{f"augment.{name}": value for name, value in recipe.augment.strengths.items()},
            "train.epochs": epochs,
            "train.batch_size": batch_size,
            "train.accumulate": accumulate,
            "train.device": str(device),
            "train.threads": threads_for(recipe),
        }
    )
    parts = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    subject = Subject(
        name=dataset.name,
        task=facts.task,
        model=model,
        model_name=recipe.model.name,
        loss=loss.evaluation,
        spec=spec,
        splits=splits,
        inputs=dataset.train.x,
        targets=torch.cat([split.y for split in parts]),
        target_std=dataset.target_std,
        plain=losses.is_plain(loss.evaluation),
    )
    return Setup(
        model=model,
        loss=loss.training,
        evaluation_loss=loss.evaluation,
        optimizer=optimizer,
        schedule=schedule,
        splits=splits,
        reference=reference[0],
        target_std=dataset.target_std,
        recipe=resolved,
        recipe_text=resolved.to_toml(),
        info=measure(subject, resolved, reference),
        closure=named.closure,
        averages=named.averages,
        loaded=loaded,
        freezing=freezing,
        facts={
            **start_facts(loaded),
            "data": {
                "fingerprint": dataset.fingerprint,
                "splits": {split.name: {"samples": len(split), "digest": split.digest} for split in parts},
                "classes": dataset.classes,
                "features": dataset.features,
                "preprocessing": dataset.preprocessing,
                "notes": tuple(notes),
            },
        },
    )


def start_facts(loaded: Loaded | None) -> dict[str, Any]:
    """Return what a run's head says of the weights that it started from."""
    return {} if loaded is None else {"start": to_plain(loaded)}


def asks_for_rate(recipe: Recipe) -> bool:
    """Say whether the learning-rate finder is to decide on the rate."""
    return recipe.optimizer.options.get("lr") == FIND


def _with_found_rate(recipe: Recipe, dataset: Dataset, data_root: str | None) -> Setup:
    from trainwright.stages.find_lr import rate_of_recipe  # it stands on this module: it tries what is prepared here

    found, plain = rate_of_recipe(recipe, dataset, data_root)
    rate = found.suggestion if found.suggestion is not None else plain.recipe.optimizer.options["lr"]
    return with_rate(prepare(recipe.changed({"optimizer.lr": rate}), dataset, data_root), found)


def with_rate(setup: Setup, found: LearningRate) -> Setup:
    """Return a setup that is at the found rate, or at the fallback, with what the finder said among its facts."""
    said = rate_line(found)
    if found.suggestion is None:
        said += (
            f"; the run goes on at {setup.recipe.optimizer.options['lr']:g}, what is used where nobody says otherwise"
        )
    data = dict(setup.facts["data"])
    data["notes"] = (*data["notes"], said)
    return replace(setup, facts={**setup.facts, "data": data, "learning_rate": {"text": said, **found.to_json()}})


def _reference_size(dataset: Dataset) -> int:
    if dataset.shape.vocabulary is None:
        return REFERENCE_SAMPLES
    return max(_FEWEST_WINDOWS, _REFERENCE_TOKENS // dataset.shape.input_shape[0])


def given_of(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that were asked for, by dotted name."""
    return {name: setting.value for name, setting in recipe.settings().items() if recipe.given(name)}


def _sources(recipe: Recipe, data_root: str | None) -> dict[str, str]:
    """Return the data's files by absolute path, so that the kept recipe finds them from wherever it is run again."""
    found = {}
    for key, source in (("data.source", recipe.data.source), ("data.test_source", recipe.data.test_source)):
        if source and source not in EMBEDDED and not is_url(source):
            found[key] = str(locate(source, folder=home_of(recipe), data_root=data_root).absolute())
    return found
