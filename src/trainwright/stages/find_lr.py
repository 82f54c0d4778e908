"""The verb find-lr: from a model and data in Python, or a recipe, to the rate that the finder gives."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.checks.footprint import untouched
from trainwright.data.batches import is_pair
from trainwright.data.dataset import Dataset
from trainwright.errors import ModelError, UsageError
from trainwright.parts import losses, optimizers
from trainwright.parts.catalogue import find as find_in
from trainwright.randomness import derive
from trainwright.records import Location
from trainwright.records import learning_rate as records
from trainwright.records.learning_rate import Method
from trainwright.report.notebook import WIDTH, bundle
from trainwright.report.rate_text import render_rate
from trainwright.search.finder import REPEATS, check, find
from trainwright.stages.find_lr_question import question_of, refuse_closure
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.named import NamedLoss, build_optimizer
from trainwright.stages.network import build_model
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import AUTO
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.stages.targets import factory_parts, names_recipe
from trainwright.tensors import computing_with


class LearningRate(records.LearningRate):
    """The finder's answer that can be printed: the rate, its interval, and the loss over the rates."""

    def text(self, *, plot: bool = True, color: bool = False, width: int = WIDTH) -> str:
        """Return what `trainwright find-lr` prints."""
        return render_rate(self, plot=plot, color=color, width=width)

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.text(color=True))


def find_lr(
    model: nn.Module,
    loss: Any,
    data: Any,
    *,
    optimizer: str | torch.optim.Optimizer = "adamw",
    validation: Any = None,
    method: Method = "array",
    repeats: int = REPEATS,
    trial_steps: int | None = None,
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    **settings: Any,
) -> LearningRate:
    """Return the learning rate that promises the lowest loss at the end of the planned run, or none, with the reason.

    `data` is an `(x, y)` pair of tensors or arrays, or an iterable of such pairs; the rates are judged by `validation`,
    of the same form, else by a fifth of the pair, another in each repeat, else by the training losses. `loss` is a
    function `loss(output, target)` or a name; `optimizer` a name, or a torch optimizer over the model's parameters, of
    which the groups keep their multiples of the rate. `settings` are those of `fit`, such as `epochs=20`,
    `batch_size=32` or `schedule="cosine"`: what is planned is what is tried, on fewer steps where the run is long.

    Each rate is a row of one array, trained from the same weights on the same batches for `trial_steps` updates: by
    default as many of the planned ones as cost no more than the run itself, or some seconds. `repeats` of it, with
    other orders of the batches, give the interval. `method="sweep"` is the classic test of one training with a rising
    rate. Nothing that is given is changed: weights, buffers, modes, optimizer state, order of the data, random state.

    Raises `UsageError` for a name, a setting or a number that is none, `DataError` and `ModelError` where the model
    cannot be trained on the data.
    """
    frame = sys._getframe(1)
    caller = Location(file=frame.f_code.co_filename, line=frame.f_lineno)
    check(method, repeats, trial_steps)
    if not isinstance(model, nn.Module):
        raise ModelError("model must be a torch.nn.Module", evidence=f"it is a {type(model).__name__}")
    if "lr" in settings:
        raise UsageError("find_lr() is asked for the rate, and was given one", remedy="leave lr out")
    function = losses.given(loss)[0]
    named = optimizer if isinstance(optimizer, str) else None
    if named is not None:
        find_in(optimizers.CATALOGUE, named, "optimizer")
    elif not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(
            "optimizer must be a name or a torch.optim.Optimizer", evidence=f"it is a {type(optimizer).__name__}"
        )
    own = None if isinstance(optimizer, str) else optimizer
    changes = {"train.device": _device(model), **changes_of(settings, "find_lr()")}
    if isinstance(loss, str):
        changes["loss.name"] = loss
    plan = Recipe.of(recipe, **changes, **({"optimizer.name": named} if named is not None else {}))
    if plan.optimizer.options.get("lr") is not None:
        plan = plan.changed({"optimizer.lr": AUTO})
    passed = None if isinstance(loss, str) else function
    found, _ = _rate_of(
        plan, model, data, validation, passed, own, caller, method=method, repeats=repeats, trial_steps=trial_steps
    )
    return LearningRate(**vars(found))


