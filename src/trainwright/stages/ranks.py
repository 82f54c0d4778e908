"""What several processes must have in common before they train one model: compared by hash, told once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from trainwright import __version__
from trainwright.errors import RunError, SaidElsewhere
from trainwright.parts import optimizers
from trainwright.stages.conditions import data_of, form_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO
from trainwright.stages.setup import Setup
from trainwright.training.distributed import Ranks

_OWN = ("data.source", "data.test_source", "train.device", "train.threads", "model.start")
"""Settings that are places on a machine, or its own."""


def check_divides(recipe: Recipe, world: int) -> None:
    """Raise `RecipeError` where the settings are none for `world` processes; before anything is read."""
    if world == 1:
        return
    size = recipe.train.batch_size
    if size == AUTO:
        raise recipe.problem(
            "train.batch_size",
            f"train.batch_size = 'auto' is found by trying on one device, and {world} are to train; find it there",
        )
    assert isinstance(size, int)
    if size % world and recipe.given("train.batch_size"):
        lower, upper = size // world * world, -(-size // world) * world
        near = f"{lower} or {upper}" if lower else f"{upper}"
        raise recipe.problem(
            "train.batch_size",
            f"train.batch_size = {size} is the batch of all {world} devices together, and {world} does not divide it; "
            f"use {near}",
        )
    sharded = recipe.distributed.sharded
    asked = {
        "train.precision": recipe.train.precision == "fp16",
        "train.compile": recipe.train.compile,
        "train.freeze": bool(recipe.train.freeze or recipe.train.unfreeze),
        "doctor.repair": recipe.doctor.repair == "apply",
        "train.clip_value": bool(recipe.train.clip_value),
        "loss.l1": bool(recipe.loss.options.get("l1")),
        "loss.l2": bool(recipe.loss.options.get("l2")),
    }
    for name, wanted in asked.items():
        if sharded and wanted:
            raise recipe.problem(
                name, f"{name} does not go with distributed.strategy = 'fsdp'; leave it out, or use 'ddp'"
            )


def notes_on(setup: Setup, ranks: Ranks) -> Iterator[str]:
    """Yield what is to be said of a training on several devices."""
    if not ranks.many:
        return
    size, many = setup.splits["train"].batch_size, ranks.world
    together = size * setup.recipe.train.accumulate
    yield (
        f"{many} devices share each batch of {size}, {size / many:g} samples on each; an update is made on {together} "
        "samples, as on one device, so that the learning rate is right as it is"
    )
    if setup.recipe.distributed.sharded:
        yield "each device holds a part of the model; the doctor cannot look at its layers and updates there"
    norms = any(isinstance(module, _BatchNorm) for module in setup.model.modules())
    if norms and not setup.recipe.distributed.sync_batch_norm:
        yield (
            f"batch normalisation sees {size / many:g} samples at a time and not {size}, so that the result is not "
            "that of one device; distributed.sync_batch_norm = true makes it see all of them"
        )
    if drops_out(setup.model):
        yield (
            f"dropout draws on each of {many} devices for its own samples, so that the result is that of one device "
            "with other draws, as under another seed"
        )


def drops_out(model: nn.Module) -> bool:
    """Say whether a model has dropout that is on: layers of it, or modules with a share of their own by that name."""
    return any(
        (isinstance(module, _DropoutNd) and module.p > 0)
        or (isinstance(share := getattr(module, "dropout", None), float) and share > 0)
        for module in model.modules()
    )


def check_same(setup: Setup, ranks: Ranks) -> None:
    """Raise `RunError` on the first rank, `SaidElsewhere` on others, where they are not about to train the same."""
    if not ranks.many:
        return
    settings = {name: one.value for name, one in setup.recipe.settings().items() if name not in _OWN}
    data = data_of(setup)["splits"]
    own = {
        **{f"[recipe] {name}": _short(value) for name, value in settings.items()},
        **{f"the data of {name}": _short(content) for name, content in data.items()},
        "the model's form": _short(form_of(setup.model)),
        "trainwright": __version__,
        "torch": torch.__version__,
    }
    said: list[Mapping[str, str]] = [json.loads(text) for text in ranks.everybody(json.dumps(own))]
    names = [name for name in said[0] if any(each.get(name) != said[0][name] for each in said)]
    names += [name for each in said for name in each if name not in said[0] and name not in names]
    if not names:
        return
    if not ranks.leads:
        raise SaidElsewhere("rank 0 says what differs")
    told = []
    for name in names[:5]:
        others = [str(rank) for rank, each in enumerate(said) if each.get(name) != said[0].get(name)]
        told.append(f"{name.removeprefix('[recipe] ')} on rank {', '.join(others)} is not that of rank 0")
    raise RunError(
        "the processes are not about to train the same model on the same data",
        evidence="; ".join(told) + (f"; and {len(names) - 5} more" if len(names) > 5 else ""),
        remedy="give all of them the same recipe, the same files and the same versions",
    )


def check_optimizer(setup: Setup) -> None:
    """Raise `RecipeError` for an optimizer that needs whole matrices, where each device holds a part of them."""
    recipe = setup.recipe
    name = recipe.optimizer.name
    known = optimizers.CATALOGUE.get(name)
    if recipe.distributed.sharded and name not in _ENTRYWISE:
        why = "evaluates the loss itself" if known is not None and known.closure else "is not computed entry by entry"
        raise recipe.problem(
            "optimizer.name",
            f"optimizer '{name}' {why}, which does not go with distributed.strategy = 'fsdp'; use 'adamw', or 'ddp'",
        )


_ENTRYWISE = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "nadam", "radam", "adamax", "adadelta", "lion")


def _short(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
