"""The verb load: a run folder or an export to a network that is ready for new data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import ModelError, RunError, UsageError, did_you_mean
from trainwright.parts import losses
from trainwright.records import Finding, Outcome, RunInfo, Task, from_plain
from trainwright.runs.layout import CHECKPOINTS, RECIPE, RUN, is_run
from trainwright.runs.reader import find_runs, read_head
from trainwright.serving import card as cards
from trainwright.serving import onnx_file, program
from trainwright.serving.answers import Reading
from trainwright.serving.model import Model
from trainwright.serving.scores import Loss
from trainwright.stages.network import network_of
from trainwright.stages.recipe import Recipe
from trainwright.training import checkpoint

WEIGHTS = "model.safetensors"
_FILES = (WEIGHTS, onnx_file.NAME, program.NAME, cards.JSON, RUN)  # that stand for the folder they lie in


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What a run's folder keeps of the best network: everything but the network itself.

    `facts` are those of the data, `versions` of the programs that trained. `outcome` is None where the run never came
    to its end.
    """

    folder: Path
    info: RunInfo
    recipe: Recipe
    preprocessing: Preprocessing
    facts: Mapping[str, Any]
    versions: Mapping[str, Any]
    outcome: Outcome | None
    findings: tuple[Finding, ...]
    state: Mapping[str, torch.Tensor]
    notes: tuple[str, ...]


def load(folder: str | Path, *, model: nn.Module | None = None) -> Model:
    """Return the trained network of a run, or of an export, with the preparation of its data: `.predict(data)`.

    `folder` is a run's, with its best weights, or one that `trainwright export` wrote, or the file in it that holds
    the network. A run of a network that was given in Python needs that network again: pass it as `model`; it gets the
    best weights, in place. Nothing is unpickled, but a recipe's own "package.module:factory" is imported.

    Raises `RunError` where there is no such run or export, where it is damaged, or where no weights were kept, and
    `ModelError` where the weights do not fit the network.
    """
    place = Path(folder)
    if place.is_file() and place.name in _FILES:
        place = place.parent
    if is_run(place):
        return of_run(read_kept(place), model)
    if (place / cards.JSON).is_file():
        return _of_export(place, model)
    near = find_runs(place if place.is_dir() else place.parent)
    raise RunError(
        f"{place} holds no run and no export" if place.exists() else f"there is no {place}",
        evidence="a run has a run.json, an export a card.json",
        remedy=did_you_mean(place.name, [path.name for path in near[:20]])
        if near
        else "make a run with: trainwright train RECIPE --folder DIR",
    )


def read_kept(folder: Path) -> Kept:
    """Read what the run in `folder` keeps. Raises `RunError` where it is damaged, or kept no weights."""
    head = read_head(folder)
    try:
        info = from_plain(RunInfo, head["info"])
        outcome = from_plain(Outcome, head["outcome"]) if head.get("outcome") else None
        findings = tuple(from_plain(Finding, plain) for plain in head.get("findings", []))
        facts = dict(head.get("data") or {})
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise RunError(
            f"the run in {folder} is damaged", evidence=f"run.json: {problem}", remedy="train it again"
        ) from None
    _check_weights(folder, outcome)
    state, manifest = checkpoint.load(folder / CHECKPOINTS, "best")
    notes = []
    if outcome is None:
        notes.append(
            f"the run has not come to its end; these are its best weights so far, of step {manifest['step']:,}"
        )
    elif outcome.status != "finished":
        notes.append(f"the run ended early ({outcome.status}: {outcome.reason}); these are its best weights")
    return Kept(
        folder=folder,
        info=info,
        recipe=Recipe.read(folder / RECIPE),
        preprocessing=Preprocessing.of(facts.get("preprocessing") or {"kind": "arrays"}),
        facts=facts,
        versions=head.get("versions") or {},
        outcome=outcome,
        findings=findings,
        state=state,
        notes=tuple(notes),
    )


