"""What `fit` is given in Python, brought into the same form as what a recipe describes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.data.arrays import from_arrays
from trainwright.data.batches import Batches, StreamBatches, batches_of
from trainwright.errors import ModelError, UsageError, did_you_mean
from trainwright.parts import losses
from trainwright.records import Location, Task
from trainwright.stages.facts import Subject, measure, output_units
from trainwright.stages.recipe import AUTO, Recipe
from trainwright.stages.setup import (
    REFERENCE_SAMPLES,
    Loss,
    Setup,
    batch_size_for,
    build_optimizer,
    build_schedule,
    choose_device,
    epochs_for,
    loss_for,
    threads_for,
)

_STREAM_SAMPLES = 4096  # whose targets stand for those of a stream
_SECTIONS = ("train", "optimizer", "schedule", "doctor")


def changes_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments (`lr=0.1`) as settings of the recipe (`{"optimizer.lr": 0.1}`).

    Raises `UsageError`, with the nearest name, for one that no section has.
    """
    homes = {key: f"{section}.{key}" for section in _SECTIONS for key in Recipe.known_keys(section) if key != "name"}
    homes |= {section: f"{section}.name" for section in ("optimizer", "schedule", "loss")}
    homes |= {"task": "data.task"}
    for name in settings:
        if name not in homes:
            raise UsageError(f"fit() knows no setting '{name}'", remedy=did_you_mean(name, homes))
    return {homes[name]: value for name, value in settings.items()}


def prepare_given(
    recipe: Recipe,
    model: nn.Module,
    train: Any,
    validation: Any,
    *,
    loss: Loss | None,
    optimizer: torch.optim.Optimizer | None,
    caller: Location,
) -> Setup:
    """Build what is missing around a model and data that were given. `caller` is the line that asked."""
    if not isinstance(model, nn.Module):
        raise ModelError("model must be a torch.nn.Module", evidence=f"it is a {type(model).__name__}")
    device = choose_device(recipe.train.device)
    model.to(device)
    splits, task, (inputs, targets) = _splits(recipe, train, validation, device)
    reference = splits["train"].take(REFERENCE_SAMPLES)
    if loss is None:
        outputs = output_units(model, reference[0][:2])
        spec = loss_for(recipe, task, 2 if outputs == 1 else max(outputs, 3))
        loss = spec.factory()
    else:
        spec = losses.recognise(loss)
    if optimizer is None:
        optimizer, changes = build_optimizer(recipe, model)
        foreign = None
    else:
        changes, foreign = {}, type(optimizer).__name__
    schedule, more = build_schedule(recipe)
    resolved = recipe.resolved(
        {
            **changes,
            **more,
            **({"loss.name": spec.name} if spec else {}),
            "train.epochs": epochs_for(recipe, splits["train"].steps_per_epoch),
            "train.batch_size": splits["train"].batch_size,
            "train.device": str(device),
            "train.threads": threads_for(recipe),
        }
    )
    name = type(model).__name__
    subject = Subject(
        name=name.lower(),
        task=task,
        model=model,
        model_name=name,
        spec=spec,
        splits=splits,
        inputs=inputs,
        targets=targets,
    )
    return Setup(
        model=model,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        splits=splits,
        reference=reference[0],
        target_std=1.0,
        recipe=resolved,
        recipe_text=_text(resolved, caller),
        info=measure(subject, resolved, reference, optimizer=foreign, caller=caller),
        facts={"data": {"splits": {key: {"samples": part.samples} for key, part in splits.items()}}},
    )


def _splits(
    recipe: Recipe, train: Any, validation: Any, device: torch.device
) -> tuple[dict[str, Batches | StreamBatches], Task, tuple[torch.Tensor, torch.Tensor]]:
    """Return the batches of both splits, the task (floating-point targets are values, whole numbers class ids), and
    the targets: all of them, or a sample of a stream.
    """
    seed = recipe.train.seed
    parts: dict[str, Any] = {"train": train, "validation": validation}
    batch_size = recipe.train.batch_size
    task: Task | None = None
    measured: tuple[torch.Tensor, torch.Tensor] | None = None
    if _is_pair(train):
        dataset = from_arrays(train, validation if _is_pair(validation) else None, task=recipe.data.task)
        parts["train"] = dataset.train
        parts["validation"] = dataset.validation if _is_pair(validation) else validation
        batch_size = batch_size_for(recipe, len(dataset.train))
        task = dataset.shape.task
        known = [split.y for split in (dataset.train, dataset.validation) if split is not None]
        measured = dataset.train.x, torch.cat(known)
    splits: dict[str, Batches | StreamBatches] = {
        name: batches_of(part, batch_size=batch_size, seed=seed, device=device)
        for name, part in parts.items()
        if part is not None
    }
    if task is None or measured is None:
        measured = splits["train"].take(_STREAM_SAMPLES)
        floating = measured[1].is_floating_point()
        task = recipe.data.task if recipe.data.task != AUTO else "regression" if floating else "classification"
    return splits, task, measured


def _is_pair(data: Any) -> bool:
    return isinstance(data, tuple | list) and len(data) == 2


def _text(recipe: Recipe, caller: Location) -> str:
    """Return the recipe without what only Python knows."""
    head = f"# The model and the data were given in Python, at {caller.file}:{caller.line}.\n\n"
    return head + recipe.to_toml(sections=("loss", "optimizer", "schedule", "train", "doctor"))
