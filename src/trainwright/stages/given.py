"""What `fit` is given in Python, brought into the same form as what a recipe describes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.data.arrays import from_arrays
from trainwright.data.augmented import Augment
from trainwright.data.batches import batches_of, is_pair
from trainwright.data.feed import Feed
from trainwright.data.samplers import balancing_weights
from trainwright.errors import ModelError, UsageError, did_you_mean
from trainwright.parts import losses, optimizers
from trainwright.records import DataShape, Location, LossSpec, Task
from trainwright.report.safe import visible
from trainwright.stages.choose import schedule_for
from trainwright.stages.facts import Subject, measure, output_units
from trainwright.stages.fit_together import check_batches, check_numerics
from trainwright.stages.named import Loss, build_loss, build_optimizer, build_schedule, loss_for
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO, known_keys
from trainwright.stages.setup import REFERENCE_SAMPLES, Setup
from trainwright.stages.sizes import accumulate_for, batch_size_for, choose_device, epochs_for, threads_for
from trainwright.stages.splits import augmentation
from trainwright.training.precision import check_precision

_STREAM_SAMPLES = 4096  # whose targets stand for those of a stream
_SECTIONS = ("train", "optimizer", "schedule", "augment", "doctor")


def changes_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments (`lr=0.1`) as settings of the recipe (`{"optimizer.lr": 0.1}`).

    Raises `UsageError`, with the nearest name, for one that no section has.
    """
    homes: dict[str, str] = {}
    for section in _SECTIONS:
        for key in known_keys(section):
            homes.setdefault(key, f"{section}.{key}")  # `patience` is early stopping's before it is a schedule's
    del homes["name"]
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
    check_precision(recipe.train.precision, device)
    recipe = recipe.completed({"optimizer.name": "adamw"})
    recipe = recipe.completed({"schedule.name": schedule_for(recipe.optimizer.name).value})
    model.to(device)
    spec = losses.recognise(loss) if loss is not None else losses.CATALOGUE.get(recipe.loss.name)
    splits, task, (inputs, targets) = _splits(recipe, train, validation, device, spec, own_loss=loss is not None)
    reference = splits["train"].take(REFERENCE_SAMPLES)
    loss_settings: dict[str, Any] = {}
    evaluation = loss
    if loss is None:
        outputs = output_units(model, reference[0][:2])
        spec = loss_for(recipe, task, _classes(outputs) if task == "classification" else outputs)
        made = build_loss(recipe, spec, _class_counts(targets, outputs) if task == "classification" else ())
        loss, evaluation = made.training, made.evaluation
        loss_settings = {f"loss.{option}": value for option, value in made.options.items()}
    assert evaluation is not None
    if optimizer is None:
        optimizer, changes = build_optimizer(recipe, model)
        foreign = None
        named = optimizers.CATALOGUE[recipe.optimizer.name]
        closure, averages = named.closure, named.averages
    else:
        _check_ownership(optimizer, model)
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
            **({"loss.name": spec.name} if spec else {}),
            "train.epochs": epochs_for(recipe, batches, accumulate),
            "train.batch_size": splits["train"].batch_size,
            "train.accumulate": accumulate,
            "train.device": str(device),
            "train.threads": threads_for(recipe),
        }
    )
    name = type(model).__name__
    notes = [*check_batches(recipe, model, splits["train"]), *check_numerics(recipe, closure=closure)]
    subject = Subject(
        name=name.lower(),
        task=task,
        model=model,
        model_name=name,
        loss=evaluation,
        spec=spec,
        splits=splits,
        inputs=inputs,
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
        facts={"data": {"splits": {key: {"samples": part.samples} for key, part in splits.items()}, "notes": notes}},
    )


def _classes(outputs: int) -> int:
    """Return how many classes a network with so many outputs tells: one logit tells two, two logits speak for each."""
    return 2 if outputs == 1 else max(outputs, 3)


