"""`tw.fit`: train a network that was made in Python, on data that are there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.errors import UsageError
from trainwright.interruption import listening
from trainwright.parts import losses
from trainwright.records import Location
from trainwright.report.inline import RunProgress, in_notebook
from trainwright.runs.writer import check_free
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.ranks import check_divides
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.train import carry_out
from trainwright.training.distributed import joined


def fit(
    model: nn.Module,
    train: Any,
    validation: Any = None,
    *,
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    folder: str | Path | None = None,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Train `model` in place and return the `Run`; its `.model` is the same object with the best weights.

    `train` and `validation` are `(x, y)` pairs of tensors or arrays with the samples along the first axis, or iterables
    of such pairs (a DataLoader); they are used as given, neither scaled nor split. Of classes, the model gives raw
    scores `(N, C)` and `y` holds whole numbers `(N,)`; of labels and of quantities both are `(N, D)`.

    `settings` are keys of the recipe by their own name: `epochs=20`, `lr=0.1`, `batch_size=32`, `schedule="cosine"`;
    `loss` may also be a function `loss(output, target)`, `optimizer` a torch optimizer over the model's parameters;
    `start` names weights to begin from, as `start_from` takes them. In a notebook one display shows how the run goes,
    unless `progress` is off; elsewhere nothing is printed.

    Under torchrun all processes make one training together, each on its share of every batch; the folder is written by
    the first of them.

    Raises `UsageError` on a setting that does not exist, `DataError` or `ModelError` on data that cannot be trained on.
    A run that diverges is no exception: see `.outcome`.
    """
    caller = _caller()
    if isinstance(settings.get("start"), Path):
        settings["start"] = str(settings["start"])
    given: dict[str, Any] = {key: settings[key] for key in ("loss", "optimizer") if key in settings}
    objects = {key: value for key, value in given.items() if value is not None and not isinstance(value, str)}
    changes = changes_of({key: value for key, value in settings.items() if isinstance(value, str) or key not in given})
    _check_objects(objects, changes)
    path = Path(folder) if folder is not None else None
    asked = Recipe.of(recipe, **changes)
    with joined(asked.train.device) as ranks:
        with ranks.together():
            check_divides(asked, ranks.world)
            if path is not None and ranks.leads:
                check_free(path)
            setup = prepare_given(
                asked,
                model,
                train,
                validation,
                loss=objects.get("loss"),
                optimizer=objects.get("optimizer"),
                caller=caller,
            )
            if path is None and setup.recipe.train.loggers:
                raise setup.recipe.problem(
                    "train.loggers",
                    "train.loggers write into the folder of a run, and none is named; pass folder=..., or leave "
                    "loggers out",
                )
        watchers = [RunProgress(setup.info)] if progress and ranks.leads and in_notebook() else []
        with listening(own=False):
            return carry_out(setup, path if ranks.leads else None, watchers, ranks=ranks)


def _caller() -> Location:
    """Return the line that called `fit`, to which findings about its settings point; of an estimator, who called it."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_BETWEEN):
        frame = frame.f_back
    return Location(file=frame.f_code.co_filename, line=frame.f_lineno)


_BETWEEN = ("trainwright.stages.estimators", "sklearn.", "joblib.")
"""Modules that stand between the user's line and `fit`."""


def _check_objects(objects: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Refuse a loss or an optimizer that is neither a name nor the thing itself."""
    loss, optimizer = objects.get("loss"), objects.get("optimizer")
    if loss is not None:
        losses.given(loss)
    if optimizer is None:
        return
    if not isinstance(optimizer, torch.optim.Optimizer):
        evidence = f"it is a {type(optimizer).__name__}"
        raise UsageError("optimizer must be a name or a torch.optim.Optimizer", evidence=evidence)
    if isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError(
            "LBFGS evaluates the loss several times in a step, by a closure, which fit does not give it",
            remedy="use another optimizer, such as 'adamw'",
        )
    clash = next((key for key in changes if key.startswith("optimizer.")), None)
    if clash:
        raise UsageError(
            f"{clash} was given beside a ready optimizer",
            remedy="set it where you make the optimizer, or pass its name",
        )
