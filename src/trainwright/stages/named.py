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
from trainwright.parts.groups import GroupRow, decay_table, parameter_groups
from trainwright.records import LossSpec, Task
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO, CATALOGUES

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


def build_optimizer(recipe: Recipe, model: nn.Module) -> tuple[torch.optim.Optimizer, dict[str, Any]]:
    """Return the optimizer over the model's groups, and its resolved settings. The recipe must name one."""
    spec = optimizers.CATALOGUE[recipe.optimizer.name]
    options = options_of(recipe, "optimizer", spec.name)
    own = {name: value for name, value in options.items() if name in spec.options}
    turned = {"layer_decay": options["layer_decay"], "rates": recipe.optimizer.rates}
    groups = parameter_groups(model, options.get("weight_decay", 0.0), lr=options["lr"], **turned)
    frozen = {row.name for row in decay_table(model, **turned) if row.rate == 0}
    for name, parameter in model.named_parameters():
        if name in frozen:  # not only in no group: a gradient nobody clears would pile up
            parameter.requires_grad_(False)
    return spec.factory(groups, **own), {f"optimizer.{option}": value for option, value in options.items()}


def table_of(recipe: Recipe, model: nn.Module) -> list[GroupRow]:
    """Return which parameters decay, and at what multiple of the rate they learn, under a resolved recipe."""
    layer_decay = float(recipe.optimizer.options.get("layer_decay", 1.0))
    return decay_table(model, layer_decay=layer_decay, rates=recipe.optimizer.rates)


def build_schedule(recipe: Recipe) -> tuple[schedules.Schedule, dict[str, Any]]:
    """Return the recipe's schedule, and its resolved settings. The recipe must name one."""
    name = recipe.schedule.name
    options = options_of(recipe, "schedule", name)
    return schedules.CATALOGUE[name].factory(**options), {f"schedule.{key}": value for key, value in options.items()}
