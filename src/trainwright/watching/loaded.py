"""Weights that were loaded for nothing: drawn again before the first step, or loaded onto themselves. Exact."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.watching.owners import Owner
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_HALF = 0.5  # share of the matrices that were loaded, which are drawn again, and the first one: others are a new head


@dataclass(eq=False, slots=True)
class _Load:
    """One call of `load_state_dict` on weights that no optimizer had moved before."""

    weights: Mapping[int, weakref.ref[Any]]

    place: Place | None
    drawer: Place | None = None  # the line that drew one of them again
    drawn: set[int] = field(default_factory=set)


class LoadedBooks:
    """Follows what was loaded from the loading to the first step."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._loads: list[_Load] = []
        self._moved: dict[int, weakref.ref[Any]] = {}  # by optimizers, which may be gone

    def loaded(self, module: nn.Module, state: Any, place: Place | None) -> None:
        """Weights were loaded into a module."""
        moved = {key for key, reference in self._moved.items() if reference() is not None}
        matrices = {name: weight for name, weight in module.named_parameters() if weight.dim() > 1}
        fresh = {name: weight for name, weight in matrices.items() if id(weight) not in moved}
        if not fresh or len(fresh) < len(matrices) or not isinstance(state, Mapping):
            return  # it has learnt something: the state may be an earlier one of its own
        same = [name for name, weight in fresh.items() if _shares_memory(state.get(name), weight)]
        if len(same) == len(fresh):
            facts = {"count": len(same), "total": len(matrices), "names": ", ".join(same[:3])}
            self._sightings.note("weights-loaded-onto-themselves", place, facts)
            return
        given = {id(weight): weakref.ref(weight) for name, weight in fresh.items() if name in state}
        if given:
            self._loads = [*self._loads[-7:], _Load(given, place)]

    def initialised(self, weight: torch.Tensor, place: Place | None) -> None:
        """A function of `torch.nn.init` filled a weight."""
        for load in self._loads:
            known = load.weights.get(id(weight))
            if known is not None and known() is weight:
                load.drawn.add(id(weight))
                load.drawer = load.drawer or place

    def stepping(self, owner: Owner) -> None:
        """An optimizer is about to make its first step."""
        self._moved = {key: reference for key, reference in self._moved.items() if reference() is not None}
        self._moved |= {id(parameter): weakref.ref(parameter) for parameter in owner.parameters()}
        if not self._loads:
            return
        mine = {id(parameter) for parameter in owner.parameters()}
        for load in self._loads:
            whole = next(iter(load.weights)) in load.drawn and len(load.drawn) > _HALF * len(load.weights)
            if load.weights.keys() & mine and whole:
                line = 0 if load.drawer is None else load.drawer[1]
                facts = {"count": len(load.drawn), "total": len(load.weights), "line": line}
                self._sightings.note("weights-drawn-after-loading", load.place, facts)
        self._loads = [load for load in self._loads if not load.weights.keys() & mine]


def _shares_memory(value: Any, weight: torch.Tensor) -> bool:
    if not isinstance(value, torch.Tensor) or value.is_meta or value.layout is not torch.strided:
        return False
    return value.shape == weight.shape and value.data_ptr() == weight.data_ptr() != 0
