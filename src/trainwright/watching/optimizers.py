"""The optimizers of a loop: how they were made, what they hold, and whether what they hold moves."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainwright.records import GroupFacts, OptimizerFacts
from trainwright.tensors import is_normalisation
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place, location
from trainwright.watching.sightings import Sightings

_ADAPTIVE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adafactor", "SparseAdam", "AdamP", "Lamb")
_DECOUPLED = ("AdamW", "Adafactor", "Lion", "Muon", "Lamb")
_FORMATIVE = 2  # steps after which an optimizer's groups are as they are meant


@dataclass(eq=False, slots=True)
class _Line:
    """Optimizers that were made one after the other over the same first parameter."""

    parameter: weakref.ref[Any]
    made: int = 0
    replaced: int = 0  # of them, how often one that had stepped gave way to another
    stepped: bool = False  # by the newest
    loaded: bool = False  # a state was loaded into one that has not stepped
    place: Place | None = None


class OptimizerBooks:
    """Keeps an `Owner` for every optimizer that was made or stepped."""

    def __init__(self, sightings: Sightings, owners: dict[int, Owner]) -> None:
        self._sightings = sightings
        self._owners = owners
        self._lines: dict[int, _Line] = {}
        self._facts: dict[int, tuple[Owner, OptimizerFacts]] = {}
        self._learnt: list[Owner] = []  # the last few that have stepped, which may be gone
        self._resumed: dict[int, tuple[weakref.ref[Any], Place | None]] = {}  # weights that were learnt, in new tensors
        self._without_state = 0  # how often these were learnt on by an optimizer that knew nothing

    def owner(self, optimizer: torch.optim.Optimizer, made: Place | None = None) -> Owner:
        """Return what is kept of an optimizer, and begin to keep it."""
        owner = self._owners.get(id(optimizer))
        if owner is None or owner.optimizer() is not optimizer:
            owner = Owner(optimizer=weakref.ref(optimizer), name=type(optimizer).__name__, made=made)
            self._owners.pop(id(optimizer), None)  # of an optimizer that is gone: the newest is to stand last
            self._owners[id(optimizer)] = owner
        return owner

    def made(self, optimizer: torch.optim.Optimizer, place: Place | None) -> Owner:
        """An optimizer was constructed."""
        owner = self.owner(optimizer, place)
        line = self._line(owner)
        if line is not None:
            line.made += 1
            line.replaced += line.stepped
            line.stepped = False
            line.place = place
            if line.replaced >= 2:
                self._sightings.note("optimizer-recreated", place, {"optimizer": owner.name}, count=line.replaced)
        return owner

    def drawn(self, weight: torch.Tensor) -> None:
        """A weight was drawn: where it was learnt before, that begins anew, and so does its optimizer."""
        line = self._lines.get(id(weight))
        if line is not None and line.parameter() is weight:
            line.stepped = False

    def loaded(self, optimizer: torch.optim.Optimizer, place: Place | None) -> None:
        """A saved state was loaded into an optimizer."""
        line = self._line(self.owner(optimizer))
        if line is not None and not line.stepped and optimizer.state:  # an empty state is nothing to lose
            line.loaded, line.place = True, place

    def weights_loaded(self, module: nn.Module, place: Place | None) -> None:
        """Weights were loaded: see whether they are, bit by bit, those that an earlier optimizer has come to."""
        own = {id(parameter): parameter for parameter in module.parameters()}
        for owner in self._learnt:
            witness = owner.witness
            if witness is None or id(witness) in own or not bool(witness.detach().any()):
                continue
            if any(part.shape == witness.shape and torch.equal(part, witness) for part in own.values()):
                alive = {key: kept for key, kept in self._resumed.items() if kept[0]() is not None}
                self._resumed = alive | {key: (weakref.ref(part), place) for key, part in own.items()}
                return

    def stepping(self, owner: Owner, resumed: bool) -> None:
        """An optimizer is about to step; `resumed` says that a schedule of it was loaded from an earlier run."""
        optimizer = owner.optimizer()
        if owner.steps > 0 or optimizer is None:
            return
        line = self._line(owner)
        keeps_state = _momentum(optimizer.param_groups[0]) or owner.name in _ADAPTIVE
        if line is not None:
            if (line.loaded or resumed) and keeps_state and not optimizer.state:
                self._sightings.note("optimizer-state-lost", line.place or owner.made, {"optimizer": owner.name})
            line.stepped, line.loaded = True, False
            first = next(owner.parameters())
            weights, place = self._resumed.pop(id(first), (None, None))
            if weights is not None and weights() is first and keeps_state and not optimizer.state:
                self._without_state += 1
                facts = {"optimizer": owner.name}
                self._sightings.note("weights-resumed-alone", place, facts, count=self._without_state)

    def stepped(self, owner: Owner) -> None:
        """An optimizer has stepped for the first time."""
        self._learnt = [*self._learnt[-3:], owner]
        line = self._line(owner)
        if line is not None:
            line.stepped = True

    def sharing(self, module: nn.Module) -> list[Owner]:
        """Return the optimizers that hold parameters of `module`."""
        ids = {id(parameter) for parameter in module.parameters()}
        return [
            owner
            for owner in self._owners.values()
            if (owner.witness is not None and id(owner.witness) in ids)
            or (owner.witness is None and any(id(parameter) in ids for parameter in owner.parameters()))
        ]

    def note_facts(self, owner: Owner, models: Iterable[nn.Module]) -> None:
        """Write down what an optimizer's groups are like, and how many steps it made."""
        optimizer = owner.optimizer()
        known = self._facts.get(id(owner))
        if optimizer is not None and (known is None or owner.steps <= _FORMATIVE):
            names, plain = _names(models)
            groups = tuple(_group(optimizer, group, names, plain) for group in optimizer.param_groups)
            facts = OptimizerFacts(
                name=owner.name,
                where=location(owner.made),
                step_where=location(owner.step_place),
                steps=owner.steps,
                adaptive=owner.name in _ADAPTIVE,
                groups=groups,
            )
            self._facts[id(owner)] = (owner, facts)

    def line(self) -> Place | None:
        """Return a line that steps an optimizer."""
        return next((owner.step_place for owner, _ in self._facts.values()), None)

    def records(self, decay_to_gradient: Mapping[int, float]) -> tuple[OptimizerFacts, ...]:
        """Return the facts of all optimizers that have stepped; the argument is by the id of their owners."""
        known = []
        for owner, facts in self._facts.values():
            ratio = decay_to_gradient.get(id(owner))
            groups = tuple(replace(group, decay_to_gradient=ratio if group.decay else None) for group in facts.groups)
            known.append(replace(facts, steps=owner.steps, groups=groups))
        return tuple(known)

    def _line(self, owner: Owner) -> _Line | None:
        first = next(owner.parameters(), None)
        if first is None:
            return None
        line = self._lines.get(id(first))
        if line is None or line.parameter() is not first:
            line = self._lines[id(first)] = _Line(parameter=weakref.ref(first))
        return line


