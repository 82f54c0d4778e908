"""A model that begins with weights that were trained before, and what is to be said of them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from trainwright.doctor.kinds_evaluation import WEIGHTS_NOT_LOADED
from trainwright.errors import ModelError
from trainwright.parts import pretrained
from trainwright.parts.weights import load
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.records.loading import Loaded
from trainwright.runs.layout import is_run
from trainwright.runs.reader import read_run
from trainwright.stages.recipe import Recipe
from trainwright.stages.start_sources import beside, given, named, path_of

_OURS = "trainwright.parts.pretrained"
MOST_NEW = 0.5
"""Share of the model's tensors that may begin anew (the head not counted): with more, it is hardly pretrained."""


def start_from(
    model: nn.Module,
    source: str | Path | Mapping[str, torch.Tensor] | nn.Module | Any,
    *,
    head: Literal["fitting", "new"] = "fitting",
    shapes: Literal["same", "any"] = "same",
) -> Loaded:
    """Give `model` the weights of `source`, in place, as far as they fit; return what did and what did not.

    `source` is the folder of a run, a .safetensors or .pt file, "hf:NAME", "timm:NAME", a state dict, another model, or
    what has one as its `.model` (a `Run`). Names may differ by what wrappers put before them. A head of another number
    of outputs keeps its own weights, with `head="new"` any head; with `shapes="any"` so does whatever has another
    shape.

    Raises `ModelError` where nothing fits, or another shape than the head's differs; `RunError` on a damaged file, or
    one that holds more than weights; `UsageError` where there is no such source. The model is then as it was.
    """
    if not isinstance(model, nn.Module):
        raise ModelError("model must be a torch.nn.Module", evidence=f"it is a {type(model).__name__}")
    found = given(source)
    loaded = load(model, found.state, source=found.source, head=head, shapes=shapes)
    return replace(loaded, notes=found.notes)


def begun(recipe: Recipe, model: nn.Module, *, channels: int | None = None) -> Loaded | None:
    """Give a model the weights that `model.start` of the recipe names; None where it names none.

    Raises as `start_from` does.
    """
    section = recipe.model
    if not section.start:
        return None
    found = named(section.start, home_of(recipe), channels=channels)
    loaded = load(model, found.state, source=found.source, head=section.start_head, shapes=section.start_shapes)
    return replace(loaded, notes=found.notes)


def home_of(recipe: Recipe) -> str | None:
    """Return the folder that the recipe lies in, None where it is no file."""
    return os.path.dirname(os.path.abspath(recipe.path)) if recipe.path else None


def with_network(recipe: Recipe) -> Recipe:
    """Return the recipe with the network of what it starts from, where it names no other: nobody describes it twice."""
    start = recipe.model.start
    if not start or recipe.given("model.name"):
        return recipe
    for prefix, factory in ((pretrained.TIMM, "timm"), (pretrained.HUGGING_FACE, "hf")):
        if start.startswith(prefix):
            name = beside(start.removeprefix(prefix), home_of(recipe))
            return recipe.completed({"model.name": f"{_OURS}:{factory}_network", f"model.{factory}": name})
    folder = path_of(start, home_of(recipe))
    if not is_run(folder):
        return recipe
    own = {"start", "start_head", "start_shapes"}
    described = tomllib.loads(read_run(folder).recipe).get("model", {})
    return recipe.completed({f"model.{key}": value for key, value in described.items() if key not in own})


def resolved_start(recipe: Recipe) -> dict[str, str]:
    """Return where the start lies by its absolute path, so that the kept recipe finds it from anywhere."""
    start = recipe.model.start
    for prefix in (pretrained.TIMM, pretrained.HUGGING_FACE):
        if start.startswith(prefix):
            return {"model.start": prefix + beside(start.removeprefix(prefix), home_of(recipe))}
    return {"model.start": str(path_of(start, home_of(recipe)).absolute())} if start else {}


def hardly_loaded(loaded: Loaded, where: Location) -> Finding | None:
    """Return the finding that most of a model begins anew although it was to start from weights; exact counts."""
    body = loaded.tensors - len(loaded.head)
    new = [name for name in loaded.new if name not in loaded.head]
    if not loaded.unexpected or len(new) <= MOST_NEW * body:
        return None
    return WEIGHTS_NOT_LOADED.finding(
        where=where,
        step=0,
        evidence=(
            Evidence(name=f"tensors that were not found, of {body}", value=len(new), threshold=MOST_NEW * body),
            Evidence(name="tensors of what was loaded that fit nowhere", value=len(loaded.unexpected), threshold=0),
            Evidence(name="among them", value=", ".join(loaded.unexpected[:3])),
        ),
        because="names that do not agree are passed over, and what they stand for begins with random weights",
        remedies=(Remedy(text="compare the names, which the notes before the run list, and rename one side"),),
    )
