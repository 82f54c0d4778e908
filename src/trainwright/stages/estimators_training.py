"""What the scikit-learn interface trains, and how its network is kept: the rows divided, scaled and given to `fit`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import nn

from trainwright.data.scaling import ArrayPlan, as_they_are, fit_features
from trainwright.data.splits import check_fractions, split_rows
from trainwright.defaults import BATCH_SIZE
from trainwright.errors import ModelError, RecipeError, UsageError
from trainwright.parts import losses, models
from trainwright.parts.catalogue import find
from trainwright.randomness import isolated
from trainwright.records import DataShape, Task
from trainwright.stages.choose import Facts, choose
from trainwright.stages.fit import fit
from trainwright.stages.given import changes_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.tensors import evaluating

FEWEST_TO_DIVIDE = 50
"""Rows from which some are held out: of fewer, the share held out would be too few to choose the best weights by."""
BATCHES, SMALLEST_BATCH = 16, 8
"""Batches that an epoch of few rows is divided into, and the fewest rows of each: in the longest run that a recipe
plans by itself, 100 rows would have 300 updates in batches of 64, too few to learn from."""
_ROWS = 4_096  # that go through the network at a time


@dataclass(frozen=True, kw_only=True)
class Form:
    """All that makes an estimator's network again, but for its weights.

    `outputs` are the classes or the columns of the target, `units` the network's own outputs.
    """

    model: str | Callable[[int, int], nn.Module]
    options: Mapping[str, Any]
    features: int
    outputs: int
    units: int
    task: Task

    def build(self, seed: int, sample: torch.Tensor | None = None) -> nn.Module:
        """Return the network with its first weights. Raises `ModelError` or `UsageError` where it cannot be made."""
        shape = DataShape(input_shape=(self.features,), outputs=self.units, task=self.task, groups=(1,) * self.features)
        with isolated(seed, "initialisation"):
            if isinstance(self.model, str):
                if models.is_factory(self.model):
                    return models.from_factory(self.model, shape, self.options)
                return models.build(self.model, shape, self.options, sample=sample)
            if self.options:
                raise UsageError(
                    f"{', '.join(self.options)} would not reach a network of your own",
                    remedy="set it in the function that makes the network",
                )
            if isinstance(self.model, nn.Module) or not callable(self.model):
                kind = type(self.model).__name__
                network = isinstance(self.model, nn.Module)
                raise UsageError(
                    "model is a network that is made already" if network else f"model cannot be {self.model!r}",
                    evidence=f"it is a {kind}; every fit begins with fresh weights"
                    if network
                    else f"its type is {kind}",
                    remedy="pass a function model(inputs, outputs) that makes the network, or a name such as 'mlp'",
                )
            made = self.model(self.features, self.units)
        if not isinstance(made, nn.Module):
            raise ModelError("model(inputs, outputs) made no torch.nn.Module", evidence=f"a {type(made).__name__}")
        return made

    def outputs_for(self, network: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Return the network's outputs `(n, units)` for prepared inputs, in float64."""
        exact = copy.deepcopy(network).double()
        with isolated(), evaluating(exact), torch.no_grad():
            found = torch.cat([exact(some.double()) for some in x.split(_ROWS)])
        return found.reshape(len(x), self.units)


def outputs_of(task: Task, outputs: int, loss: str) -> int:
    """Return the units that a network needs for so many classes or columns.

    Raises `UsageError` for a loss that is unknown, for another task, or not computed from logits.
    """
    spec = find(losses.CATALOGUE, losses.automatic(task, outputs) if loss == "auto" else loss, "loss")
    if task not in spec.tasks or spec.expects not in ("logits", "values"):
        fitting = [s.name for s in losses.CATALOGUE.values() if task in s.tasks and s.expects in ("logits", "values")]
        raise UsageError(
            f"the loss '{spec.name}' does not fit",
            evidence=f"it takes {spec.expects}, for {' or '.join(spec.tasks)}",
            remedy=f"known: {', '.join(fitting)}",
        )
    return spec.output_units(outputs)


def train_on(
    x: np.ndarray, y: np.ndarray, form: Form, *, settings: Mapping[str, Any], standardise: bool, validation: float
) -> tuple[Run, ArrayPlan]:
    """Return the run, and how inputs are prepared: learnt from the rows that trained, not from those held out.

    `settings` are those of `fit`; what they leave open is what a recipe would choose for such data.
    """
    check_fractions(validation, 0.0)
    labels = y if form.task == "classification" else None
    held = validation if len(x) >= FEWEST_TO_DIVIDE else 0.0
    parts = split_rows(len(x), labels=labels, validation=held, test=0.0, seed=settings["seed"])
    varies = bool((x[parts.train] != x[parts.train[:1]]).any())
    plan = as_they_are(x.shape[1:], axis=0, pixels=False)
    if standardise and varies:
        plan = fit_features(x, parts.train, axis=0)[0]
    targets = torch.from_numpy(np.array(y, dtype=np.int64 if labels is not None else np.float32))
    pairs = {
        name: (plan.apply(x[rows]), targets[rows])
        for name, rows in (("train", parts.train), ("validation", parts.validation))
        if len(rows)
    }
    folder = settings.get("folder")
    settled = {name: value for name, value in settings.items() if name != "folder"}
    rows = len(parts.train)
    wanted = settled.get("batch_size", min(int(BATCH_SIZE.value), max(rows // BATCHES, SMALLEST_BATCH)))
    if isinstance(wanted, int):
        settled["batch_size"] = min(wanted, rows)  # a learning curve fits to few rows, too
    recipe = _recipe(form, rows, labels, settled)
    network = form.build(settings["seed"], pairs["train"][0])
    run = fit(network, pairs["train"], pairs.get("validation"), recipe=recipe, folder=folder, progress=False)
    if run.outcome.best_step is None and not math.isfinite(run.outcome.best.get("train", {}).get("loss", math.nan)):
        raise ValueError(f"the network could not be trained: {run.outcome.reason}")
    return run, plan


def _recipe(form: Form, samples: int, labels: np.ndarray | None, settings: Mapping[str, Any]) -> Recipe:
    changes = changes_of({"verify": "off", **settings}, "an estimator")
    try:
        recipe = Recipe.of(None, **changes)  # refuses names that are unknown
    except RecipeError as problem:  # there is no recipe that the user knows of
        raise RecipeError(problem.problems, source="the estimator") from None
    counts = () if labels is None else tuple(np.bincount(labels).tolist())
    shape = DataShape(input_shape=(form.features,), outputs=form.outputs, task=form.task)
    facts = Facts(task=form.task, shape=shape, samples=samples, class_counts=counts)
    name = form.model if isinstance(form.model, str) else "a network of your own"
    chosen = {choice.setting: choice.value for choice in choose(facts, {**changes, "model.name": name})}
    chosen["data.task"] = form.task
    return recipe.completed({setting: value for setting, value in chosen.items() if not setting.startswith("model.")})


def to_bytes(network: nn.Module) -> bytes:
    """Return the weights and buffers as safetensors."""
    # Tied weights share storage, which safetensors refuses: a copy of each is written.
    return save({name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()})


def from_bytes(form: Form, weights: bytes) -> nn.Module:
    """Return the network of `form` with kept weights, in evaluation mode."""
    network = form.build(0)
    network.load_state_dict(load(weights))
    return network.eval()