def rate_of_given(
    recipe: Recipe, model: nn.Module, train: Any, validation: Any, *, loss: Any, caller: Location
) -> tuple[records.LearningRate, float]:
    """Return what the finder says to what `fit` is given, and the rate that would be used without it."""
    plan = recipe.changed({"optimizer.lr": AUTO})
    return _rate_of(plan, model, train, validation, loss, None, caller)


def _rate_of(
    plan: Recipe,
    model: nn.Module,
    data: Any,
    validation: Any,
    loss: Any,
    optimizer: torch.optim.Optimizer | None,
    caller: Location,
    *,
    method: Method = "array",
    repeats: int = REPEATS,
    trial_steps: int | None = None,
) -> tuple[records.LearningRate, float]:
    refuse_closure(plan, optimizer)
    quiet = plan.changed({"doctor.level": "off"})
    loader = None if is_pair(data) else data
    with untouched(model, optimizer, loader, also=(loss,), feeds=(validation,), seed=plan.train.seed):
        setup = prepare_given(quiet, model, data, validation, loss=loss, optimizer=optimizer, caller=caller)
        question = question_of(setup, notes=("every repeat begins from the weights of the model",))
        found = find(question, method=method, repeats=repeats, trial_steps=trial_steps)
        return found, float(setup.recipe.optimizer.options.get("lr", 0.0))


def rate_of_recipe(
    recipe: Recipe,
    dataset: Dataset,
    data_root: str | None = None,
    *,
    method: Method = "array",
    repeats: int = REPEATS,
    trial_steps: int | None = None,
) -> tuple[records.LearningRate, Setup]:
    """Return what the finder says to a recipe, and the setup at the rate that would be used without it.

    Repeats begin from other weights, as other seeds would draw them.
    """
    check(method, repeats, trial_steps)
    plain = recipe.changed({"optimizer.lr": AUTO})
    setup = prepare(plain, dataset, data_root)
    refuse_closure(setup.recipe, None)

    spec = losses.CATALOGUE[setup.recipe.loss.name]
    named = NamedLoss(spec=spec, training=setup.loss, evaluation=setup.evaluation_loss, options={})

    def fresh(repeat: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        other = setup.recipe.resolved({"train.seed": derive(setup.recipe.train.seed, "finder", repeat) % 2**31})
        model, _ = build_model(other, named, dataset, torch.device(setup.recipe.train.device))
        return model, build_optimizer(other, model)[0]

    question = question_of(setup, fresh=fresh)
    with computing_with(int(setup.recipe.train.threads)):
        return find(question, method=method, repeats=repeats, trial_steps=trial_steps), setup


def find_lr_of_recipe(
    recipe: Recipe,
    data_root: str | None = None,
    *,
    method: Method = "array",
    repeats: int = REPEATS,
    trial_steps: int | None = None,
) -> records.LearningRate:
    """Return what the finder says to a recipe, whatever rate stands there."""
    dataset = load_data(recipe, data_root)
    return rate_of_recipe(recipe, dataset, data_root, method=method, repeats=repeats, trial_steps=trial_steps)[0]


def find_lr_named(
    target: str, changes: Mapping[str, Any], data_root: str | None = None, **asked: Any
) -> records.LearningRate:
    """Return the rate of what a command line names: a recipe's file, or "package.module:factory".

    Of a factory, model, loss, data, optimizer, schedule of the catalogue's names and validation data are used.
    """
    if names_recipe(target):
        return find_lr_of_recipe(Recipe.read(target, changes), data_root, **asked)
    parts = factory_parts(target, changes)
    more = {name: parts[name] for name in ("optimizer", "validation", "seed") if parts.get(name) is not None}
    if isinstance(parts.get("schedule"), str):
        more["schedule"] = parts["schedule"]
    if parts.get("planned_steps") is not None:
        more["recipe"] = {"train": {"steps": parts["planned_steps"]}}
    return find_lr(parts["model"], parts["loss"], parts["data"], **more, **asked)


def _device(model: nn.Module) -> str:
    return next((str(parameter.device) for parameter in model.parameters()), AUTO)
