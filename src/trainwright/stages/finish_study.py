"""A search as the source of a final model: its final run, the members of its last rung, and how to train more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from trainwright.data.feed import Feed
from trainwright.ensembles.course import Extra
from trainwright.ensembles.network import Network
from trainwright.errors import UsageError
from trainwright.search.entrant import Enter, RowEntrant
from trainwright.search.members import last_rung
from trainwright.stacked.states import tensors_of
from trainwright.stages.finish_material import form_of
from trainwright.stages.finish_sources import Found, stored_recipe
from trainwright.stages.finish_workshop import Workshop, once
from trainwright.stages.recipe import Recipe
from trainwright.stages.tune import Study

RUNG = 5
"""Trials of the last rung that become members: the number of members in the ensembles of the literature."""


def of_study(study: Study) -> tuple[Found, Workshop, Mapping[str, Feed]]:
    """Return the networks of a study, what trains more of its best configuration, and its splits.

    Raises `UsageError` where the search found no best configuration.
    """
    best, work = study.best, study.work
    if best is None or work is None:
        raise UsageError(
            "the study has no best configuration to finish",
            evidence="every trial failed" if work is not None else "it was not made by this process",
            remedy="search again; or finish the folder of its final run",
        )
    splits = {name: feed for name, feed in work.base.splits.items() if name == "validation"}
    if work.test is not None:
        splits["test"] = work.test
    form = form_of(work.base.info)
    networks = []
    if study.final is not None:
        steps = study.final.outcome.steps
        folder = None if study.final.folder is None else str(study.final.folder)
        networks = [Network(name="final run", model=study.final.model, trained={"final run": steps}, folder=folder,
                            recipe=stored_recipe(study.final.folder))]  # fmt: skip
    # Trials that share a frozen body were heads alone, which nobody can ask for a prediction.
    rung = (
        ()
        if work.shared is not None
        else rung_of(study.folder, work.enter(own_order=False), None if work.base.given else work.base.recipe)
    )
    found = Found(
        networks=tuple(networks),
        form=form,
        info=work.base.info,
        extras=rung,
        facts=work.base.facts.get("data") or {},
    )
    shop = Workshop(
        setup=lambda seed: work.final_setup(best.parameters, seed),
        enter=work.enter(own_order=True, whole=True),
        train=work.base.splits["train"],
        validation=work.base.splits.get("validation"),
        evaluation_loss=work.base.evaluation_loss,
        threads=int(work.base.recipe.train.threads),
        once=once(work.recipe),
        values=best.parameters,
    )
    return found, shop, splits


def rung_of(folder: Path | None, enter: Enter, recipe: Recipe | None = None) -> tuple[Extra, ...]:
    """Return the best trials of a search's last rung as members of other configurations; () where none are kept.

    `recipe` is the resolved one that the trials differ from, None where their networks were given in Python.
    """
    if folder is None:
        return ()
    networks = []
    for trial, weights in last_rung(folder, RUNG):
        entrant = enter(trial)
        if not isinstance(entrant, RowEntrant):
            continue
        model = entrant.member.model
        with torch.no_grad():
            for name, tensor in tensors_of(model):
                tensor.copy_(weights[name])
        networks.append(
            Network(
                name=f"trial {trial.number}",
                model=model.eval(),
                trained={f"trial {trial.number}": trial.steps},
                recipe={} if recipe is None else recipe.changed(trial.values).plain(),
            )
        )
    if not networks:
        return ()
    note = "trials of the search, each with hyperparameters of its own"
    return (Extra(method=f"last rung, best {len(networks)}", networks=tuple(networks), note=note, library=True),)
