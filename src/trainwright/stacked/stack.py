"""The weights of K models as a few tensors: a row of one matrix for what is trained, a stack of each buffer."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainwright.stacked.layout import Layout
from trainwright.stacked.member import Member


class Stack:
    """Parameters and buffers of K rows.

    `flat` `(K, P)` holds all that is trained, a row for each member and in it the columns of `layout`; `gradient` its
    gradient. `leaves` are the same numbers as `(K, *shape)` for each parameter, `constants` the parameters that nothing
    moves and `buffers` the buffers, each `(K, *shape)` and contiguous: batch normalisation updates a stack that is not
    contiguous in a copy, and the update is lost. A constant that is equal in all rows is kept once, without the K, and
    named in `shared`.
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
        self.leaves = {slot.name: self.view(self.flat, slot.name).requires_grad_() for slot in self.layout.slots}
        alike = {name: bool((stack == stack[:1]).all()) for name, stack in self._constants.items()}
        self.shared = frozenset(name for name, same in alike.items() if same)
        self.constants = {name: stack[0] if alike[name] else stack for name, stack in self._constants.items()}

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.flat.shape[0]

    def view(self, flat: torch.Tensor, name: str) -> torch.Tensor:
        """Return the columns of parameter `name` in `flat` `(K, P)` as `(K, *shape)`, on the same memory."""
        slot = next(slot for slot in self.layout.slots if slot.name == name)
        return flat[:, slot.start : slot.stop].view(flat.shape[0], *slot.shape).detach()

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

    def store(self, gradients: Sequence[torch.Tensor | None]) -> list[bool]:
        """Put the gradients of the leaves into `gradient`, zeros where there is none; return which there are."""
        rows = len(self)
        parts = [
            self.flat.new_zeros(rows, slot.stop - slot.start) if gradient is None else gradient.reshape(rows, -1)
            for slot, gradient in zip(self.layout.slots, gradients, strict=True)
        ]
        torch.cat(parts, 1, out=self.gradient)
        return [gradient is not None for gradient in gradients]
