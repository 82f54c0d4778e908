"""Where a module was made, and where a weight was last initialised: the lines that most faults of a model lie on."""

from __future__ import annotations

import weakref
from typing import Any

from torch import nn

from trainwright.watching.places import Place

_MOST = 20_000  # modules, and weights, that are remembered
_VALUES = 4  # of a weight


class Origins:
    """Remembers lines by identity; what is gone, or was copied from something else, has none."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[weakref.ref[Any], Place]] = {}
        self._initialised: dict[int, tuple[weakref.ref[Any], Place]] = {}
        self._filled: dict[int, tuple[int, list[float]]] = {}  # version, and first values, of what was initialised

    def made(self, module: nn.Module, place: Place | None) -> None:
        """A module begins to be: `place` is the line that makes it, or what it is made by."""
        _keep(self._made, module, place)

    def initialised(self, weight: Any, place: Place | None) -> None:
        """A function of `torch.nn.init` filled a weight."""
        _keep(self._initialised, weight, place)
        if id(weight) in self._initialised:
            self._filled[id(weight)] = (weight._version, _first(weight))

    def of_module(self, module: nn.Module | None) -> Place | None:
        """Return the line on which the user made a module."""
        return _find(self._made, module)

    def of_weight(self, weight: Any) -> Place | None:
        """Return the line that last initialised a weight; where its layer did so itself, the one that made it."""
        return _find(self._initialised, weight)

    def untouched(self, module: nn.Module) -> bool:
        """Say whether the matrices of a module are, still, what its own constructor drew: never loaded, never set."""
        made = self.of_module(module)
        matrices = [weight for weight in module.parameters(recurse=False) if weight.dim() > 1]
        if made is None or not matrices:
            return False
        return all(
            self.of_weight(weight) == made and _stands(weight, *self._filled.get(id(weight), (-1, [])))
            for weight in matrices
        )

    def as_drawn(self, weight: Any) -> bool:
        """Say whether a weight is, still, what a function of `torch.nn.init` put there."""
        return self.of_weight(weight) is not None and _stands(weight, *self._filled.get(id(weight), (-1, [])))

    def by_hand(self, module: nn.Module) -> Place | None:
        """Return the line on which the user initialised weights of a module that had been made already."""
        made = self.of_module(module)
        for weight in module.parameters(recurse=False):
            place = self.of_weight(weight) if weight.dim() > 1 else None
            if place is not None and place != made:
                return place
        return None


def _stands(weight: Any, version: int, values: list[float]) -> bool:
    """Say whether a weight is as it was: by values, as who averages it with itself writes into it and changes none."""
    return _first(weight) == values if values else weight._version == version


def _first(weight: Any) -> list[float]:
    """Return the first few values, which a write to `weight.data` changes and its version does not tell."""
    return weight.detach().reshape(-1)[:_VALUES].tolist() if weight.is_cpu else []


def _keep(books: dict[int, tuple[weakref.ref[Any], Place]], thing: Any, place: Place | None) -> None:
    if place is not None and len(books) < _MOST:
        books[id(thing)] = (weakref.ref(thing), place)


def _find(books: dict[int, tuple[weakref.ref[Any], Place]], thing: Any) -> Place | None:
    kept = books.get(id(thing))
    return None if kept is None or kept[0]() is not thing else kept[1]
