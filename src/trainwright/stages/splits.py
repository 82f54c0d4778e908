"""Data as batches: sampled, augmented, and counted the way the recipe asks."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.data.batches import Batches
from trainwright.data.blockbatches import BlockBatches
from trainwright.data.dataset import Dataset
from trainwright.data.feed import Feed
from trainwright.data.samplers import balancing_weights, class_counts
from trainwright.parts import augment
from trainwright.records import DataShape, LossSpec
from trainwright.stages.choose import Facts
from trainwright.stages.recipe import Recipe


def facts_of(dataset: Dataset) -> Facts:
    """Return what choices depend on."""
    counts = class_counts(dataset, dataset.shape.outputs) if dataset.shape.task == "classification" else ()
    return Facts(task=dataset.shape.task, shape=dataset.shape, samples=len(dataset.train), class_counts=tuple(counts))


def dataset_batches(
    recipe: Recipe, dataset: Dataset, batch_size: int, device: torch.device, spec: LossSpec
) -> dict[str, Feed]:
    """Return the batches of every split. Sampling and augmentation belong to training alone.

    Raises `RecipeError` where the data cannot be sampled or changed as the recipe asks.
    """
    seed, shape = recipe.train.seed_of_order, dataset.shape
    parts = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    weights = _weights(recipe, dataset)
    units = spec.output_units(shape.outputs) if shape.task == "classification" else shape.outputs
    change = augmentation(recipe, shape, spec, _black(dataset), units=units)
    if dataset.train.stream is not None:
        return {
            split.name: BlockBatches(
                split,
                batch_size=batch_size,
                seed=seed,
                device=device,
                augment=change if split.name == "train" else None,
            )
            for split in parts
        }
    if shape.vocabulary is not None:
        from trainwright.data.text import TextBatches

        return {split.name: TextBatches(split, batch_size=batch_size, seed=seed, device=device) for split in parts}
    return {
        split.name: Batches(
            split,
            batch_size=batch_size,
            seed=seed,
            device=device,
            sample_weights=weights if split.name == "train" else None,
            augment=change if split.name == "train" else None,
        )
        for split in parts
    }


def augmentation(
    recipe: Recipe, shape: DataShape, spec: LossSpec | None, fill: tuple[float, ...], *, units: int
) -> augment.Augment | None:
    """Return what changes the training samples, None where nothing is to.

    `units` counts the network's outputs: two classes may be told by one of them, whose mixed target is a single
    probability. Raises `RecipeError` where a change does not suit the samples or the loss.
    """
    strengths = {name: value for name, value in recipe.augment.strengths.items() if value > 0}
    if not strengths:
        return None
    problem = augment.problem(strengths, shape, spec.name if spec is not None else "")
    if problem:
        raise recipe.problem(f"augment.{next(iter(strengths))}", problem)
    return augment.Augment(strengths, seed=recipe.train.seed_of_order, task=shape.task, outputs=units, fill=fill)


def _weights(recipe: Recipe, dataset: Dataset) -> torch.Tensor | None:
    """Return the chance of each training sample, None where all are drawn alike."""
    if recipe.train.sampler != "balanced":
        return None
    if dataset.shape.vocabulary is not None:
        raise recipe.problem(
            "train.sampler",
            "train.sampler = 'balanced' draws each sample by its class, and a window of a text has a class for each of "
            "its tokens; leave it at 'shuffled' (loss.weights = 'balanced' weighs the tokens themselves)",
        )
    if dataset.shape.task != "classification":
        raise recipe.problem(
            "train.sampler",
            f"train.sampler = 'balanced' needs classes; the task is {dataset.shape.task}; leave it at 'shuffled'",
        )
    if dataset.train.stream is not None:
        raise recipe.problem(
            "train.sampler",
            "train.sampler = 'balanced' draws samples from anywhere, and these are read from disk block by block; use "
            "loss.weights = 'balanced', which weighs the classes instead",
        )
    return balancing_weights(dataset.train.y)


def _black(dataset: Dataset) -> tuple[float, ...]:
    """Return the value of a black pixel after standardising, one for each channel."""
    facts: Any = dataset.preprocessing
    if facts.get("kind") != "images":
        return (0.0,)
    means, stds = (value if isinstance(value, list | tuple) else [value] for value in (facts["mean"], facts["std"]))
    return tuple(-float(mean) / float(std) for mean, std in zip(means, stds, strict=True))
