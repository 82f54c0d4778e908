"""What became of weights that a model was to start from: what fitted, what did not, and what was near."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Reshaped:
    """A tensor that the model and the source both have, of different shapes (or kinds of number): the model's stays."""

    name: str
    model: tuple[int, ...]
    source: tuple[int, ...]
    kinds: str = ""  # "int8 for float32", where the kind of number differs and not the shape


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a model took over from `source`, tensor by tensor (weights and buffers alike), under the model's own names.

    `missing` are tensors of the model for which the source has none; `unexpected` those of the source that nobody took,
    under its names; `near` maps a missing name to the unexpected one that it was most likely meant to be. `stripped`
    and `added` are the prefix that the source's names had and the model's have not, and the other way round. `head`
    names what of `reshaped` and its module belongs to a new head: it keeps the weights that it was made with.
    `numbers` counts what was taken over, `all_numbers` what the model has.
    """

    source: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[Reshaped, ...] = ()
    head: tuple[str, ...] = ()
    near: Mapping[str, str] = field(default_factory=dict)
    stripped: str = ""
    added: str = ""
    numbers: int = 0
    all_numbers: int = 0
    notes: tuple[str, ...] = ()

    @property
    def tensors(self) -> int:
        """How many tensors the model has."""
        return len(self.loaded) + len(self.missing) + len(self.reshaped)

    @property
    def new(self) -> tuple[str, ...]:
        """The model's tensors that keep what they were made with, in no particular order."""
        return (*self.missing, *(one.name for one in self.reshaped))
