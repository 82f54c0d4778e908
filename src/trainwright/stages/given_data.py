"""The data that `fit` is given, as batches: types that the model takes, and targets in the form that tells the task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from trainwright.checks.left_over import refuses_one
from trainwright.data.arrays import from_arrays, pair_tensors
from trainwright.data.augmented import Augment
from trainwright.data.batches import StreamBatches, batches_of, is_pair
from trainwright.data.dataset import Split
from trainwright.data.feed import Feed
from trainwright.data.samplers import balancing_weights
from trainwright.errors import DataError, ModelError, UsageError
from trainwright.parts import losses, optimizers
from trainwright.randomness import isolated
from trainwright.records import DataShape, LossSpec, Task
from trainwright.stages.facts import output_units
from trainwright.stages.named import Loss
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO
from trainwright.stages.sizes import batch_size_for
from trainwright.stages.splits import augmentation
from trainwright.tensors import digest, evaluating

_STREAM_SAMPLES = 4096  # whose targets stand for those of a stream


@dataclass(frozen=True, kw_only=True)
class Given:
    """The batches of both splits, the task, and inputs and targets: all of them, or a sample of a stream."""

    splits: dict[str, Feed]
    task: Task
    inputs: torch.Tensor
    targets: torch.Tensor


def given_batches(
    recipe: Recipe, model: nn.Module, train: Any, validation: Any, device: torch.device, loss: Loss | None
) -> Given:
    """Return what was given as batches. A loss of the user's own sees the targets in the shape that they came in.

    Whole numbers are class ids. Floating-point targets are values, unless the loss knows them as classes. Raises
    `DataError`, `ModelError`, `UsageError` or `RecipeError` where data, model and settings do not go together.
    """
    spec = losses.recognise(loss) if loss is not None else losses.CATALOGUE.get(recipe.loss.name)
    seed = recipe.train.seed_of_order
    parts: dict[str, Any] = {"train": train, "validation": validation}
    batch_size = recipe.train.batch_size if isinstance(recipe.train.batch_size, int) else 1  # for streams: not used
    weights = stream = None
    if is_pair(train):
        pairs = {name: part for name, part in parts.items() if is_pair(part)}
        task, known, own = _pairs(recipe, model, pairs, device, own=loss is not None)
        parts |= own
        inputs, targets = own["train"].x, torch.cat([split.y for split in known.values()])
        samples = len(inputs)
        whole = optimizers.CATALOGUE[recipe.optimizer.name].closure and not recipe.given("train.batch_size")
        batch_size = samples if whole else batch_size_for(recipe, samples)
        weights = balancing_weights(known["train"].y) if recipe.train.sampler == "balanced" else None
    else:
        stream = StreamBatches(train, seed=seed, device=device)
        _check_own_batches(recipe, train, stream)
        _check_single(model, train, stream)
        inputs, targets = (part.cpu() for part in stream.take(_STREAM_SAMPLES))
        floating = targets.is_floating_point()
        task = recipe.data.task if recipe.data.task != AUTO else "regression" if floating else "classification"
    if recipe.data.task == AUTO and _names_classes(targets, spec):
        task = "classification"
    change = _augmentation(recipe, model, (inputs, targets), task, spec, device)
    if stream is not None:
        stream.augment = change
    splits: dict[str, Feed] = {
        name: stream
        if name == "train" and stream is not None
        else batches_of(
            part,
            batch_size=batch_size,
            seed=seed,
            device=device,
            sample_weights=weights if name == "train" else None,
            augment=change if name == "train" else None,
        )
        for name, part in parts.items()
        if part is not None or name == "train"
    }
    return Given(splits=splits, task=task, inputs=inputs, targets=targets)


def _check_own_batches(recipe: Recipe, data: Any, stream: Feed) -> None:
    """Raise `UsageError` for settings that cannot reach into data that make their own batches."""
    kind, asked = type(data).__name__, recipe.train
    if recipe.train.sampler == "balanced":
        raise UsageError(
            "sampler = 'balanced' cannot reach into data that make their own batches",
            evidence=f"train is a {kind}",
            remedy="give the DataLoader a WeightedRandomSampler, or pass (x, y)",
        )
    if recipe.given("train.batch_size") and asked.batch_size != stream.batch_size:
        raise UsageError(
            f"batch_size = {asked.batch_size} cannot reach into data that make their own batches",
            evidence=f"train is a {kind} with batches of {stream.batch_size}",
            remedy=f"leave batch_size out and set it where you make the {kind}, or pass (x, y)",
        )


def _check_single(model: nn.Module, data: Any, stream: StreamBatches) -> None:
    """Raise `DataError` where one of the user's own batches is a single sample, on which the model cannot train."""
    if stream.smallest != 1 or stream.batch_size == 1 or isinstance(data, DataLoader):  # of a loader others tell
        return
    problem = refuses_one(model, stream.take(2)[0])
    if problem is not None:
        raise DataError(
            "a batch is a single sample, on which batch normalisation cannot train",
            evidence=f"batches of 1 to {stream.batch_size} samples; {problem}",
            remedy="leave the short batch out, or join it to the one before it",
        )


