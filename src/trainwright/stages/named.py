"""The entries of the catalogues that a recipe names, built with their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.errors import RecipeError, UsageError
from trainwright.parts import losses, optimizers, schedules
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.freezing import Freezing, freezing_of
from trainwright.parts.groups import GroupRow, decay_table, parameter_groups
from trainwright.records import LossSpec, Task
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO, CATALOGUES
from trainwright.training.stillness import without_gradients

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class NamedLoss:
    """A loss of the catalogue: what training minimises, what evaluation measures, and the options as resolved."""

    spec: LossSpec
    training: Loss
    evaluation: Loss
    options: Mapping[str, Any]


def loss_for(recipe: Recipe, task: Task, classes: int) -> LossSpec:
    """Return the loss that the recipe names, or that fits the task; raises `RecipeError` where it does not fit."""
    fitting = losses.automatic(task, classes)
    name = fitting if recipe.loss.name == AUTO else recipe.loss.name
    spec = losses.CATALOGUE[name]
    if task not in spec.tasks:
        fits = " and ".join(spec.tasks)
        raise recipe.problem("loss.name", f"loss '{name}' is for {fits}, the data for {task}; use '{fitting}'")
    if task == "classification" and spec.target == "binary" and classes > 2:
        raise recipe.problem("loss.name", f"loss '{name}' is for two classes, the data have {classes}; use '{fitting}'")
    return spec


def build_loss(recipe: Recipe, spec: LossSpec, class_counts: Sequence[int]) -> NamedLoss:
    """Return the loss with its options. `class_counts` are those of training, for weights that balance them."""
    options = options_of(recipe, "loss", spec.name)
    own = {name: value for name, value in options.items() if name in spec.options}
    if own.get("weights") == "balanced":
        if not class_counts:
            raise recipe.problem(
                "loss.weights", "loss.weights = 'balanced' needs data with classes that can be counted"
            )
        own["weights"] = losses.balanced(class_counts)
    weights = own.get("weights", ())
    if weights and class_counts and len(weights) != len(class_counts):
        raise recipe.problem(
            "loss.weights", f"loss.weights has {len(weights)} numbers, the data have {len(class_counts)} classes"
        )
    shown = own | {name: spec.options[name].default for name in spec.training_only}
    return NamedLoss(spec=spec, training=spec.factory(**own), evaluation=spec.factory(**shown), options=options)


def options_of(recipe: Recipe, section: str, name: str) -> dict[str, Any]:
    """Return every option of the entry that a section names, given or default."""
    room = CATALOGUES[section]
    given = {key: value for key, value in getattr(recipe, section).options.items() if key != "rates"}
    try:
        return resolve_options(room.options(name), given, f"{room.what} '{name}'")
    except UsageError as problem:  # an option of another entry, which could not be told while the name was "auto"
        raise RecipeError([str(problem).replace("\n  remedy:   ", "; ")], source=recipe.path or "the recipe") from None


def freezing_in(recipe: Recipe, model: nn.Module) -> Freezing:
    """Return what of the model the recipe freezes, and until when; raises `RecipeError` where it cannot be so."""
    train = recipe.train
    try:
        return freezing_of(model, rates=recipe.optimizer.rates, freeze=train.freeze, unfreeze=train.unfreeze or None)
    except UsageError as problem:
        if not (train.freeze or train.unfreeze):
            raise
        text = f"{problem.what}{f' ({problem.evidence})' if problem.evidence else ''}; {problem.remedy}"
        raise recipe.problem("train.unfreeze" if train.unfreeze else "train.freeze", text) from None


def build_optimizer(
    recipe: Recipe, model: nn.Module, freezing: Freezing | None = None
) -> tuple[torch.optim.Optimizer, dict[str, Any]]:
    """Return the optimizer over the model's groups, and its resolved settings. The recipe must name one.

    What never learns is in no group, and takes no gradients from here on. What is freed later is in its group from the
    first step on, so that the groups are the same over the whole run. `freezing` is what `freezing_in` gives.
    """
    spec = optimizers.CATALOGUE[recipe.optimizer.name]
    options = options_of(recipe, "optimizer", spec.name)
    own = {name: value for name, value in options.items() if name in spec.options}
    freezing = freezing_in(recipe, model) if freezing is None else freezing
    if spec.closure and freezing.times:
        raise recipe.problem(
            "train.unfreeze",
            f"train.unfreeze changes what learns during the run, and '{spec.name}' remembers directions over all "
            "weights; use another optimizer, such as 'adamw'",
        )
    turned = {"layer_decay": options["layer_decay"], "rates": recipe.optimizer.rates, "frozen": freezing.always}
    groups = parameter_groups(model, options.get("weight_decay", 0.0), lr=options["lr"], **turned)
    without_gradients(model, freezing)  # not only in no group: a gradient nobody clears would pile up
    return spec.factory(groups, **own), {f"optimizer.{option}": value for option, value in options.items()}


def table_of(recipe: Recipe, model: nn.Module) -> list[GroupRow]:
    """Return which parameters decay, and at what multiple of the rate they learn, under a resolved recipe."""
    layer_decay = float(recipe.optimizer.options.get("layer_decay", 1.0))
    frozen = freezing_in(recipe, model).always
    return decay_table(model, layer_decay=layer_decay, rates=recipe.optimizer.rates, frozen=frozen)


def build_schedule(recipe: Recipe) -> tuple[schedules.Schedule, dict[str, Any]]:
    """Return the recipe's schedule, and its resolved settings. The recipe must name one."""
    name = recipe.schedule.name
    options = options_of(recipe, "schedule", name)
    return schedules.CATALOGUE[name].factory(**options), {f"schedule.{key}": value for key, value in options.items()}
