"""How much, how often, and on what: batch size, accumulation, epochs, threads, device."""

from __future__ import annotations

import math

import torch

from trainwright import defaults
from trainwright.errors import UsageError, first_line
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO, TrainSection
from trainwright.training.loop import updates_per_epoch


def batch_size_for(recipe: Recipe, samples: int) -> int:
    """Return the batch size; the default, written out or not, shrinks to the data, another that does not fit is
    refused. "auto" counts as the default: what fits is found later, by real steps.
    """
    wanted = recipe.train.batch_size if isinstance(recipe.train.batch_size, int) else TrainSection().batch_size
    assert isinstance(wanted, int)  # the default is a number
    if wanted > samples and recipe.given("train.batch_size") and wanted != TrainSection().batch_size:
        raise recipe.problem(
            "train.batch_size",
            f"train.batch_size = {wanted} is more than the {samples} training samples; use at most {samples}",
        )
    return min(wanted, samples)


def accumulate_for(recipe: Recipe, batches: int, *, whole: bool) -> int:
    """Return how many batches make an update: as asked for, or all of an epoch's (`whole`).

    Raises `RecipeError` where there are not so many in an epoch: the update would be smaller than it says.
    """
    if whole:
        return batches
    asked = recipe.train.accumulate
    if asked > batches:
        raise recipe.problem(
            "train.accumulate",
            f"train.accumulate = {asked} is more than the {batches} batches of an epoch; use at most {batches}, or a "
            "smaller train.batch_size",
        )
    return asked


def epochs_for(recipe: Recipe, batches: int, accumulate: int) -> int:
    """Return the epochs; "auto" aims at a number of steps that trains small data well and large data soon.

    With `train.steps` it is the epochs that so many updates begin.
    """
    updates = updates_per_epoch(batches, accumulate)
    if recipe.train.steps:
        needed = math.ceil(recipe.train.steps / updates)
        if isinstance(recipe.train.epochs, int) and recipe.train.epochs != needed:
            raise recipe.problem(
                "train.steps",
                f"train.steps = {recipe.train.steps} and train.epochs = {recipe.train.epochs} say two things: "
                f"{recipe.train.steps} steps are {recipe.train.steps / updates:.3g} epochs here; leave one of them out",
            )
        return needed
    if isinstance(recipe.train.epochs, int):
        return recipe.train.epochs
    wanted = math.ceil(defaults.PLANNED_STEPS.value / updates)
    return int(min(max(wanted, defaults.FEWEST_EPOCHS.value), defaults.MOST_EPOCHS.value))


def threads_for(recipe: Recipe) -> int:
    """Return the number of threads; "auto" is torch's own."""
    return recipe.train.threads if isinstance(recipe.train.threads, int) else torch.get_num_threads()


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the first accelerator, else the CPU."""
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # "meta" makes tensors, but nothing can be computed there
    except (RuntimeError, AssertionError, ValueError) as problem:
        raise UsageError(
            f"there is no device '{name}' here",
            evidence=first_line(problem).split(":")[0],
            remedy="train.device = 'auto' takes what there is",
        ) from None
    return device
