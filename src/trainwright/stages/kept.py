"""What a run's folder keeps of its network: the best weights, the recipe, and what its data were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import RunError, UsageError
from trainwright.parts import losses
from trainwright.records import Finding, Outcome, RunInfo, from_plain
from trainwright.runs.layout import CHECKPOINTS, RECIPE
from trainwright.runs.reader import read_head
from trainwright.stages.best_weights import best_weights
from trainwright.stages.network import network_of
from trainwright.stages.recipe import Recipe


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
    state, notes = best_weights(folder, outcome)
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
        notes=notes,
    )


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
