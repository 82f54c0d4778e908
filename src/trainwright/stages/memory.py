"""Memory before it is taken: what a recipe's step will need, whether it fits, and the batch size that does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.errors import ModelError
from trainwright.records.model import BatchSizeSearch
from trainwright.report.model_text import bytes_text
from trainwright.stages.named import Loss, build_optimizer
from trainwright.stages.recipe import Recipe
from trainwright.training.activations import checkpointing
from trainwright.training.auto_batch import find_batch_size, trial_steps
from trainwright.vitals.forecast import forecast
from trainwright.vitals.memory import available_memory
from trainwright.vitals.step_plan import StepPlan

Batch = tuple[torch.Tensor, torch.Tensor]

_STEPS = 3  # the first makes the optimizer's state; the second and third are as all later ones


def step_plan(recipe: Recipe, loss: Loss, *, recomputed: bool | None = None) -> StepPlan:
    """Return how the recipe's steps are made; `recomputed` overrules its train.checkpoint_activations."""
    again = recipe.train.checkpoint_activations if recomputed is None else recomputed
    return StepPlan(
        loss=loss,
        optimizer=lambda model: build_optimizer(recipe, model)[0],
        precision=recipe.train.precision,
        recompute=checkpointing if again else None,
        accumulate=recipe.train.accumulate,
    )


def check_fits(model: nn.Module, plan: StepPlan, batch: Batch, batch_size: int, device: torch.device) -> None:
    """Raise `ModelError` where a step of `model`, built on "meta", would take more memory than there is."""
    free = available_memory(device)
    parameters = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    needed = 4 * parameters  # weights, gradients, and what Adam keeps; with less than that nothing else matters
    roughly = needed + _MANIFOLD * _layer_outputs(model, batch[0], batch_size)
    if needed <= free < _NEAR * roughly:  # the full forecast takes as long as some steps: only where it may matter
        needed = forecast(model, plan, batch, batch_size, device).total
    if needed > free:
        raise ModelError(
            "the model cannot be trained in the memory that there is",
            evidence=f"{parameters // 4:,} parameters: a step on {batch_size} samples takes {bytes_text(needed)}, "
            f"and {bytes_text(free)} are free",
            remedy="a smaller width, depth or train.batch_size; or train.checkpoint_activations = true",
        )


_MANIFOLD = 4  # times the outputs of all layers: more than a step keeps
_NEAR = 4  # times what is roughly needed: with more than that free, the rough answer is enough


def _layer_outputs(model: nn.Module, x: torch.Tensor, batch_size: int) -> int:
    """Return the bytes of all layers' outputs on a batch, from the shapes of a hollow model's forward pass."""
    outputs: list[torch.Tensor] = []

    def count(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            outputs.append(output)

    hooks = [module.register_forward_hook(count) for module in model.modules()]
    try:
        with torch.no_grad():
            model(x.to("meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(output.numel() * output.element_size() for output in outputs) * batch_size // len(x)


def search_batch_size(
    model: nn.Module, plan: StepPlan, batches: Callable[[int], Feed], samples: int, device: torch.device
) -> BatchSizeSearch:
    """Return the batch size for `model`: tried by real steps on a copy. `batches(size)` gives the training batches."""

    def attempt(size: int) -> int:
        return trial_steps(model, plan, islice(batches(size).epoch(0), _STEPS * plan.accumulate))

    sample = batches(min(2, samples)).take(2)
    return find_batch_size(
        attempt,
        samples=samples,
        available=partial(available_memory, device),
        needed=lambda size: forecast(model, plan, sample, size, device).total,
    )


def out_of_memory(problem: BaseException, recipe: Recipe, *, given: bool) -> ModelError:
    """Return what is said where memory ran out in training: how much was free, and what takes less of it.

    `given` says that the run is one of `fit`, which only Python can go on with.
    """
    settings = recipe.train
    free = available_memory(settings.device) / 2**20
    words = str(problem).strip().splitlines() or [type(problem).__name__]
    size = settings.batch_size if isinstance(settings.batch_size, int) else 0
    smaller = "a smaller model"
    if size > 1:
        smaller = (
            f"train.batch_size = {size // 2} with train.accumulate = {2 * settings.accumulate}: the same gradient, "
            "and half the activations"
        )
    resumed = "tw.resume(folder, ..., checkpoint_activations=True)"
    if not given:
        resumed = "trainwright resume FOLDER --set train.checkpoint_activations=true"
    return ModelError(
        "memory ran out in training",
        evidence=f"{words[0][:200]}; batches of {size}, and {free:,.0f} MiB were free afterwards",
        remedy=f"{smaller}; or go on from where it was: {resumed}",
    )
