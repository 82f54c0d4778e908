"""From what was asked for to something that can train: every "auto" resolved, every mismatch refused before a step."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainwright import defaults
from trainwright.data.batches import Batches, StreamBatches
from trainwright.data.dataset import Dataset
from trainwright.data.files import locate
from trainwright.data.load import EMBEDDED, load
from trainwright.errors import RecipeError, UsageError
from trainwright.parts import losses, models, optimizers, schedules
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.groups import parameter_groups
from trainwright.randomness import isolated
from trainwright.records import LossSpec, RunInfo, Task
from trainwright.stages.facts import Subject, measure
from trainwright.stages.recipe import AUTO, CATALOGUES, Recipe, TrainSection

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Splits = Mapping[str, Batches | StreamBatches]

REFERENCE_SAMPLES = 512
"""What layers and outputs are measured on: enough to call a unit dead, cheap to pass through."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that a training needs. `recipe` is resolved: no "auto" is left. `facts` go into the run's head."""

    model: nn.Module
    loss: Loss
    optimizer: torch.optim.Optimizer
    schedule: schedules.Schedule
    splits: Splits
    reference: torch.Tensor
    target_std: float
    recipe: Recipe
    recipe_text: str
    info: RunInfo
    facts: Mapping[str, Any]


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
        seed=recipe.train.seed,
        data_root=data_root,
        folder=_home(recipe),
        test_source=section.test_source or None,
        ignore=section.ignore,
    )


def prepare(recipe: Recipe, dataset: Dataset, data_root: str | None = None) -> Setup:
    """Build what a recipe names for `dataset`; raises `RecipeError` or `ModelError` where they do not fit."""
    task = dataset.shape.task
    spec = loss_for(recipe, task, dataset.shape.outputs)
    shape = replace(dataset.shape, outputs=spec.output_units(dataset.shape.outputs))
    name = models.automatic(shape.input_shape) if recipe.model.name == AUTO else recipe.model.name
    options = options_of(recipe, "model", name)
    device = choose_device(recipe.train.device)
    with isolated(recipe.train.seed, "initialisation"):
        model = models.build(name, shape, options).to(device)
    parts = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    batch_size = batch_size_for(recipe, len(dataset.train))
    splits = {
        split.name: Batches(split, batch_size=batch_size, seed=recipe.train.seed, device=device) for split in parts
    }
    optimizer, changes = build_optimizer(recipe, model)
    schedule, more = build_schedule(recipe)
    epochs = epochs_for(recipe, splits["train"].steps_per_epoch)
    resolved = recipe.resolved(
        {
            **changes,
            **more,
            **_sources(recipe, data_root),
            "data.task": task,
            "model.name": name,
            **{f"model.{option}": value for option, value in options.items()},
            "loss.name": spec.name,
            "train.epochs": epochs,
            "train.batch_size": batch_size,
            "train.device": str(device),
            "train.threads": threads_for(recipe),
        }
    )
    loss = spec.factory()
    subject = Subject(
        name=dataset.name,
        task=task,
        model=model,
        model_name=name,
        loss=loss,
        spec=spec,
        splits=splits,
        inputs=dataset.train.x,
        targets=torch.cat([split.y for split in parts]),
        target_std=dataset.target_std,
    )
    reference = splits["train"].take(REFERENCE_SAMPLES)
    return Setup(
        model=model,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        splits=splits,
        reference=reference[0],
        target_std=dataset.target_std,
        recipe=resolved,
        recipe_text=resolved.to_toml(),
        info=measure(subject, resolved, reference),
        facts={
            "data": {
                "fingerprint": dataset.fingerprint,
                "splits": {split.name: {"samples": len(split), "digest": split.digest} for split in parts},
                "classes": dataset.classes,
                "features": dataset.features,
                "preprocessing": dataset.preprocessing,
                "notes": dataset.notes,
            }
        },
    )


