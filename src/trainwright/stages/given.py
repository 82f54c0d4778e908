"""What `fit` is given in Python, brought into the same form as what a recipe describes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.errors import ModelError, UsageError, did_you_mean
from trainwright.parts import losses, optimizers
from trainwright.records import Location, Task
from trainwright.report.loading_text import loading_lines
from trainwright.report.safe import visible
from trainwright.stages.choose import schedule_for
from trainwright.stages.facts import Subject, measure, output_units
from trainwright.stages.fit_together import (
    check_augmented,
    check_batches,
    check_left_over,
    check_numerics,
    check_pairing,
    check_targets,
)
from trainwright.stages.given_data import given_batches, told_classes
from trainwright.stages.named import Loss, build_loss, build_optimizer, build_schedule, freezing_in, loss_for
from trainwright.stages.network import REFERENCE_SAMPLES
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO, known_keys
from trainwright.stages.setup import Setup, asks_for_rate, start_facts, with_rate
from trainwright.stages.sizes import accumulate_for, choose_device, epochs_for, threads_for
from trainwright.stages.start import begun, resolved_start
from trainwright.training.precision import check_precision
from trainwright.training.stillness import without_gradients

_SECTIONS = ("train", "optimizer", "schedule", "augment", "doctor", "distributed")


def changes_of(settings: dict[str, Any], asked: str = "fit()") -> dict[str, Any]:
    """Return keyword arguments (`lr=0.1`) as settings of the recipe (`{"optimizer.lr": 0.1}`).

    Raises `UsageError`, with the nearest name, for one that no section has. `asked` is the function that was called.
    """
    homes: dict[str, str] = {}
    for section in _SECTIONS:
        for key in known_keys(section):
            homes.setdefault(key, f"{section}.{key}")  # `patience` is early stopping's before it is a schedule's
    del homes["name"]
    homes |= {section: f"{section}.name" for section in ("optimizer", "schedule", "loss")}
    homes |= {"task": "data.task"} | {key: f"model.{key}" for key in ("start", "start_head", "start_shapes")}
    for name in settings:
        if name not in homes:
            raise UsageError(f"{asked} knows no setting '{name}'", remedy=did_you_mean(name, homes))
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
    """Build what is missing around a model and data that were given. `caller` is the line that asked.

    `optimizer.lr = "find"` asks the learning-rate finder; what it said is in `facts`.
    """
    if asks_for_rate(recipe):
        return _with_found_rate(recipe, model, train, validation, loss=loss, caller=caller)
    if not isinstance(model, nn.Module):
        raise ModelError("model must be a torch.nn.Module", evidence=f"it is a {type(model).__name__}")
    device = choose_device(recipe.train.device)
    check_precision(recipe.train.precision, device)
    recipe = recipe.completed({"optimizer.name": "adamw"})
    recipe = recipe.completed({"schedule.name": schedule_for(recipe.optimizer.name).value})
    loaded = begun(recipe, model)
    model.to(device)
    given = given_batches(recipe, model, train, validation, device, loss)
    splits, task, targets = given.splits, given.task, given.targets
    reference = splits["train"].take(REFERENCE_SAMPLES)
    spec = losses.recognise(loss) if loss is not None else None
    loss_settings: dict[str, Any] = {}
    evaluation = loss
    if loss is None:
        outputs = output_units(model, reference[0][:2])
        _check_labels(recipe, task, targets)
        spec = loss_for(recipe, task, told_classes(outputs) if task == "classification" else outputs)
        made = build_loss(recipe, spec, _class_counts(targets, outputs) if task == "classification" else ())
        loss, evaluation = made.training, made.evaluation
        loss_settings = {f"loss.{option}": value for option, value in made.options.items()}
    assert evaluation is not None
    freezing = freezing_in(recipe, model)
    if optimizer is None:
        optimizer, changes = build_optimizer(recipe, model, freezing)
        foreign = None
        named = optimizers.CATALOGUE[recipe.optimizer.name]
        closure, averages = named.closure, named.averages
    else:
        _check_ownership(optimizer, model)
        without_gradients(model, freezing)
        changes, foreign = {}, type(optimizer).__name__
        closure, averages = isinstance(optimizer, torch.optim.LBFGS), False
    schedule, more = build_schedule(recipe)
    batches = splits["train"].steps_per_epoch
    accumulate = accumulate_for(recipe, batches, whole=closure)
    resolved = recipe.resolved(
        {
            **changes,
            **more,
            **loss_settings,
            **resolved_start(recipe),
            **({"loss.name": spec.name} if spec else {}),
            "train.epochs": epochs_for(recipe, batches, accumulate),
            "train.batch_size": splits["train"].batch_size,
            "train.accumulate": accumulate,
            "train.device": str(device),
            "train.threads": threads_for(recipe),
        }
    )
    name = type(model).__name__
    check_left_over(model, train, reference[0])
    check_augmented(model, loss, splits["train"])
    notes = [
        *(loading_lines(loaded) if loaded is not None else ()),
        *check_batches(recipe, model, splits["train"]),
        *check_numerics(recipe, closure=closure),
    ]
    if spec is None:
        check_pairing(model, loss, reference)
    else:
        notes += check_targets(recipe, spec, model, reference, loss=loss)
    subject = Subject(
        name=name.lower(),
        task=task,
        model=model,
        model_name=name,
        loss=evaluation,
        spec=spec,
        splits=splits,
        inputs=given.inputs,
        targets=targets,
        plain=losses.is_plain(evaluation),
    )
    return Setup(
        model=model,
        loss=loss,
        evaluation_loss=evaluation,
        optimizer=optimizer,
        schedule=schedule,
        splits=splits,
        reference=reference[0],
        target_std=(1.0,),
        recipe=resolved,
        recipe_text=_text(resolved, caller, foreign),
        info=measure(subject, resolved, reference, optimizer=foreign, caller=caller),
        closure=closure,
        averages=averages,
        given=True,
        loaded=loaded,
        freezing=freezing,
        facts={
            **start_facts(loaded),
            "data": {"splits": {key: {"samples": part.samples} for key, part in splits.items()}, "notes": notes},
        },
    )


def _with_found_rate(
    recipe: Recipe, model: nn.Module, train: Any, validation: Any, *, loss: Loss | None, caller: Location
) -> Setup:
    from trainwright.stages.find_lr import rate_of_given  # it stands on this module: it tries what is prepared here

    found, fallback = rate_of_given(recipe, model, train, validation, loss=loss, caller=caller)
    settled = recipe.changed({"optimizer.lr": fallback if found.suggestion is None else found.suggestion})
    return with_rate(prepare_given(settled, model, train, validation, loss=loss, optimizer=None, caller=caller), found)


def _class_counts(targets: torch.Tensor, outputs: int) -> tuple[int, ...]:
    """Return how often each class occurs, () where targets name no classes that a network with `outputs` can tell."""
    ids = targets.reshape(-1)
    classes = max(outputs, 2)
    if not bool(((ids >= 0) & (ids < classes) & (ids == ids.floor() if ids.is_floating_point() else ids == ids)).all()):
        return ()
    return tuple(torch.bincount(ids.long(), minlength=classes).tolist())


def _check_labels(recipe: Recipe, task: Task, targets: torch.Tensor) -> None:
    """Refuse a loss of classes for what is taken for values, and might be labels of yes or no."""
    spec = losses.CATALOGUE.get(recipe.loss.name)
    if task != "regression" or recipe.data.task != AUTO or spec is None or "multi-label" not in spec.tasks:
        return
    if targets.dim() < 2 or not bool(((targets >= 0) & (targets <= 1)).all()):
        return
    told = "floating-point targets in several columns are taken for values"
    remedy = 'pass task="multi-label"'
    if not bool(((targets == 0) | (targets == 1)).all()):
        remedy = "for probabilities pass the loss itself, torch.nn.BCEWithLogitsLoss()"
    raise recipe.problem("loss.name", f"loss '{spec.name}' is for classes and labels, and {told}; {remedy}")


def _check_ownership(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise UsageError(
            "the optimizer holds no parameter of the model, so nothing would be trained",
            remedy="make it from model.parameters() of this model, after the last change of its layers",
        )


def _text(recipe: Recipe, caller: Location, optimizer: str | None) -> str:
    """Return the recipe without what only Python knows. `optimizer` is the class of one that was given."""
    given = "The model and the data were" if optimizer is None else f"The model, the data and the {optimizer} were"
    head = f"# {given} given in Python, at {visible(caller.file or '?')}:{caller.line}.\n\n"
    sections = ["loss", "optimizer", "schedule", "train", "doctor"]
    if optimizer is not None:
        sections.remove("optimizer")
    return head + recipe.to_toml(sections=sections)
