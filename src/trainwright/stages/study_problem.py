"""What a study is about, in facts that another call in its folder must share."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from trainwright.data.batches import Batches
from trainwright.data.feed import Feed
from trainwright.parts import models
from trainwright.records.findings import Scalar
from trainwright.search.problem import Problem
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup
from trainwright.tensors import digest

LEFT_OUT = (
    "data.source", "data.test_source", "data.workers", "train.epochs", "train.steps", "train.seed", "train.device",
    "train.threads", "train.loggers", "train.verify", "train.compile", "train.checkpoint_activations",
)  # fmt: skip
"""Settings that change no score, or that the plan or the data's own digest speak for."""
SHAPES = "the model's parameters"


def problem_of(
    recipe: Recipe,
    base: Setup,
    searched: Iterable[str],
    *,
    loss: Any = None,
    factory: Callable[..., nn.Module] | None = None,
    default: nn.Module | None = None,
) -> Problem:
    """Return the problem of a search over the settings `searched`. `default` is what the factory makes of nothing."""
    searched = set(searched)
    facts = {f"the {name} data": feed_digest(feed) for name, feed in base.splits.items() if name != "test"}
    facts["the score"] = recipe.tune.score
    if loss is not None:
        facts["the loss"] = _described(loss)
    if factory is not None:
        facts["the factory"] = _name(factory)
    if default is not None:
        facts[SHAPES] = shapes(default)
    elif factory is None and models.is_factory(recipe.model.name):
        facts[SHAPES] = shapes(base.model)
        searched |= {SHAPES} if any(name.startswith("model.") for name in searched) else set()
    facts |= _settings(recipe)
    return Problem(facts=facts, searched=tuple(sorted(searched)))


def _settings(recipe: Recipe) -> dict[str, str]:
    """Return the settings that a score depends on, without those at their defaults: of those there may be more, in
    another version.
    """
    defaults = {name: setting.value for name, setting in Recipe().settings().items()}
    return {
        name: str(setting.value)
        for name, setting in recipe.settings().items()
        if name not in LEFT_OUT
        and not name.startswith(("tune.", "doctor."))
        and (name not in defaults or setting.value != defaults[name])
    }


def feed_digest(feed: Feed) -> str:
    """Return the SHA-256 over what a feed holds; of a loader's, over some hundred samples that are always the same."""
    parts = feed.in_order() if isinstance(feed, Batches) else [feed.take(512)]
    sha = hashlib.sha256(f"{feed.samples}|{feed.steps_per_epoch if not isinstance(feed, Batches) else 0}".encode())
    for x, y in parts:
        sha.update(digest({"x": x, "y": y}).encode())
    return sha.hexdigest()


def about_of(recipe: Recipe, default: nn.Module | None, test: Feed | None) -> dict[str, str]:
    """Return what a confirmation holds for, beside its values: the test data, and the configuration compared with."""
    text = repr(sorted(_settings(recipe).items()))
    text += "" if default is None else shapes(default)
    return {
        "default": hashlib.sha256(text.encode()).hexdigest(),
        "test": "" if test is None else feed_digest(test),
        "scored": "the best checkpoints",
    }


def shapes(model: nn.Module) -> str:
    """Return how many parameters a model has, and of which shapes, by their names."""
    named = [f"{name} {tuple(value.shape)}" for name, value in model.named_parameters()]
    text = ", ".join(named)
    return text if len(text) <= 120 else f"{len(named)} tensors, {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _name(function: Any) -> str:
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _described(loss: Any) -> str:
    """Return a loss by its name and its plain settings; a function of Python's by its name alone."""
    if inspect.isfunction(loss) or inspect.isbuiltin(loss):
        return _name(loss)
    own: Mapping[str, Any] = getattr(loss, "keywords", None) or getattr(loss, "__dict__", {})
    kept = {
        name: value for name, value in own.items() if isinstance(value, Scalar) and name not in ("training", "_version")
    }
    return _name(loss) + (
        f" ({', '.join(f'{name} = {value}' for name, value in sorted(kept.items()))})" if kept else ""
    )