def loss_for(recipe: Recipe, task: Task, classes: int) -> LossSpec:
    """Return the loss that the recipe names, or that fits the task; raises `RecipeError` where it does not fit."""
    name = losses.automatic(task, classes) if recipe.loss.name == AUTO else recipe.loss.name
    spec = losses.CATALOGUE[name]
    fitting = losses.automatic(task, classes)
    if task not in spec.tasks:
        raise recipe.problem("loss.name", f"loss '{name}' is for {spec.tasks[0]}, the data for {task}; use '{fitting}'")
    if spec.target == "binary" and classes > 2:
        raise recipe.problem("loss.name", f"loss '{name}' is for two classes, the data have {classes}; use '{fitting}'")
    return spec


def options_of(recipe: Recipe, section: str, name: str) -> dict[str, float]:
    """Return every option of the entry that a section names, given or default."""
    what, catalogue = CATALOGUES[section]
    try:
        return resolve_options(catalogue[name].options, getattr(recipe, section).options, f"{what} '{name}'")
    except UsageError as problem:  # an option of another entry, which could not be told while the name was "auto"
        raise RecipeError([str(problem).replace("\n  remedy:   ", "; ")], source=recipe.path or "the recipe") from None


def build_optimizer(recipe: Recipe, model: nn.Module) -> tuple[torch.optim.Optimizer, dict[str, Any]]:
    """Return the optimizer over the model's groups, and its resolved settings."""
    options = options_of(recipe, "optimizer", recipe.optimizer.name)
    groups = parameter_groups(model, options["weight_decay"])
    optimizer = optimizers.CATALOGUE[recipe.optimizer.name].factory(groups, **options)
    return optimizer, {f"optimizer.{option}": value for option, value in options.items()}


def build_schedule(recipe: Recipe) -> tuple[schedules.Schedule, dict[str, Any]]:
    """Return the recipe's schedule as a function of the fraction of the run, and its resolved settings."""
    name = recipe.schedule.name
    options = options_of(recipe, "schedule", name)
    return schedules.CATALOGUE[name].factory(**options), {f"schedule.{key}": value for key, value in options.items()}


def batch_size_for(recipe: Recipe, samples: int) -> int:
    """Return the batch size; the default, written out or not, shrinks to the data, another that does not fit is
    refused.
    """
    wanted = recipe.train.batch_size
    if wanted > samples and wanted != TrainSection().batch_size:
        raise recipe.problem(
            "train.batch_size",
            f"train.batch_size = {wanted} is more than the {samples} training samples; use at most {samples}",
        )
    return min(wanted, samples)


def epochs_for(recipe: Recipe, steps_per_epoch: int) -> int:
    """Return the epochs; "auto" aims at a number of steps that trains small data well and large data soon."""
    if isinstance(recipe.train.epochs, int):
        return recipe.train.epochs
    wanted = math.ceil(defaults.PLANNED_STEPS.value / steps_per_epoch)
    return int(min(max(wanted, defaults.FEWEST_EPOCHS.value), defaults.MOST_EPOCHS.value))


def threads_for(recipe: Recipe) -> int:
    """Return the number of threads; "auto" is torch's own."""
    return recipe.train.threads if isinstance(recipe.train.threads, int) else torch.get_num_threads()


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the first accelerator, else the CPU."""
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # "meta" makes tensors, but nothing can be computed there
    except (RuntimeError, AssertionError, ValueError) as problem:
        raise UsageError(
            f"there is no device '{name}' here",
            evidence=str(problem).splitlines()[0].split(":")[0],
            remedy="train.device = 'auto' takes what there is",
        ) from None
    return device


def _home(recipe: Recipe) -> str | None:
    return os.path.dirname(os.path.abspath(recipe.path)) if recipe.path else None


def _sources(recipe: Recipe, data_root: str | None) -> dict[str, str]:
    """Return the data's files by absolute path, so that the kept recipe finds them from wherever it is run again."""
    found = {}
    for key, source in (("data.source", recipe.data.source), ("data.test_source", recipe.data.test_source)):
        if source and source not in EMBEDDED:
            found[key] = str(locate(source, folder=_home(recipe), data_root=data_root).absolute())
    return found
