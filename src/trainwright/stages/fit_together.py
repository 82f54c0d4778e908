"""Whether batches, numbers and targets fit model and loss: told before the first step, with the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from trainwright.data.augmented import augmented
from trainwright.data.batches import Batches
from trainwright.data.feed import Feed
from trainwright.errors import DataError, ModelError, first_line
from trainwright.parts import losses, optimizers
from trainwright.randomness import isolated
from trainwright.records import LossSpec
from trainwright.stages.facts import computed_loss, output_units
from trainwright.stages.recipe import Recipe
from trainwright.tensors import buffers_restored, evaluating
from trainwright.vitals.output_trials import TRIED, compares_all_pairs

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def check_batches(recipe: Recipe, model: nn.Module, train: Feed) -> Iterator[str]:
    """Yield notes on batches; raise `RecipeError` for those that model or optimizer cannot train on."""
    normalised = any(isinstance(module, _BatchNorm) for module in model.modules())
    if normalised and train.batch_size == 1:
        raise recipe.problem(
            "train.batch_size",
            "train.batch_size = 1, and the model has batch normalisation, which needs two samples at least to know a "
            "variance; use a larger batch, or model.norm = 'group' (several batches to one update do not help: each is "
            "normalised by itself)",
        )
    single = isinstance(train, Batches) and train.batch_size > 1 and train.samples % train.batch_size == 1
    if normalised and single:
        yield (
            f"{train.samples} samples in batches of {train.batch_size} leave a single one over, on which batch "
            "normalisation cannot train; it joins the batch before it"
        )
    name, steps = recipe.optimizer.name, train.steps_per_epoch
    if not optimizers.CATALOGUE[name].closure:
        return
    if recipe.given("train.accumulate") and recipe.train.accumulate != steps:
        raise recipe.problem(
            "train.accumulate",
            f"optimizer '{name}' takes the whole of the data to each update, which is {steps} "
            f"{'batch' if steps == 1 else 'batches'}, and train.accumulate = {recipe.train.accumulate}; leave it out",
        )
    if steps > 1 and recipe.given("train.batch_size"):
        yield (
            f"optimizer '{name}' takes all {train.samples} samples to each update; train.batch_size = "
            f"{train.batch_size} is the size of the pieces in which they are computed, and no update is made on one"
        )


def check_numerics(recipe: Recipe, *, closure: bool) -> Iterator[str]:
    """Yield notes on clipping; raise `RecipeError` for numbers that an optimizer of its own ways cannot take."""
    name = recipe.optimizer.name
    if recipe.train.ema and optimizers.CATALOGUE[name].averages:
        raise recipe.problem(
            "train.ema",
            f"optimizer '{name}' averages the weights itself, and train.ema = {recipe.train.ema:g} asks for a second "
            "average; leave train.ema at 0, or use another optimizer, such as 'adamw'",
        )
    if not closure:
        return
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
    recipe: Recipe,
    spec: LossSpec,
    model: nn.Module,
    sample: tuple[torch.Tensor, torch.Tensor],
    *,
    loss: Loss | None = None,
) -> Iterator[str]:
    """Check outputs and targets of a sample against what the loss expects; raises an error with the remedy.

    `loss` is the one that `fit` was given or made. There the doctor judges the range of labels, and options of torch's
    losses change what they expect.
    """
    x, y = sample
    output_units(model, x[:2])  # refuses a model that cannot take its input
    with isolated(recipe.train.seed), evaluating(model), torch.no_grad():
        output = model(x)
    foreign = loss is not None and type(loss) is not spec.factory
    # Over more than (N, C), torch's divergence is a sum over all elements, and any axis may be that of the classes.
    if foreign and spec.name == "kl_div" and (_option(loss, "log_target") or output.dim() > 2):
        return
    if loss is None or (y.is_floating_point() and spec.target != "binary"):
        losses.check_target(spec, y)
    losses.check_output(spec, output)
    yield from ()


def check_augmented(model: nn.Module, loss: Loss, train: Feed) -> None:
    """Try augmentation, and the loss on the soft targets that it makes, on a batch; raises an error with the remedy."""
    change: Any = getattr(train, "augment", None)
    if change is None:
        return
    x, y = train.take(min(train.batch_size, TRIED))
    soft_x, soft_y = augmented(change, (x.clone(), y.clone()), 0, torch.arange(len(x)))
    if not change.mixes:
        return
    try:
        computed_loss(lambda: loss(model(x), y), model)
    except ModelError:
        return  # it cannot take any targets, which is told of every loss
    try:
        computed_loss(lambda: loss(model(soft_x), soft_y), model)
    except ModelError as problem:
        names = " and ".join(f"augment.{name}" for name in ("mixup", "cutmix") if name in change.strengths)
        raise ModelError(
            f"the loss cannot take the soft targets that {names} makes",
            evidence=f"targets of shape {tuple(soft_y.shape)} and type {soft_y.dtype}; {problem.evidence}",
            remedy="let the loss take probabilities, as 'cross_entropy' and 'bce_with_logits' do, or leave "
            f"{names} out",
        ) from problem


def check_pairing(model: nn.Module, loss: Loss, sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Raise `ModelError` where torch broadcasts (N, 1) against (N,), so that every output meets every target."""
    x, y = sample[0][:TRIED], sample[1][:TRIED]
    try:
        with isolated(), evaluating(model), torch.no_grad():
            output = model(x)
    except Exception:
        return
    if not isinstance(output, torch.Tensor):
        return
    with evaluating(model):
        if not compares_all_pairs(loss, output, y):
            return
    raise ModelError(
        "the loss compares an output and a target of different shapes, every row with every other",
        evidence=f"the model's output has shape {(len(sample[0]), *output.shape[1:])}, the target "
        f"{tuple(sample[1].shape)}: with its targets in another order the loss is the same",
        remedy="give both the same shape, such as (N,): output.squeeze(-1), or target.unsqueeze(-1)",
    )


def check_left_over(model: nn.Module, data: Any, x: torch.Tensor) -> None:
    """Raise `DataError` where a DataLoader's last batch is a single sample that batch normalisation cannot train on."""
    if not isinstance(data, DataLoader) or data.drop_last or not isinstance(data.sampler, Sized):
        return
    if not isinstance(data.batch_size, int) or data.batch_size < 2 or len(data.sampler) % data.batch_size != 1:
        return
    if not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return
    frozen = {module for module in model.modules() if model.training and not module.training}  # on purpose
    try:
        with isolated(), evaluating(model), buffers_restored(model), torch.no_grad():
            for module in model.modules():
                module.training = module not in frozen
            model(x[:1])
    except ValueError as problem:
        if "more than 1 value per channel" not in str(problem):
            return
        raise DataError(
            "the last batch of the loader is a single sample, on which batch normalisation cannot train",
            evidence=f"{len(data.sampler)} samples in batches of {data.batch_size}; {first_line(problem)}",
            remedy="DataLoader(..., drop_last=True), or another batch_size",
        ) from problem
    except Exception:
        return  # whatever else a forward pass raises is told elsewhere


def _option(loss: Any, name: str) -> Any:
    return loss.keywords.get(name) if isinstance(loss, partial) else getattr(loss, name, None)
