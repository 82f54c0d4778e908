"""The network that a recipe names: built, initialised, and begun from other weights where it says so."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.data.dataset import Dataset
from trainwright.parts import models
from trainwright.randomness import isolated
from trainwright.records import DataShape, LossSpec
from trainwright.records.loading import Loaded
from trainwright.stages.memory import check_fits, step_plan
from trainwright.stages.named import NamedLoss, options_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO
from trainwright.stages.sizes import batch_size_for
from trainwright.stages.start import begun, home_of
from trainwright.vitals.step_plan import without_data

REFERENCE_SAMPLES = 512
"""What layers and outputs are measured on, and initialisers that look at data: enough to call a unit dead."""


def build_model(
    recipe: Recipe, loss: NamedLoss, dataset: Dataset, device: torch.device
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that the recipe names, with its first weights, and its options as resolved.

    Raises as `build_started` does.
    """
    return build_started(recipe, loss, dataset, device)[:2]


def build_started(
    recipe: Recipe, loss: NamedLoss, dataset: Dataset, device: torch.device
) -> tuple[nn.Module, dict[str, Any], Loaded | None]:
    """Return the network, its options as resolved, and what it took over where `model.start` names weights.

    Raises `ModelError` where a network of the catalogue would take more memory than there is, before it takes any, and
    as `start.begun` does.
    """
    spec, x, y = loss.spec, dataset.train.x[:REFERENCE_SAMPLES], dataset.train.y[:REFERENCE_SAMPLES]
    with isolated(recipe.train.seed, "initialisation"):
        if not models.is_factory(recipe.model.name):
            hollow = without_data(lambda: network_of(recipe, spec, dataset.shape)[0])
            size = batch_size_for(recipe, len(dataset.train))
            check_fits(hollow, step_plan(recipe, loss.training), (x[:2], y[:2]), size, device)
        model, options = network_of(recipe, spec, dataset.shape, sample=x)
    model.to(device)
    shape = dataset.shape.input_shape
    return model, options, begun(recipe, model, channels=shape[0] if len(shape) == 3 else None)


def network_of(
    recipe: Recipe, spec: LossSpec, data: DataShape, *, sample: torch.Tensor | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that the recipe names, on the CPU, and its options as resolved.

    Its weights begin as the recipe says where there is a `sample` `(N, *input_shape)` of the inputs; without, as they
    do by default, for weights that were trained will take their place.
    """
    name = recipe.model.name
    shape = replace(data, outputs=data.outputs if data.task == "multi-label" else spec.output_units(data.outputs))
    if models.is_factory(name):
        options = dict(recipe.model.options)
        folder = options.pop("folder", None) or home_of(recipe)  # a kept recipe lies elsewhere than the module
        model = models.from_factory(name, shape, options, folder=folder)
        return model, options | {"folder": folder or os.getcwd()}
    options = options_of(recipe, "model", name)
    model = models.build(name, shape, options if sample is not None else options | {"init": AUTO}, sample=sample)
    if spec.expects == "log-probabilities":  # the built-in networks give raw logits
        model = nn.Sequential(model, nn.LogSoftmax(1))
    return model, options
