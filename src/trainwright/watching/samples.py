"""The samples that a loop trains on, as the model gets them: their statistics, from the first batches alone."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.records import InputStats
from trainwright.vitals.setup import input_stats
from trainwright.watching.sightings import Sightings

_SAMPLES = 1024
_BYTES = 8 * 2**20


class SampleBooks:
    """Keeps copies of the first inputs."""

    def __init__(self, sightings: Sightings, level: str) -> None:
        self._sightings = sightings
        self._inputs: list[torch.Tensor] = []
        self._kept = 0
        self._bytes = 0
        self._stats: tuple[int, InputStats | None] = (-1, None)

    @property
    def wanted(self) -> bool:
        """Whether more inputs are of use."""
        return self._kept < _SAMPLES and self._bytes < _BYTES

    def given(self, values: tuple[Any, ...]) -> None:
        """A model was given `values` to learn from."""
        first = next((value for value in values if isinstance(value, torch.Tensor)), None)
        if first is None or not first.is_floating_point() or first.dim() < 2 or not self.wanted:
            return
        if self._inputs and first.shape[1:] != self._inputs[0].shape[1:]:
            return
        self._inputs.append(first.detach().clone())
        self._kept += len(first)
        self._bytes += first.numel() * first.element_size()

    def stats(self) -> InputStats | None:
        """Return the statistics of the inputs so far."""
        if not self._inputs:
            return None
        if self._stats[0] != self._kept:
            together = torch.cat(self._inputs).cpu()  # syncs a device; asked in the first steps, and at the end
            self._stats = (self._kept, input_stats(together))
        return self._stats[1]
