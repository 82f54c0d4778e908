"""The head of a run: what is asked for, and the vital facts of model and data, measured before the first step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainwright.checks.subject import a_tensor
from trainwright.data.feed import Feed
from trainwright.errors import ModelError
from trainwright.randomness import isolated
from trainwright.records import Baselines, Location, LossSpec, RunInfo, Setting, Task
from trainwright.stages.choose import recommended_rate
from trainwright.stages.recipe import Recipe
from trainwright.tensors import evaluating
from trainwright.training.loop import updates_per_epoch
from trainwright.training.metrics import metric_name
from trainwright.vitals.baselines import SAMPLES, baselines, divided
from trainwright.vitals.output import output_facts
from trainwright.vitals.setup import has_input_norm, input_stats, target_stats


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is going to be trained.

    `spec` is None for a loss that the catalogue does not know; `plain` says that the loss is that entry without weights
    or smoothing. `inputs` are those of training and `targets` those of all splits, or of a sample where the data are
    not in memory.
    """

    name: str
    task: Task
    model: nn.Module
    model_name: str
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    spec: LossSpec | None
    splits: Mapping[str, Feed]
    inputs: torch.Tensor
    targets: torch.Tensor
    target_std: tuple[float, ...] = (1.0,)
    plain: bool = True


def measure(
    subject: Subject,
    recipe: Recipe,
    reference: tuple[torch.Tensor, torch.Tensor],
    *,
    optimizer: str | None = None,
    caller: Location | None = None,
) -> RunInfo:
    """Return the run's head. `reference` is a sample of the training data; nothing is left changed.

    `optimizer` is the class of one that was given in Python, `caller` the line that asked for the run there.
    """
    x, y = reference
    model, train = subject.model, subject.splits["train"]
    updates = updates_per_epoch(train.steps_per_epoch, recipe.train.accumulate)
    outputs = output_units(model, x[:2])  # refuses a model that cannot take its input before anything is measured
    settings = recipe.settings()
    if optimizer is not None:  # the recipe's own was not used
        settings = {name: setting for name, setting in settings.items() if not name.startswith("optimizer.")}
        settings["optimizer.name"] = Setting(value=optimizer)
    if caller is not None:
        settings = {name: replace(setting, where=setting.where or caller) for name, setting in settings.items()}
    loss = subject.spec.name if subject.spec else ""
    info = RunInfo(
        name=subject.name,
        task=subject.task,
        loss=loss,
        optimizer=optimizer or recipe.optimizer.name,
        schedule=recipe.schedule.name,
        model=subject.model_name,
        outputs=outputs,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        planned_steps=recipe.train.steps or int(recipe.train.epochs) * updates,
        steps_per_epoch=updates,
        metric=metric_name(subject.task),
        settings=settings,
        recommended_rate=None
        if optimizer
        else recommended_rate(recipe.model.name, recipe.optimizer.name, text=not subject.inputs.is_floating_point()),
        has_input_norm=has_input_norm(model),
    )
    if recipe.doctor.level == "off":
        return info
    return replace(
        info,
        inputs=input_stats(subject.inputs) if subject.inputs.is_floating_point() else None,  # token ids have no scale
        targets=target_stats(subject.targets, loss if subject.plain else ""),
        baselines=_baselines(subject, loss if subject.plain else "", recipe.train.seed),
        output=output_facts(model, x, subject.loss, y),
    )


def _baselines(subject: Subject, loss: str, seed: int) -> Baselines | None:
    """Return what a constant and a linear model reach, the error in the user's units; None for several targets."""
    if len(subject.target_std) > 1:
        return None
    train = subject.splits["train"].take(SAMPLES)
    if "validation" in subject.splits:
        held_out = subject.splits["validation"].take(SAMPLES)
    else:
        train, held_out = divided(train, seed)
    found = baselines(train, held_out, subject.task, loss, own_validation="validation" in subject.splits)
    if found.metric != "rmse":
        return found
    scale = next(iter(subject.target_std), 1.0)
    errors = (found.constant_metric, found.linear_metric)
    constant, linear = (None if error is None else error * scale for error in errors)
    return replace(found, constant_metric=constant, linear_metric=linear)


def output_units(model: nn.Module, x: torch.Tensor) -> int:
    """Return the number of output units of `model` for inputs `x`; raises `ModelError` where it cannot take them."""
    try:
        with isolated(), evaluating(model), torch.no_grad():
            output = model(x)
    except Exception as problem:  # whatever the user's forward raises
        words = str(problem).strip().splitlines()
        raise ModelError(
            f"the model cannot take a batch of inputs of shape {tuple(x.shape)} and type {x.dtype}",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy="check the size of the first layer against the inputs, and their type",
        ) from problem
    if not isinstance(output, torch.Tensor) or output.dim() == 0 or len(output) != len(x):
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ModelError(
            "the model must return one tensor with a row for each sample",
            evidence=f"for {len(x)} samples it gave {shape}",
        )
    return 1 if output.dim() == 1 else output.shape[1]


def check_loss(
    model: nn.Module, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], x: torch.Tensor, y: torch.Tensor
) -> None:
    """Raise `ModelError` where the loss cannot be computed on samples `(x, y)`, or is no single number."""
    shapes: list[tuple[int, ...]] = []

    def compute() -> torch.Tensor:
        output = model(x)
        shapes.append(tuple(output.shape))
        return loss(output, y)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        computed_loss(compute, model)
    if any("target size" in str(warning.message) for warning in said):
        # torch only warns, and then compares every output with every target: a loss of the wrong thing.
        raise ModelError(
            "the loss compares an output and a target of different shapes, every row with every other",
            evidence=f"the model's output has shape {shapes[0]}, the target {tuple(y.shape)}",
            remedy="give both the same shape, such as (N,): output.squeeze(-1), or target.unsqueeze(-1)",
        )


def computed_loss(compute: Callable[[], Any], model: nn.Module) -> torch.Tensor:
    """Return the loss that `compute` gives in evaluation mode; raise `ModelError` where it fails or is no number."""
    try:
        with isolated(), evaluating(model), torch.no_grad():
            value = compute()
    except ModelError:
        raise
    except (Exception, SystemExit) as problem:  # whatever the user's loss raises
        words = str(problem).strip().splitlines()
        raise ModelError(
            "the loss cannot be computed on the model's output and the targets",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy="check the target's shape and type against what the loss expects",
        ) from problem
    value = a_tensor(value)
    if value.numel() != 1:
        raise ModelError(
            "the loss must be a single number, the mean over the batch",
            evidence=f"it is {tuple(value.shape)}",
            remedy="average it, or use reduction='mean'",
        )
    return value