def _class_counts(targets: torch.Tensor, outputs: int) -> tuple[int, ...]:
    """Return how often each class occurs, () where targets name no classes that a network with `outputs` can tell."""
    ids = targets.reshape(-1)
    classes = max(outputs, 2)
    if not bool(((ids >= 0) & (ids < classes) & (ids == ids.floor() if ids.is_floating_point() else ids == ids)).all()):
        return ()
    return tuple(torch.bincount(ids.long(), minlength=classes).tolist())


def _splits(
    recipe: Recipe,
    train: Any,
    validation: Any,
    device: torch.device,
    spec: LossSpec | None,
    *,
    own_loss: bool,
) -> tuple[dict[str, Feed], Task, tuple[torch.Tensor, torch.Tensor]]:
    """Return the batches of both splits, the task, and inputs and targets: all of them, or a sample of a stream.

    Whole numbers are class ids. Floating-point targets are values, unless the loss knows them as classes. A loss of the
    user's own (`own_loss`) sees the targets in their own shape; it was written for that.
    """
    seed = recipe.train.seed
    parts: dict[str, Any] = {"train": train, "validation": validation}
    batch_size = recipe.train.batch_size if isinstance(recipe.train.batch_size, int) else 1  # for streams: not used
    task: Task | None = None
    measured: tuple[torch.Tensor, torch.Tensor] | None = None
    dataset = None
    if is_pair(train):
        dataset = from_arrays(train, validation if is_pair(validation) else None, task=recipe.data.task)
        if not own_loss:
            parts["train"] = dataset.train
            parts["validation"] = dataset.validation if is_pair(validation) else validation
        batch_size = batch_size_for(recipe, len(dataset.train))
        task = dataset.shape.task
        known = [split.y for split in (dataset.train, dataset.validation) if split is not None]
        measured = dataset.train.x, torch.cat(known)
    if task is None or measured is None:
        measured = batches_of(train, batch_size=batch_size, seed=seed).take(_STREAM_SAMPLES)
        floating = measured[1].is_floating_point()
        task = recipe.data.task if recipe.data.task != AUTO else "regression" if floating else "classification"
    if recipe.data.task == AUTO and _names_classes(measured[1], spec):
        task = "classification"
    balanced = balancing_weights(dataset.train.y) if recipe.train.sampler == "balanced" and dataset else None
    splits: dict[str, Feed] = {
        name: batches_of(
            part,
            batch_size=batch_size,
            seed=seed,
            device=device,
            sample_weights=balanced if name == "train" else None,
            augment=_augmentation(recipe, measured, task, spec) if name == "train" else None,
        )
        for name, part in parts.items()
        if part is not None or name == "train"
    }
    return splits, task, measured


def _augmentation(
    recipe: Recipe, sample: tuple[torch.Tensor, torch.Tensor], task: Task, spec: LossSpec | None
) -> Augment | None:
    """Return what changes the training samples. Nobody says which value is black: each channel's darkest is taken."""
    x, y = sample
    columns = y.shape[1] if y.dim() > 1 else 1
    outputs = int(y.max()) + 1 if task == "classification" and not y.is_floating_point() else columns
    shape = DataShape(input_shape=tuple(x.shape[1:]), outputs=outputs, task=task)
    darkest = x.amin(dim=tuple(d for d in range(x.dim()) if d != 1)) if x.dim() == 4 else torch.zeros(1)
    return augmentation(recipe, shape, spec, tuple(darkest.tolist()))


def _names_classes(targets: torch.Tensor, spec: LossSpec | None) -> bool:
    """Say whether a loss takes floating-point targets for classes: a column of 0 and 1, or a probability for each."""
    if spec is None or "classification" not in spec.tasks:
        return False
    columns = 1 if targets.dim() == 1 else targets.shape[1]
    return columns == 1 if spec.target == "binary" else columns > 1 or spec.name == "focal"


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