def _names(models: Iterable[nn.Module]) -> tuple[dict[int, str], set[int]]:
    """Return the names of parameters by their ids, and the ids of those that weight decay does not suit."""
    names: dict[int, str] = {}
    plain: set[int] = set()
    for model in models:
        for path, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                names[id(parameter)] = f"{path}.{name}".lstrip(".")
                if name.endswith("bias") or is_normalisation(module):
                    plain.add(id(parameter))
    return names, plain


def _group(
    optimizer: torch.optim.Optimizer, group: Mapping[str, Any], names: Mapping[int, str], plain: set[int]
) -> GroupFacts:
    parameters = list(group["params"])
    mine = [parameter for parameter in parameters if id(parameter) in plain]
    betas = group.get("betas") or ()
    return GroupFacts(
        parameters=len(parameters),
        elements=sum(parameter.numel() for parameter in parameters),
        rate=float(group.get("lr", 0.0)),
        decay=float(group.get("weight_decay") or 0.0),
        decoupled=type(optimizer).__name__ in _DECOUPLED or bool(group.get("decoupled_weight_decay")),
        epsilon=_number(group.get("eps")),
        momentum=_number(group.get("momentum")),
        betas=tuple(float(beta) for beta in betas) if isinstance(betas, tuple | list) else (),
        undecayable=len(mine),
        names=tuple(names[id(parameter)] for parameter in mine[:3] or parameters[:3] if id(parameter) in names),
        dtype=str(parameters[0].dtype).replace("torch.", "") if parameters else "float32",
    )


def _momentum(group: Mapping[str, Any]) -> bool:
    return bool(group.get("momentum"))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
