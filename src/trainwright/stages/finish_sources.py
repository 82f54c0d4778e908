"""Where the members of a finished model are from: runs in Python, folders of runs, and what their data were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.data.arrays import pair_tensors
from trainwright.data.batches import batches_of, is_pair
from trainwright.data.dataset import Dataset
from trainwright.data.feed import Feed
from trainwright.ensembles.answers import Form
from trainwright.ensembles.course import Extra, Material
from trainwright.ensembles.ensemble import taken_by
from trainwright.ensembles.network import Network
from trainwright.errors import ModelError, RunError, UsageError
from trainwright.parts import losses
from trainwright.records import RunInfo, Task
from trainwright.runs.layout import CHECKPOINTS, RECIPE, is_run
from trainwright.runs.reader import StoredRun, read_run
from trainwright.stages.finish_checks import check_data, check_tasks, check_unchanged
from trainwright.stages.network import network_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import load_data
from trainwright.stages.sizes import choose_device
from trainwright.stages.splits import dataset_batches
from trainwright.stages.train import Run
from trainwright.training import checkpoint

Factory = Callable[[], nn.Module]
FINAL = "final"
"""Where within the folder of a search its final run lies."""
_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Found:
    """Trained networks, how to read them, and what is known of where they are from.

    `recipe` is that of the first run and `dataset` its data, None where the data were given in Python. `extras` are
    networks that were not trained like the others, and `study` is the folder of the search that the first run ends.
    """

    networks: tuple[Network, ...]
    form: Form
    info: RunInfo
    recipe: Recipe | None = None
    dataset: Dataset | None = None
    extras: tuple[Extra, ...] = ()
    study: Path | None = None


def from_runs(runs: Sequence[Run]) -> Found:
    """Return the networks of runs that are still in memory: of each the best weights, which its model holds."""
    infos = [run.history.info for run in runs]
    check_tasks([_name(run, place) for place, run in enumerate(runs)], infos)
    seen: dict[int, str] = {}
    networks = []
    for place, run in enumerate(runs):
        name = _name(run, place)
        other = seen.setdefault(id(run.model), name)
        if other != name:
            raise UsageError(
                f"'{name}' and '{other}' are one model: the second training went over the first",
                remedy="train a model of its own in each run, or finish from the folders of the runs",
            )
        networks.append(
            Network(
                name=name,
                model=run.model,
                trained={name: run.outcome.steps} if run.outcome.steps else {},
                folder=None if run.folder is None else str(run.folder),
            )
        )
    return Found(networks=tuple(networks), form=form_of(infos[0]), info=infos[0])


def from_folders(folders: Sequence[Path], model: Factory | None, data_root: str | None = None) -> Found:
    """Return the networks of stored runs, built from their recipes with their best weights, and the data of the first.

    A run of a model that was given in Python needs `model`, which makes one. Raises `RunError` for a folder that holds
    no run or a damaged one, by name, `DataError` where the runs divide or prepare their data differently.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("a run is named twice", evidence=", ".join(map(str, folders)), remedy="name each run once")
    study = folders[0] if is_study(folders[0]) else None
    folders = [run_of(folder) for folder in folders]
    stored = [read_run(folder) for folder in folders]
    check_tasks([str(folder) for folder in folders], [one.info for one in stored])
    check_data(stored)
    recipes = [_recipe(one) for one in stored]
    known = [one.head.get("data", {}) for one in stored]
    dataset = load_data(recipes[0], data_root) if recipes[0] is not None else None
    if dataset is not None:
        check_unchanged(stored[0], dataset)
    networks = [
        _network(one, recipe, dataset, model, facts) for one, recipe, facts in zip(stored, recipes, known, strict=True)
    ]
    form = form_of(stored[0].info, dataset)
    return Found(
        networks=tuple(networks), form=form, info=stored[0].info, recipe=recipes[0], dataset=dataset, study=study
    )


def is_study(folder: Path) -> bool:
    """Say whether a folder is that of a search, whose final run lies within."""
    return is_run(folder / FINAL) and not is_run(folder)


def run_of(folder: Path) -> Path:
    """Return the folder of a run, of a search that of its final run."""
    return folder / FINAL if is_study(folder) else folder


def found_of(given: Any, model: Factory | None, data_root: str | None) -> Found:
    """Return the trained networks that were given in whatever form; raises `UsageError` for what is none."""
    several: list[Any] = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not several:
        raise UsageError("there is nothing to finish", remedy="give one run at least, or a study")
    if all(isinstance(one, Run) for one in several):
        return from_runs(several)
    if all(isinstance(one, str | Path) for one in several):
        return from_folders([Path(one) for one in several], model, data_root)
    strange = next((one for one in several if not isinstance(one, Run | str | Path)), None)
    raise UsageError(
        "finish takes runs or their folders, of one kind, or a study",
        evidence="it was given " + ("runs and folders together" if strange is None else f"a {type(strange).__name__}"),
        remedy="pass what tw.fit returned, the folders of runs, or what tw.tune returned",
    )


