"""What a command line names: a recipe, or a factory of one's own that makes model, loss and data."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from typing import Any

import torch
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.errors import ModelError, UsageError, did_you_mean
from trainwright.parts import models
from trainwright.parts.own_model import made_by
from trainwright.randomness import isolated
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import load_data, prepare
from trainwright.stages.subject import subject_of
from trainwright.stages.verify import subject_from
from trainwright.tensors import computing_with

_ORDER = ("model", "loss", "data", "optimizer", "schedule", "validation")
_KEYS = (*_ORDER, "planned_steps", "penalty", "seed")
_FORM = "return (model, loss, data), or a dict with these keys and, where you like, " + ", ".join(_KEYS[3:])


def subject_named(target: str, changes: Mapping[str, Any], data_root: str | None = None) -> Subject:
    """Return the subject that `target` names: a recipe's file, or "package.module:factory".

    The factory is called without arguments and returns `(model, loss, data)`, further optimizer, schedule and
    validation data in this order, or a dict of them. Raises `UsageError` and `ModelError` where it does not.
    """
    if names_recipe(target):
        recipe = Recipe.read(target, changes)
        return subject_from(prepare(recipe, load_data(recipe, data_root), data_root))
    return subject_of(**factory_parts(target, changes))


def names_recipe(target: str) -> bool:
    """Say whether a target is the file of a recipe rather than a factory."""
    return not models.is_factory(target) or target.endswith(".toml")


def factory_parts(target: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the factory "package.module:factory" makes, by name: model, loss, data and what else it gives.

    Raises `UsageError` and `ModelError` where it does not, and where `changes` would go to a recipe.
    """
    if changes:
        raise UsageError(
            "--set changes a recipe, and a factory has none", evidence=f"{target} is a factory", remedy="leave it out"
        )
    # Under a fixed seed, so that two looks see the same; its own words do not go where the answer goes.
    with isolated(0, "factory"), redirect_stdout(sys.stderr):
        made = made_by(target, _no_arguments(target), remedy=_FORM)
    parts = _parts(target, made)
    if not isinstance(parts["model"], nn.Module):
        raise ModelError(
            f"the factory {target} gave no torch.nn.Module as the model",
            evidence=f"it is a {type(parts['model']).__name__}",
            remedy=_FORM,
        )
    return parts


def planned_threads(subject: Subject) -> AbstractContextManager[None]:
    """Compute with the threads that the recipe plans, as its training will; of a factory, with torch's own number."""
    planned = subject.info.setting("train.threads")
    return computing_with(planned if isinstance(planned, int) else torch.get_num_threads())


def _no_arguments(target: str) -> Callable[[Callable[..., Any]], inspect.BoundArguments]:
    def bind(factory: Callable[..., Any]) -> inspect.BoundArguments:
        signature = inspect.signature(factory)
        try:
            return signature.bind()
        except TypeError:
            raise UsageError(
                f"{target} cannot be called without arguments",
                evidence=f"its parameters are {signature}",
                remedy="give each a default",
            ) from None

    return bind


def _parts(target: str, made: Any) -> dict[str, Any]:
    if isinstance(made, Mapping):
        unknown = next((str(key) for key in made if key not in _KEYS), None)
        if unknown is not None:
            raise UsageError(f"{target} returned an unknown key '{unknown}'", remedy=did_you_mean(unknown, _KEYS))
        missing = next((key for key in _ORDER[:3] if key not in made), None)
        if missing is not None:
            raise ModelError(f"the factory {target} gave no {missing}", remedy=_FORM)
        return dict(made)
    if isinstance(made, Sequence) and not isinstance(made, str | bytes) and 3 <= len(made) <= len(_ORDER):
        return dict(zip(_ORDER, made, strict=False))
    is_module = isinstance(made, nn.Module)
    size = f" of {len(made)}" if isinstance(made, tuple | list) else ""
    raise ModelError(
        f"the factory {target} gave " + ("a model, but neither loss nor data" if is_module else "no model"),
        evidence=f"it returned a {type(made).__name__}{size}",
        remedy=_FORM,
    )
