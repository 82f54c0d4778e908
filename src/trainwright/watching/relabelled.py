"""Samples that come with another label than before: known again by their content, in steps that are looked at closely.

Exact for each sample; what is counted is how many of those that come again do, and whether two that had one label have
one again. Labels that were torn from their inputs do so no more often than chance lets them. Another task for the same
samples, or classes that are numbered anew, keep together what was together; what a network answers for itself, mostly.
"""

from __future__ import annotations

import math
import weakref
from collections import Counter

import torch
from torch import nn

from trainwright.vitals.data_rows import row_hashes
from trainwright.watching.losses import Given
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_KEPT = 8192  # samples
_NUMBERS = 250_000  # of one batch, beyond which it is not hashed
_BATCH = 256  # samples of one that are


class RelabelledBooks:
    """Keeps the first label of each sample that one model is asked for."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._last: weakref.ref[Given] | None = None  # of it and of its model, which are not held here
        self._root: weakref.ref[nn.Module] | None = None
        self._begin()

    def _begin(self) -> None:
        self._labels: dict[int, int] = {}
        self._counts: Counter[int] = Counter()
        self._met = self._differ = 0
        self._pairs = self._apart = 0  # samples that came again in one batch and had one label, and have two now
        self._level = 0  # batches that held each of their classes equally often, as those of an episode do
        self._batches = 0

    def labelled(self, given: Given | None, target: object, place: Place | None) -> None:
        """A loss is computed to learn from: `target` belongs to `given`, which a model had as its only input."""
        if given is None or (self._last is not None and self._last() is given):
            return  # a second loss of one pass asks something else
        if self._root is not None and self._root() is not given.root():
            self._begin()
        self._last, self._root, x = weakref.ref(given), given.root, given.x
        if not isinstance(target, torch.Tensor) or target.dtype != torch.int64 or target.dim() != 1:
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
        self._counts.update(labels)
        again: Counter[tuple[int, int]] = Counter()
        for key, label in zip(row_hashes(some).tolist(), labels, strict=True):
            known = self._labels.get(key)
            if known is not None:
                again[known, label] += 1
            elif len(self._labels) < _KEPT:
                self._labels[key] = label
        self._add(again)
        if self._differ and 2 * self._level < self._batches:
            total = sum(self._counts.values())
            chance = 1 - math.fsum((count / total) ** 2 for count in self._counts.values())
            facts = {"met": self._met, "differ": self._differ, "chance": chance}
            facts |= {"pairs": self._pairs, "apart": self._apart}
            self._sightings.note("labels-of-a-sample-change", place, facts, count=self._differ)

    def _add(self, again: Counter[tuple[int, int]]) -> None:
        """Count the samples of one batch that came again, by the label that they had and the one they have."""
        self._met += again.total()
        self._differ += sum(count for (known, label), count in again.items() if known != label)
        before: Counter[int] = Counter()
        for (known, _), count in again.items():
            before[known] += count
        pairs = sum(count * (count - 1) // 2 for count in before.values())
        self._pairs += pairs
        self._apart += pairs - sum(count * (count - 1) // 2 for count in again.values())