def material_of(found: Found, validation: Any, test: Any, *, networks: Sequence[Network] = ()) -> Material:
    """Return what a course begins with: `networks` are the members, by default those that were found.

    Raises `UsageError` where there is nothing to judge by, or what is judged by is to be tested on too.
    """
    dataset, members = found.dataset, tuple(networks or found.networks)
    if not members:
        raise UsageError("there is nothing to finish", remedy="let it train members: methods=('seeds',)")
    if validation is None and dataset is not None:
        validation = _split(found, "validation")
    if validation is None:
        raise UsageError(
            "there are no validation data to judge by",
            evidence="none were given" + ("" if dataset is None else ", and the recipe holds none out"),
            remedy="pass validation=(x, y) that no member was trained on, or set data.validation above 0",
        )
    if test is None and dataset is not None:
        test = _split(found, "test")
    if test is not None and _same(test, validation):
        raise UsageError(
            "test and validation are the same data: what is chosen by them would be praised by them",
            remedy="pass other data as test, or leave it out",
        )
    return Material(
        name=found.info.name,
        members=members,
        form=found.form,
        validation=feed_of(validation, members[0], "validation"),
        test=None if test is None else feed_of(test, members[0], "test"),
        classes=() if dataset is None else dataset.classes,
    )


def _same(one: Any, other: Any) -> bool:
    """Say whether data are the same: the same object, or pairs with equal inputs."""
    if one is other or not (is_pair(one) and is_pair(other)):
        return one is other
    first, second = (pair_tensors(list(pair), "the data")[0] for pair in (one, other))
    return first.shape == second.shape and torch.equal(first, second)


def _split(found: Found, name: str) -> Feed | None:
    """Return a split of the recipe's data as batches, None where there is none."""
    assert found.dataset is not None
    assert found.recipe is not None
    spec = losses.CATALOGUE[found.recipe.loss.name]
    device = next(found.networks[0].model.parameters()).device
    return dataset_batches(found.recipe, found.dataset, _BATCH, device, spec).get(name)


def form_of(info: RunInfo, dataset: Dataset | None = None) -> Form:
    """Return how the outputs of a run are to be read."""
    spec = losses.CATALOGUE.get(info.loss)
    task: Task = info.task or "classification"
    scaled = dataset is not None and task == "regression"
    return Form(
        task=task,
        expects=spec.expects if spec is not None else "logits",
        mean=dataset.target_mean if dataset is not None and scaled else (),
        std=dataset.target_std if dataset is not None and scaled else (),
    )


def feed_of(data: Any, network: Network, name: str) -> Feed:
    """Return data that were given as batches for `network`: a pair, or an iterable of pairs; a feed stays as it is."""
    device = next((str(weight.device) for weight in network.model.parameters()), "cpu")
    if is_pair(data):
        x, y = pair_tensors(list(data), f"the {name} data")
        y = y.float() if y.dtype == torch.float64 else y
        return batches_of((taken_by(network, x), y), batch_size=_BATCH, seed=0, device=device)
    if hasattr(data, "in_order") and hasattr(data, "take"):
        return data
    return batches_of(data, batch_size=_BATCH, seed=0, device=device)


def _name(run: Run, place: int) -> str:
    return run.folder.name if run.folder is not None else f"run {place + 1}"


def _recipe(one: StoredRun) -> Recipe | None:
    """Return the recipe that rebuilds a run, None where model and data were given in Python."""
    if "[data]" not in one.recipe or "[model]" not in one.recipe:
        return None
    return Recipe.read(one.folder / RECIPE)


def _network(
    one: StoredRun, recipe: Recipe | None, dataset: Dataset | None, model: Factory | None, facts: Mapping[str, Any]
) -> Network:
    try:
        state, _ = checkpoint.load(one.folder / CHECKPOINTS, "best")
    except RunError as problem:
        raise RunError(
            f"{one.folder}: {problem.what}", evidence=problem.evidence, remedy=f"leave it out; or {problem.remedy}"
        ) from None
    made = _made(one, recipe, dataset, model)
    _load(made, state, one.folder)
    steps = one.outcome.steps if one.outcome else len(one.chart.steps)
    return Network(
        name=one.folder.name,
        model=made,
        trained={str(one.folder): steps} if steps else {},
        folder=str(one.folder),
        classes=tuple(facts.get("classes", ())),
        preprocessing=facts.get("preprocessing", {}),
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


def _load(model: nn.Module, state: Mapping[str, torch.Tensor], folder: Path) -> None:
    own = model.state_dict()
    missing, more = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = [name for name in own.keys() & state.keys() if own[name].shape != state[name].shape]
    if missing or more or other:
        told = [f"it lacks {missing[0]}"] if missing else []
        told += [f"it has {more[0]}, which the model has not"] if more else []
        told += [
            f"{name} has shape {tuple(state[name].shape)}, not {tuple(own[name].shape)}" for name in sorted(other)[:1]
        ]
        raise ModelError(
            f"the weights of {folder} do not fit the model",
            evidence="; ".join(told),
            remedy="build the model as it was when the run was made",
        )
    model.load_state_dict(dict(state))
