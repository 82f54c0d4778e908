"""The verb load: a run, a finished model or an export to a network that is ready for new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import RunError, UsageError, did_you_mean
from trainwright.parts import losses
from trainwright.parts.outputs import Form
from trainwright.parts.weights import put_in
from trainwright.records import Task, from_plain
from trainwright.runs.layout import FINISHED_MODEL, RUN, is_finished, is_run
from trainwright.runs.reader import find_runs
from trainwright.serving import card as cards
from trainwright.serving import onnx_file, program
from trainwright.serving.model import Model
from trainwright.serving.scores import Loss
from trainwright.stages.finished import Given, Plan, averaged, load_finished, member_of, read_plan
from trainwright.stages.kept import Kept, read_kept, rebuilt
from trainwright.stages.recipe import Recipe

WEIGHTS = "model.safetensors"
_FILES = (WEIGHTS, onnx_file.NAME, program.NAME, cards.JSON, RUN, FINISHED_MODEL)  # that stand for their folder


def load(folder: str | Path, *, model: Given | None = None) -> Model:
    """Return the trained network of a run, a finished model or an export, with the preparation: `.predict(data)`.

    `folder` is a run's, with its best weights, one that `finish` wrote, with its members, their shares, its temperature
    and its threshold as one network, or one that `trainwright export` wrote, or the file in it that holds the network.
    A network that was given in Python is needed again: pass it as `model`, and it gets the weights, in place; of a
    finished model with several members a function that makes one, or a list. Nothing is unpickled, but a recipe's own
    "package.module:factory" is imported.

    Raises `RunError` where there is no such folder, where it is damaged, or where no weights were kept, and
    `ModelError` where the weights do not fit the network.
    """
    place = Path(folder)
    if place.is_file() and place.name in _FILES:
        place = place.parent
    if is_run(place):
        return of_run(read_kept(place), _single(model))
    if is_finished(place):
        plan = read_plan(place)
        return of_plan(plan, load_finished(place, plan, model))
    if (place / cards.JSON).is_file():
        return _of_export(place, _single(model))
    near = find_runs(place if place.is_dir() else place.parent)
    raise RunError(
        f"{place} holds no run, no finished model and no export" if place.exists() else f"there is no {place}",
        evidence="a run has a run.json, a finished model a model.json, an export a card.json",
        remedy=did_you_mean(place.name, [path.name for path in near[:20]])
        if near
        else "make a run with: trainwright train RECIPE --folder DIR",
    )


def of_run(kept: Kept, given: nn.Module | None = None) -> Model:
    """Return the network of a run with its best weights; `given` is the one that the run trained, given in Python."""
    network = given if given is not None else rebuilt(kept.recipe, kept.preprocessing, kept.folder)
    put_in(network, kept.state, str(kept.folder))
    return _model(network, kept.recipe, kept.preprocessing, kept.info.task, kept.notes)


def of_plan(plan: Plan, network: nn.Module) -> Model:
    """Return a finished model whose members are one network already."""
    preprocessing = Preprocessing.of(plan.preprocessing)
    target, recipe = preprocessing.target, plan.members[0].recipe
    notes = []
    if plan.threshold is not None:
        second = f"'{plan.classes[1]}'" if len(plan.classes) == 2 else "class 1"
        notes.append(f"{second} is predicted from probability {plan.threshold.exact:.4g} on, for the costs given")
    return Model(
        model=network.eval(),
        preprocessing=preprocessing,
        form=plan.form,
        classes=plan.classes or preprocessing.classes,
        targets=() if target is None or preprocessing.classes else target.names,
        loss=_evaluation_loss(Recipe.of(recipe)) if recipe else None,
        notes=tuple(notes),
        threshold=None if plan.threshold is None else plan.threshold.exact,
    )


def _single(given: Given | None) -> nn.Module | None:
    """Return the one network that was given, made where a function was."""
    if given is None or isinstance(given, nn.Module):
        return given
    if isinstance(given, Sequence):
        raise UsageError(
            "a run has one network", evidence=f"model holds {len(given)}", remedy="pass the network that it trained"
        )
    return given()


def _of_export(folder: Path, given: nn.Module | None) -> Model:
    card = cards.read_card(folder)
    preprocessing = Preprocessing.of(card["preprocessing"])
    recipe = Recipe.of(card["recipe"])
    plan = _plan_of(card, folder)
    if card["format"] == "safetensors":
        network = given
        if network is None and plan is not None:
            network = averaged(plan, [member_of(folder, plan, number, None) for number in range(len(plan.members))])
        if network is None:
            network = rebuilt(recipe, preprocessing, folder)
        try:
            put_in(network, load_file(folder / WEIGHTS), str(folder))
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
    if plan is not None:
        return of_plan(plan, network)
    notes = () if not card.get("outcome") or card["outcome"]["status"] == "finished" else tuple(card["limits"][:1])
    return _model(network, recipe, preprocessing, card["model"].get("task"), notes)


def _plan_of(card: Mapping[str, Any], folder: Path) -> Plan | None:
    """Return how an export's members become one network, None where it is a single run's."""
    if not card.get("ensemble"):
        return None
    try:
        return from_plain(Plan, {**card["ensemble"], "preprocessing": card["preprocessing"]})
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise RunError(
            f"the card in {folder} is damaged", evidence=f"ensemble: {problem}", remedy="export the model again"
        ) from None


def _model(
    network: nn.Module, recipe: Recipe, preprocessing: Preprocessing, task: Task | None, notes: tuple[str, ...]
) -> Model:
    target = preprocessing.target
    spec = losses.CATALOGUE.get(recipe.loss.name)
    resolved: Task = preprocessing.task or task or "classification"
    return Model(
        model=network.eval(),
        preprocessing=preprocessing,
        form=Form(
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
