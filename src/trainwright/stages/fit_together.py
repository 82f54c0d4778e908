"""Whether batches, numbers and targets fit model and loss: told before the first step, with the remedy."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from trainwright.data.batches import Batches
from trainwright.data.feed import Feed
from trainwright.parts import losses
from trainwright.randomness import isolated
from trainwright.records import LossSpec
from trainwright.stages.facts import output_units
from trainwright.stages.recipe import Recipe
from trainwright.tensors import evaluating

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def check_batches(recipe: Recipe, model: nn.Module, train: Feed) -> Iterator[str]:
    """Yield notes on batches; raise `RecipeError` where batch normalisation would see single samples."""
    normalised = any(isinstance(module, _BATCH_NORMS) for module in model.modules())
    if normalised and train.batch_size == 1:
        raise recipe.problem(
            "train.batch_size",
            "train.batch_size = 1, and the model has batch normalisation, which needs two samples at least to know a "
            "variance; use a larger batch, or model.norm = 'group' (several batches to one update do not help: each is "
            "normalised by itself)",
        )
    if isinstance(train, Batches) and train.batch_size > 1 and train.samples % train.batch_size == 1:
        yield (
            f"{train.samples} samples in batches of {train.batch_size} leave a single one over, on which batch "
            "normalisation cannot train; it joins the batch before it"
        )


def check_numerics(recipe: Recipe, *, closure: bool) -> Iterator[str]:
    """Yield notes on clipping; raise `RecipeError` for numbers that an optimizer with a line search cannot take."""
    if not closure:
        return
    name = recipe.optimizer.name
    if recipe.train.precision == "fp16":
        raise recipe.problem(
            "train.precision", f"optimizer '{name}' searches along a line, which a loss scale disturbs; use 'fp32'"
        )
    if recipe.augment.strengths and any(recipe.augment.strengths.values()):
        raise recipe.problem(
            "optimizer.name",
            f"optimizer '{name}' needs the same data at each evaluation, and [augment] changes them; "
            "use 'adamw', or leave [augment] out",
        )
    if recipe.train.clip_norm or recipe.train.clip_value:
        yield f"the gradient is not clipped: the line search of '{name}' must see the true one"


def check_targets(
    recipe: Recipe, spec: LossSpec, model: nn.Module, sample: tuple[torch.Tensor, torch.Tensor]
) -> Iterator[str]:
    """Check outputs and targets of a sample against what the loss expects; raises `ModelError` with the remedy."""
    x, y = sample
    output_units(model, x[:2])  # refuses a model that cannot take its input
    with isolated(recipe.train.seed), evaluating(model), torch.no_grad():
        output = model(x)
    losses.check_target(spec, y)
    losses.check_output(spec, output)
    yield from ()