def of_run(kept: Kept, given: nn.Module | None = None) -> Model:
    """Return the network of a run with its best weights; `given` is the one that the run trained, given in Python."""
    network = given if given is not None else rebuilt(kept.recipe, kept.preprocessing, kept.folder)
    _put_in(network, kept.state, kept.folder)
    return _model(network, kept.recipe, kept.preprocessing, kept.info.task, kept.notes)


def rebuilt(recipe: Recipe, preprocessing: Preprocessing, folder: Path) -> nn.Module:
    """Return the network that a resolved recipe describes, before its weights."""
    shape = preprocessing.shape
    if shape is None:
        raise UsageError(
            f"{folder} holds a run of a network that was given in Python, and does not say how to make it again",
            evidence=f"its {RECIPE} has no section [model]",
            remedy="load it in Python, with the network: tw.load(folder, model=Net())",
        )
    return network_of(recipe, losses.CATALOGUE[recipe.loss.name], shape)[0]


def _check_weights(folder: Path, outcome: Outcome | None) -> None:
    if (folder / CHECKPOINTS / "best.json").is_file():
        return
    if outcome is None:
        raise RunError(
            f"the run in {folder} never finished, and kept no weights",
            evidence="no evaluation came to its end before it stopped",
            remedy="let it go on with trainwright resume, or train it again",
        )
    raise RunError(
        f"the run in {folder} has no weights that are better than the untrained network's",
        evidence=f"it is {outcome.status}, its best step {outcome.best_step}; there is no checkpoint 'best'",
        remedy="see why with: trainwright report FOLDER; then train it again",
    )


def _put_in(network: nn.Module, state: Mapping[str, torch.Tensor], folder: Path) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as problem:
        words = [line.strip() for line in str(problem).splitlines()]
        raise ModelError(
            f"the weights in {folder} do not fit the network",
            evidence=" ".join(words[1:3])[:300] or words[0],
            remedy="make the network as it was in training: its code, or what it was given, has changed since",
        ) from None


def _of_export(folder: Path, given: nn.Module | None) -> Model:
    card = cards.read_card(folder)
    preprocessing = Preprocessing.of(card["preprocessing"])
    recipe = Recipe.of(card["recipe"])
    if card["format"] == "safetensors":
        network = given if given is not None else rebuilt(recipe, preprocessing, folder)
        try:
            _put_in(network, load_file(folder / WEIGHTS), folder)
        except (OSError, SafetensorError) as problem:
            raise RunError(
                f"{folder / WEIGHTS} cannot be read", evidence=str(problem), remedy="export the run again"
            ) from None
    elif given is not None:
        raise UsageError(
            f"an export to {card['format']} is a network already, and takes no weights over into another",
            remedy="leave model out",
        )
    elif card["format"] == "onnx":
        network = onnx_file.load(folder / onnx_file.NAME)
    else:
        network = program.load(folder / program.NAME)
    notes = () if not card.get("outcome") or card["outcome"]["status"] == "finished" else tuple(card["limits"][:1])
    return _model(network, recipe, preprocessing, card["model"].get("task"), notes)


def _model(
    network: nn.Module, recipe: Recipe, preprocessing: Preprocessing, task: Task | None, notes: tuple[str, ...]
) -> Model:
    target = preprocessing.target
    spec = losses.CATALOGUE.get(recipe.loss.name)
    resolved: Task = preprocessing.task or task or "classification"
    return Model(
        model=network.eval(),
        preprocessing=preprocessing,
        reading=Reading(
            task=resolved,
            expects=spec.expects if spec is not None else "logits",
            mean=target.mean if target is not None else (),
            std=target.std if target is not None else (),
        ),
        classes=preprocessing.classes,
        targets=() if target is None or preprocessing.classes else target.names,
        loss=_evaluation_loss(recipe),
        notes=notes,
    )


def _evaluation_loss(recipe: Recipe) -> Loss | None:
    """Return the loss of the run's evaluations, None where a name alone does not make it again."""
    spec = losses.CATALOGUE.get(recipe.loss.name)
    options = recipe.loss.options
    if spec is None or options.get("weights") == "balanced":  # by counts of classes that nobody kept
        return None
    own = {name: options[name] for name in spec.options if name in options and name not in spec.training_only}
    return spec.factory(**own)
