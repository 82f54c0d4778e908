"""The weights of K models as a few tensors: a row of one matrix for what is trained, a stack of each buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from trainwright.stacked.layout import Layout
from trainwright.stacked.member import Member

PIECE = 2**19
"""Trained numbers that are computed at once, which bounds what a step needs beside the weights.

Measured on one core for rows of 26,122 numbers, microseconds a row: 203 as pieces of four rows, 173 of eight, 164 of
sixteen, 160 of 64. What autograd keeps of 64 rows at once had cost 197, for memory that was asked for and given back.
"""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some rows of a stack that lie next to each other and are computed at once, all on the stack's memory.

    `leaves` `(k, *shape)` are what is trained, `constants` the parameters that nothing moves and `buffers` the buffers,
    contiguous: batch normalisation updates what is not contiguous in a copy, and the update is lost. A constant that is
    equal in all rows of the stack is kept once, without the k, and named in `shared`. `gradient` `(k, P)` holds the
    gradients, `slopes` the same by parameter.
    """

    rows: slice
    leaves: dict[str, torch.Tensor]
    constants: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    shared: frozenset[str]
    gradient: torch.Tensor
    slopes: dict[str, torch.Tensor]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows.stop - self.rows.start

    def store(self, gradients: Sequence[torch.Tensor | None]) -> list[bool]:
        """Put the gradients of the leaves into the stack's, zeros where there is none; return which there are."""
        parts = [
            (torch.zeros_like(leaf) if gradient is None else gradient).reshape(len(self), -1)
            for leaf, gradient in zip(self.leaves.values(), gradients, strict=True)
        ]
        torch.cat(parts, 1, out=self.gradient)
        return [gradient is not None for gradient in gradients]


class Stack:
    """Parameters and buffers of K rows.

    `flat` `(K, P)` holds all that is trained, a row for each member and in it the columns of `layout`; `gradient` its
    gradient. `buffers` are stacks `(K, *shape)`. `pieces` are the rows as they are computed.
    """

    def __init__(self, layout: Layout, members: Sequence[Member]) -> None:
        self.layout = layout
        parameters = [dict(member.model.named_parameters()) for member in members]
        buffers = [dict(member.model.named_buffers()) for member in members]
        with torch.no_grad():
            self.flat = torch.stack(
                [torch.cat([row[slot.name].detach().reshape(-1) for slot in layout.slots]) for row in parameters]
            )
            self._constants = {
                name: torch.stack([row[name].detach() for row in parameters]) for name in layout.constant
            }
            self.buffers = {name: torch.stack([row[name] for row in buffers]) for name in layout.buffers}
        self._lay_out()

    def _lay_out(self) -> None:
        self.gradient = torch.empty_like(self.flat)
        alike = {name: bool((stack == stack[:1]).all()) for name, stack in self._constants.items()}
        most = max(1, PIECE // self.layout.width)
        count = -(-len(self) // most)
        edges = [len(self) * number // count for number in range(count + 1)]  # pieces of one size, or nearly so
        self.pieces = [self._piece(slice(*ends), alike) for ends in pairwise(edges)]

    def _piece(self, rows: slice, alike: Mapping[str, bool]) -> Piece:
        def views(flat: torch.Tensor) -> dict[str, torch.Tensor]:
            slots = self.layout.slots
            return {
                slot.name: flat[rows, slot.start : slot.stop].view(rows.stop - rows.start, *slot.shape).detach()
                for slot in slots
            }

        return Piece(
            rows=rows,
            leaves={name: view.requires_grad_() for name, view in views(self.flat).items()},
            constants={name: stack[0] if alike[name] else stack[rows] for name, stack in self._constants.items()},
            buffers={name: stack[rows] for name, stack in self.buffers.items()},
            shared=frozenset(name for name, same in alike.items() if same),
            gradient=self.gradient[rows],
            slopes=views(self.gradient),
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.flat.shape[0]

    def row(self, flat: torch.Tensor, place: int) -> dict[str, torch.Tensor]:
        """Return row `place` of `flat` `(K, P)` by parameter, on the same memory."""
        return {slot.name: flat[place, slot.start : slot.stop].view(slot.shape) for slot in self.layout.slots}

    def tensors(self, place: int) -> dict[str, torch.Tensor]:
        """Return all parameters and buffers of a row, on the memory of the stack where there is one for each row."""
        constants = {name: stack[place] for name, stack in self._constants.items()}
        return {
            **self.row(self.flat, place),
            **constants,
            **{name: stack[place] for name, stack in self.buffers.items()},
        }

    def keep(self, places: Sequence[int]) -> None:
        """Let all rows but those at `places` go."""
        index = torch.tensor(places, device=self.layout.device)
        self.flat = self.flat.index_select(0, index)
        self._constants = {name: stack.index_select(0, index) for name, stack in self._constants.items()}
        self.buffers = {name: stack.index_select(0, index) for name, stack in self.buffers.items()}
        self._lay_out()

    def add(self, members: Sequence[Member]) -> None:
        """Take further rows in, behind the others."""
        further = Stack(self.layout, members)
        self.flat = torch.cat([self.flat, further.flat])
        self._constants = {
            name: torch.cat([stack, further._constants[name]]) for name, stack in self._constants.items()
        }
        self.buffers = {name: torch.cat([stack, further.buffers[name]]) for name, stack in self.buffers.items()}
        self._lay_out()
