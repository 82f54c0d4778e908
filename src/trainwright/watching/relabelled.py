"""Samples that come with another label than before: known again by their content, in steps that are looked at closely.

Exact for each sample; what is counted is how many of those that come again do. Labels that were torn from their inputs
agree no more often than chance lets them; those of a network that labels for itself, or of noise, do mostly.
"""

from __future__ import annotations

import math

import torch

from trainwright.vitals.data_rows import row_hashes
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_KEPT = 8192  # samples
_NUMBERS = 250_000  # of one batch, beyond which it is not hashed
_BATCH = 256  # samples of one that are


class RelabelledBooks:
    """Keeps the first label of each sample."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._labels: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._met = self._differ = 0
        self._level = 0  # batches that held each of their classes equally often, as those of an episode do
        self._batches = 0

    def labelled(self, x: torch.Tensor | None, target: object, place: Place | None) -> None:
        """A loss is computed to learn from: `target` belongs to what the model was given, `x`."""
        if not isinstance(target, torch.Tensor) or target.dtype != torch.int64 or target.dim() != 1 or x is None:
            return
        if x.dim() < 2 or len(x) != len(target) or len(x) < 2 or not x.is_cpu or not target.is_cpu:
            return
        if x[:_BATCH].numel() > _NUMBERS or not x.is_floating_point() or x.layout is not torch.strided:
            return
        some, labels = x.detach()[:_BATCH], target.detach()[:_BATCH].tolist()
        if labels == list(range(len(labels))):
            return  # places in the batch, of pairs that are told from all others
        counts = torch.bincount(target.detach() - target.min())
        self._batches += 1
        self._level += bool((counts[counts > 0] == counts.max()).all())
        for key, label in zip(row_hashes(some).tolist(), labels, strict=True):
            self._counts[label] = self._counts.get(label, 0) + 1
            known = self._labels.get(key)
            if known is not None:
                self._met += 1
                self._differ += known != label
            elif len(self._labels) < _KEPT:
                self._labels[key] = label
        if self._differ and 2 * self._level < self._batches:
            total = sum(self._counts.values())
            chance = 1 - math.fsum((count / total) ** 2 for count in self._counts.values())
            facts = {"met": self._met, "differ": self._differ, "chance": chance}
            self._sightings.note("labels-of-a-sample-change", place, facts, count=self._differ)