def _augmentation(
    recipe: Recipe,
    model: nn.Module,
    sample: tuple[torch.Tensor, torch.Tensor],
    task: Task,
    spec: LossSpec | None,
    device: torch.device,
) -> Augment | None:
    """Return what changes the training samples. Nobody says which value is black: each channel's darkest is taken."""
    if not any(recipe.augment.strengths.values()):
        return None
    x, y = sample
    units = output_units(model, x[:2].to(device)) if task == "classification" else y[0].numel()
    outputs = told_classes(units) if task == "classification" else units
    shape = DataShape(input_shape=tuple(x.shape[1:]), outputs=outputs, task=task)
    darkest = x.amin(dim=tuple(d for d in range(x.dim()) if d != 1)) if x.dim() == 4 else torch.zeros(1)
    return augmentation(recipe, shape, spec, tuple(darkest.tolist()), units=units)


def _names_classes(targets: torch.Tensor, spec: LossSpec | None) -> bool:
    """Say whether a loss takes floating-point targets for classes: a column of 0 and 1, or a probability for each."""
    if spec is None or "classification" not in spec.tasks:
        return False
    columns = 1 if targets.dim() == 1 else targets.shape[1]
    return columns == 1 if spec.target == "binary" else columns > 1 or spec.name == "focal"


def _pairs(
    recipe: Recipe, model: nn.Module, pairs: dict[str, Any], device: torch.device, *, own: bool
) -> tuple[Task, dict[str, Split], dict[str, Split]]:
    """Return the task, the splits with targets in the form that it has, and the splits to train on.

    With a loss of the user's `own` the latter keep the targets in their own shape; it was written for that.
    """
    tensors = {name: pair_tensors(pair, name) for name, pair in pairs.items()}
    first = next((weight.dtype for weight in model.parameters() if weight.is_floating_point()), torch.float32)
    double = first == torch.float64
    x, y = tensors["train"]
    whole = not x.is_floating_point() and _wants_whole(model, x[:2].to(device), first, own=own)
    inputs = {name: x if whole else _as_floats(x, double=double, own=own) for name, (x, _) in tensors.items()}
    if recipe.data.task in (AUTO, "classification") and _at_places(model, inputs["train"][:2].to(device), y):
        formed = {
            name: Split(x=inputs[name], y=y.long(), name=name, digest=digest({"x": inputs[name], "y": y}))
            for name, (_, y) in tensors.items()
        }
        return "classification", formed, formed
    dataset = from_arrays(pairs["train"], pairs.get("validation"), task=recipe.data.task)
    task = dataset.shape.task
    splits = [split for split in (dataset.train, dataset.validation) if split is not None]
    formed = {split.name: replace(split, x=inputs[split.name]) for split in splits}
    if double and task == "regression":
        formed = {
            name: replace(split, y=tensors[name][1].double().reshape(split.y.shape)) for name, split in formed.items()
        }
    if not own:
        return task, formed, formed
    return (
        task,
        formed,
        {name: replace(formed[name], y=_single(pairs[name][1], y, double)) for name, (_, y) in tensors.items()},
    )


def _as_floats(x: torch.Tensor, *, double: bool, own: bool) -> torch.Tensor:
    """Return inputs in float32; what is as wide as a model in float64 stays so, as does what came in half precision."""
    if not x.is_floating_point():
        return x.to(torch.float64 if double else torch.float32)
    keeps = (double and x.dtype == torch.float64) or (own and x.dtype.itemsize < 4)
    return x if keeps else x.to(torch.float32)


def _single(given: Any, y: torch.Tensor, double: bool) -> torch.Tensor:
    """Return targets as they are, but for numpy's float64, which is nobody's choice."""
    return y.float() if y.dtype == torch.float64 and not double and not isinstance(given, torch.Tensor) else y


def _wants_whole(model: nn.Module, x: torch.Tensor, dtype: torch.dtype, *, own: bool) -> bool:
    """Say whether whole numbers must reach the model as they are, as those do that an embedding looks up."""
    return _answer(model, x) is not None and (own or _answer(model, x.to(dtype)) is None)


def _answer(model: nn.Module, x: torch.Tensor) -> torch.Tensor | None:
    """Return the model's output, None where it cannot take `x`."""
    try:
        with isolated(), evaluating(model), torch.no_grad():
            output = model(x)
    except Exception:  # whatever the user's forward raises
        return None
    return output if isinstance(output, torch.Tensor) else None


def _at_places(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> bool:
    """Say whether each sample has a class at each of several places, such as the tokens of a text: targets `(N, L)`.

    The model says so by an output `(N, C, L)`. Raises `ModelError` where its classes come last.
    """
    if y.is_floating_point() or y.dim() < 2 or y[0].numel() == 1:
        return False
    output = _answer(model, x)
    if output is None or output.dim() != y.dim() + 1 or len(output) != len(x):
        return False
    if output.shape[2:] == y.shape[1:]:
        return True
    if output.shape[1:-1] == y.shape[1:]:
        raise ModelError(
            "the model gives a class to each place of a sample, and its classes come last",
            evidence=f"its output has shape {(len(y), *output.shape[1:])}, the target {tuple(y.shape)}",
            remedy="put the classes second, (N, C, L): output.movedim(-1, 1)",
        )
    return False


def told_classes(outputs: int) -> int:
    """Return how many classes a network with so many outputs tells: one logit tells two, two logits speak for each."""
    return 2 if outputs == 1 else max(outputs, 3)
