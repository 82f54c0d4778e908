"""The networks of stored runs, made again from their recipes, with their best weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from trainwright.data.dataset import Dataset
from trainwright.ensembles.network import Network
from trainwright.errors import ModelError, RunError, UsageError
from trainwright.parts import losses
from trainwright.parts.weights import put_in
from trainwright.runs.layout import RECIPE
from trainwright.runs.reader import StoredRun
from trainwright.stages.best_weights import best_weights
from trainwright.stages.network import network_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.sizes import choose_device

Factory = Callable[[], nn.Module]


def recipe_of(one: StoredRun) -> Recipe | None:
    """Return the recipe that rebuilds a run, None where model and data were given in Python."""
    if "[data]" not in one.recipe or "[model]" not in one.recipe:
        return None
    return Recipe.read(one.folder / RECIPE)


def network_from(
    one: StoredRun, recipe: Recipe | None, dataset: Dataset | None, model: Factory | None, facts: Mapping[str, Any]
) -> Network:
    """Return the network of a stored run with its best weights, made by its recipe, or by `model` where that is given.

    Raises `RunError` for a damaged checkpoint, `ModelError` where the weights do not fit, and `UsageError` where nobody
    knows how to make the network.
    """
    try:
        state, _ = best_weights(one.folder, one.outcome)
    except RunError as problem:
        raise RunError(
            f"{one.folder}: {problem.what}", evidence=problem.evidence, remedy=f"leave it out; or {problem.remedy}"
        ) from None
    made = _made(one, recipe, dataset, model)
    put_in(made, state, str(one.folder))
    steps = one.outcome.steps if one.outcome else len(one.chart.steps)
    return Network(
        name=one.folder.name,
        model=made,
        trained={str(one.folder): steps} if steps else {},
        folder=str(one.folder),
        classes=tuple(facts.get("classes", ())),
        preprocessing=facts.get("preprocessing", {}),
        recipe={} if recipe is None or model is not None else recipe.plain(),
    )


def _made(one: StoredRun, recipe: Recipe | None, dataset: Dataset | None, model: Factory | None) -> nn.Module:
    if model is not None:
        made = model() if not isinstance(model, nn.Module) else model
        if not isinstance(made, nn.Module):
            raise ModelError("model= must make a torch.nn.Module", evidence=f"it made a {type(made).__name__}")
        return made
    if recipe is None or dataset is None:
        raise UsageError(
            f"the model of {one.folder} was given in Python, and its folder holds the weights alone",
            remedy="finish it in Python: tw.finish(folders, validation, model=make_model)",
        )
    network = network_of(recipe, losses.CATALOGUE[recipe.loss.name], dataset.shape)[0]
    return network.to(choose_device(recipe.train.device))
