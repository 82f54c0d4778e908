"""Where the members of a finished model are from: runs in Python, folders of runs, and what their data were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.data.dataset import Dataset
from trainwright.data.feed import Feed
from trainwright.ensembles.course import Extra
from trainwright.ensembles.network import Network
from trainwright.errors import RunError, UsageError
from trainwright.parts.outputs import Form
from trainwright.records import RunInfo
from trainwright.runs.layout import RECIPE, is_run
from trainwright.runs.reader import read_head, read_run
from trainwright.stages.finish_checks import check_data, check_tasks, check_unchanged
from trainwright.stages.finish_material import form_of
from trainwright.stages.finish_networks import Factory, network_from, recipe_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.setup import load_data

FINAL = "final"
"""Where within the folder of a search its final run lies."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Trained networks, how to read them, and what is known of where they are from.

    `recipe` is that of the first run and `dataset` its data, None where the data were given in Python. `extras` are
    networks that were not trained like the others, and `study` is the folder of the search that the first run ends.
    `facts` are those of the first run's data, `versions` those of the programs that trained it, and
    `train` what it was trained on, where that was given in Python and is still in memory.
    """

    networks: tuple[Network, ...]
    form: Form
    info: RunInfo
    recipe: Recipe | None = None
    dataset: Dataset | None = None
    extras: tuple[Extra, ...] = ()
    study: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    train: Feed | None = None


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
                recipe=stored_recipe(run.folder),
            )
        )
    head = _stored_head(runs[0].folder)
    return Found(
        networks=tuple(networks),
        form=form_of(infos[0]),
        info=infos[0],
        facts=head.get("data") or {},
        versions=head.get("versions") or {},
        train=runs[0].train,
    )


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
    recipes = [recipe_of(one) for one in stored]
    known = [one.head.get("data", {}) for one in stored]
    dataset = load_data(recipes[0], data_root) if recipes[0] is not None else None
    if dataset is not None:
        check_unchanged(stored[0], dataset)
    networks = [
        network_from(one, recipe, dataset, model, facts)
        for one, recipe, facts in zip(stored, recipes, known, strict=True)
    ]
    form = form_of(stored[0].info, dataset)
    return Found(
        networks=tuple(networks),
        form=form,
        info=stored[0].info,
        recipe=recipes[0],
        dataset=dataset,
        study=study,
        facts=known[0],
        versions=stored[0].head.get("versions") or {},
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


def _name(run: Run, place: int) -> str:
    return run.folder.name if run.folder is not None else f"run {place + 1}"


def _stored_head(folder: Path | None) -> Mapping[str, Any]:
    """Return what the folder of a run tells of it, {} where there is none."""
    try:
        return read_head(folder) if folder is not None else {}
    except RunError:  # removed since, or moved
        return {}


def stored_recipe(folder: Path | None) -> Mapping[str, Any]:
    """Return the recipe that makes a run's network again, {} where it was given in Python."""
    place = None if folder is None else folder / RECIPE
    if place is None or not place.is_file() or "[model]" not in place.read_text(encoding="utf-8"):
        return {}
    return Recipe.read(place).plain()
