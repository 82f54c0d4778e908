"""A finished model on the disk: its members' weights, how they become one answer, the table, the page; and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from trainwright import __version__
from trainwright.data.preprocessing import Preprocessing
from trainwright.ensembles.averaged import Averaged
from trainwright.ensembles.ensemble import Ensemble
from trainwright.errors import ModelError, RunError, UsageError
from trainwright.parts.outputs import Form
from trainwright.parts.weights import put_in
from trainwright.records import RunInfo, from_plain, to_plain
from trainwright.records.ensemble import Averaging, Threshold
from trainwright.report.finish_html import render_finish_html
from trainwright.runs import durable
from trainwright.runs.layout import FINISHED_FACTS, FINISHED_MODEL
from trainwright.runs.small import read_json
from trainwright.stages.finish_report import PAGE
from trainwright.stages.kept import rebuilt
from trainwright.stages.recipe import Recipe
from trainwright.tensors import digest
from trainwright.training import checkpoint

MEMBERS = "members"
SCHEMA = 1
Given = nn.Module | Callable[[], nn.Module] | Sequence[nn.Module]
"""What makes members that were given in Python again: a network or a function, for all, or a network for each."""


@dataclass(frozen=True, kw_only=True)
class MemberPlan:
    """A member: its share, the order of its outputs (() for the common one), and the recipe that makes its network.

    `recipe` is {} where the network was given in Python; `digest` is that of its weights.
    """

    name: str
    share: float
    digest: str
    order: tuple[int, ...] = ()
    recipe: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the members become one answer, and what their data were; `info` is that of the first run."""

    name: str
    form: Form
    average: Averaging
    members: tuple[MemberPlan, ...]
    temperature: float | None
    threshold: Threshold | None
    classes: tuple[str, ...]
    preprocessing: Mapping[str, Any]
    info: RunInfo
    facts: Mapping[str, Any]
    versions: Mapping[str, Any]


def write_finished(
    folder: Path, ensemble: Ensemble, info: RunInfo, facts: Mapping[str, Any], versions: Mapping[str, Any]
) -> None:
    """Keep a finished model in `folder`: whole, or not there. Raises `RunError` where the disk refuses."""
    members = [
        MemberPlan(
            name=network.name,
            share=share,
            digest=digest(network.model.state_dict()),
            order=network.order,
            recipe=network.recipe,
        )
        for network, share in zip(ensemble.members, ensemble.shares.tolist(), strict=True)
    ]
    plan = Plan(
        name=ensemble.info.name,
        form=ensemble.form,
        average=ensemble.info.average,
        members=tuple(members),
        temperature=ensemble.info.temperature,
        threshold=ensemble.info.threshold,
        classes=ensemble.info.classes,
        preprocessing=facts.get("preprocessing") or {"kind": "arrays"},
        info=info,
        facts=facts,
        versions={"trainwright": __version__, "trained_with": dict(versions)},
    )
    plain = {"schema": SCHEMA, **to_plain(plan)}
    texts = {
        FINISHED_MODEL: json.dumps({**plain, "seal": _seal(plain)}, indent=1) + "\n",
        FINISHED_FACTS: json.dumps(ensemble.to_json(), indent=1, allow_nan=False) + "\n",
        PAGE: render_finish_html(ensemble.info, ensemble.findings),
    }
    try:
        with durable.whole(folder, overwrite=True) as place:  # an empty folder may be there
            for number, network in enumerate(ensemble.members):
                state = network.model.state_dict()
                name = {"name": network.name}
                checkpoint.save(place / MEMBERS / f"{number:02d}", "best", state, step=network.steps or 0, facts=name)
            for file, text in texts.items():
                durable.write_synced(place / file, text.encode())
    except OSError as problem:
        raise RunError(
            f"{folder} cannot be written", evidence=problem.strerror or str(problem), remedy="choose another folder"
        ) from None


def read_plan(folder: Path) -> Plan:
    """Read how the model in `folder` is made. Raises `RunError` where that is damaged, or was never kept."""
    if not (folder / FINISHED_MODEL).is_file():
        raise RunError(
            f"the finished model in {folder} does not say how it is made",
            evidence=f"there is no {folder / FINISHED_MODEL}; earlier versions kept none",
            remedy="finish its runs again: trainwright finish RUNS",
        )
    try:
        plain = read_json(folder / FINISHED_MODEL)
        schema, seal = plain["schema"], plain.pop("seal")
        if isinstance(schema, int) and schema > SCHEMA:
            raise RunError(
                f"the finished model in {folder} was written by a newer trainwright",
                evidence=f"its schema is {schema}, this version reads up to {SCHEMA}",
                remedy="update trainwright",
            )
        if seal != _seal(plain):
            raise ValueError("it is not as it was written")
        return from_plain(Plan, plain)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise _damaged(folder, f"{FINISHED_MODEL}: {type(problem).__name__}: {problem}") from None


def load_finished(folder: Path, plan: Plan, given: Given | None = None) -> Averaged:
    """Return the finished model in `folder` with its weights; `given` makes members that were given in Python.

    Raises `RunError` for a damaged file, `ModelError` where weights do not fit, and `UsageError` for a member that
    nobody knows how to make.
    """
    made = [member_of(folder, plan, number, given) for number in range(len(plan.members))]
    for number, (one, network) in enumerate(zip(plan.members, made, strict=True)):
        state, manifest = checkpoint.load(folder / MEMBERS / f"{number:02d}", "best")
        if manifest.get("digest") != one.digest:
            raise _damaged(folder, f"the weights of '{one.name}' are not those that it was finished with")
        put_in(network, state, f"'{one.name}' in {folder}")
    return averaged(plan, made)


def averaged(plan: Plan, members: Sequence[nn.Module]) -> Averaged:
    """Return members as the one network that a plan makes of them."""
    return Averaged(
        [member.eval() for member in members],
        [one.share for one in plan.members],
        plan.form,
        average=plan.average,
        temperature=plan.temperature,
        order=[one.order for one in plan.members],
    ).eval()


def member_of(folder: Path, plan: Plan, number: int, given: Given | None) -> nn.Module:
    """Return the network of a member, before its weights."""
    one = plan.members[number]
    if given is None:
        if not one.recipe:
            raise UsageError(
                f"'{one.name}' in {folder} was given in Python, and the folder does not say how to make it again",
                evidence=f"it is member {number + 1} of {len(plan.members)}",
                remedy="load it in Python, with what makes the network: tw.load(folder, model=make_net)",
            )
        return rebuilt(Recipe.of(one.recipe), Preprocessing.of(plan.preprocessing), folder)
    if isinstance(given, Sequence):
        if len(given) != len(plan.members):
            raise UsageError(
                "model must have a network for each member",
                evidence=f"{len(given)} for {len(plan.members)} members",
                remedy="pass as many, in the order of the members, or one function that makes them all",
            )
        return given[number]
    made = deepcopy(given) if isinstance(given, nn.Module) else given()
    if not isinstance(made, nn.Module):
        raise ModelError("model must make a torch.nn.Module", evidence=f"it made a {type(made).__name__}")
    return made


def shared(plan: Plan, recipes: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return the plan as the part of an export's card; `recipes` leaves the places of files out."""
    members = tuple(replace(one, recipe=recipes(one.recipe)) for one in plan.members)
    return to_plain(replace(plan, members=members, facts={}, versions={}), strict=True)


def _seal(plain: Mapping[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _damaged(folder: Path, evidence: str) -> RunError:
    return RunError(f"the finished model in {folder} is damaged", evidence=evidence, remedy="finish its runs again")
