"""Copies of batches in one piece of memory, taken at once.

A small block that is kept from the middle of every step parts the memory that the program takes and gives back in each:
its large tensors then come from pages that are new each time, which made steps of small networks up to a tenth slower.
"""

from __future__ import annotations

import torch


class Storage:
    """Room for so many numbers of the first kind that comes; what does not fit, or lies elsewhere, is copied alone."""

    def __init__(self, numbers: int) -> None:
        self._numbers = numbers
        self._room: torch.Tensor | None = None
        self._used = 0

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of `tensor`, of the same shape, without a graph."""
        given = tensor.detach()
        if not given.is_cpu or given.layout is not torch.strided or torch.is_inference_mode_enabled():
            return given.clone()
        if self._room is None:
            self._room = torch.empty(self._numbers, dtype=given.dtype, device=given.device)
        end = self._used + given.numel()
        if end > self._numbers or given.dtype != self._room.dtype:
            return given.clone()
        place = self._room[self._used : end].view(given.shape)
        self._used = end
        return place.copy_(given)
