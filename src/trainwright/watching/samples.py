"""The samples that models are given, in training and in evaluation: copies of the first, and where they come from."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from trainwright.records import InputStats
from trainwright.records.findings import Scalar
from trainwright.vitals.data_rows import row_hashes
from trainwright.vitals.setup import input_stats
from trainwright.watching.loaders import Feed, LoaderBooks
from trainwright.watching.models import Pass
from trainwright.watching.overlap import Overlap, overlap
from trainwright.watching.places import Place
from trainwright.watching.preparation import FEWEST, prepared
from trainwright.watching.relation import FEWEST as FEWEST_PAIRS
from trainwright.watching.relation import relation
from trainwright.watching.sightings import Sightings
from trainwright.watching.storage import Storage
from trainwright.watching.surroundings import loop_line

_SAMPLES = 1024
_BYTES = 8 * 2**20
_MODELS = 8  # whose inputs are followed
_ORDERLY = ("SequentialSampler", "_InfiniteConstantSampler", "NoneType")
"""Samplers of those who did not ask for another order."""
_FEEDS = 4  # of each model, in training and in evaluation


@dataclass(eq=False, slots=True)
class _Kept:
    """Copies of inputs, and the loaders that they came from."""

    inputs: list[torch.Tensor] = field(default_factory=list)
    room: Storage | None = None  # that they lie in
    labels: list[torch.Tensor | None] = field(default_factory=list)  # of each of them, where they are classes
    samples: int = 0
    bytes: int = 0
    place: Place | None = None
    feeds: dict[int, Feed] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        return self.samples < _SAMPLES and self.bytes < _BYTES

    def keep(self, x: torch.Tensor, place: Place | None, feed: Feed | None) -> bool:
        """Keep a copy of `x`; say whether it came from a loader that is new here."""
        if not self.inputs:
            self.place = place
        fresh = feed is not None and id(feed) not in self.feeds and len(self.feeds) < _FEEDS
        if fresh and feed is not None:
            self.feeds[id(feed)] = feed
        if self.wanted and x.is_floating_point() and (not self.inputs or x.shape[1:] == self.inputs[0].shape[1:]):
            self.room = self.room or Storage(min(2 * _SAMPLES * x[:1].numel(), _BYTES // x.element_size()))
            self.inputs.append(self.room.copy(x))
            self.labels.append(None)
            self.samples += len(x)
            self.bytes += x.numel() * x.element_size()
        return fresh

    def together(self) -> torch.Tensor | None:
        """Return all of them on the CPU. Syncs a device: asked in the first steps, and seldom after."""
        return torch.cat(self.inputs).cpu() if self.inputs else None


@dataclass(eq=False, slots=True)
class _Student:
    """One model and what it was given."""

    root: weakref.ref[nn.Module]
    learnt: _Kept = field(default_factory=_Kept)
    asked: _Kept = field(default_factory=_Kept)
    looked: int = 1  # how many had been asked when both were compared: again at twice as many


class SampleBooks:
    """Keeps copies of the first inputs of each model."""

    def __init__(self, sightings: Sightings, loaders: LoaderBooks) -> None:
        self._sightings = sightings
        self._loaders = loaders
        self._students: dict[int, _Student] = {}
        self._stats: tuple[int, InputStats | None] = (-1, None)
        self._overlaps: set[tuple[int, int]] = set()
        self._open: _Kept | None = None  # whose last inputs wait for their labels
        self._relation: tuple[int, float | None] = (1, None)  # from how many samples
        self._answers: list[list[int]] = []  # of the last evaluations: step, right ones, all
        self._evaluations = 0
        self._loop: Place | None = None
        self._looped = False

    @property
    def wanted(self) -> bool:
        """Whether more inputs of a training step are of use."""
        return not self._students or any(student.learnt.wanted for student in self._students.values())

    def given(self, seen: Pass) -> None:
        """A model was given something to learn from."""
        x, student = self._of(seen)
        if x is not None and student is not None:
            before = student.learnt.samples
            student.learnt.keep(x, seen.place, self._loaders.source(x))
            self._open = student.learnt if student.learnt.samples > before else None

    def labelled(self, target: Any) -> None:
        """A loss was computed to learn from: its targets belong to the inputs that came last."""
        kept, self._open = self._open, None
        if kept is None or not isinstance(target, torch.Tensor) or target.dtype != torch.int64:
            return
        if target.dim() == 1 and len(target) == len(kept.inputs[-1]):
            kept.labels[-1] = target.detach().clone()

    def relation(self) -> float | None:
        """Return how surely labels follow from inputs, see `watching.relation`; None where it cannot be told."""
        student = next((student for student in self._students.values() if student.learnt.inputs), None)
        if student is None or student.learnt.samples < FEWEST_PAIRS:
            return None
        kept = student.learnt
        if kept.samples >= 2 * self._relation[0]:
            pairs = [(x, y) for x, y in zip(kept.inputs, kept.labels, strict=True) if y is not None and not _places(y)]
            found = None
            if pairs:
                x, y = (torch.cat([pair[part] for pair in pairs]).cpu() for part in (0, 1))
                # The same few samples epoch after epoch tell no more than once.
                distinct = np.sort(np.unique(row_hashes(x), return_index=True)[1])
                found = relation(x[distinct], y[distinct]) if len(distinct) >= FEWEST_PAIRS else None
            self._relation = (kept.samples, found)
        return self._relation[1]

    def asked(self, seen: Pass) -> None:
        """A model was asked, and nothing will be learnt from it."""
        x, student = self._of(seen)
        if x is None or student is None:
            return
        feed = self._loaders.source(x)
        if student.asked.keep(x, seen.place, feed):
            self._sightings.fresh = True
        if feed is not None and feed.classes is not None:
            self._answered(seen.output, feed.classes)

    def _answered(self, output: Any, classes: torch.Tensor) -> None:
        """Count how many of the held-out samples a classifier answers right."""
        if not isinstance(output, torch.Tensor) or output.dim() != 2 or not output.is_cpu:
            return
        if len(output) != len(classes):
            return
        step = self._sightings.step
        if not self._answers or self._answers[-1][0] != step:
            self._answers = [*self._answers[-2:], [step, 0, 0]]
            self._evaluations += 1
        self._answers[-1][1] += int((output.detach().argmax(1) == classes).sum())
        self._answers[-1][2] += len(classes)

    def begins(self) -> None:
        """The first batch is about to be learnt from: remember the loop that it is drawn in."""
        if not self._looped:
            self._looped, self._loop = True, loop_line()

    def stats(self, *, finished: bool) -> InputStats | None:
        """Return the statistics of the inputs that were learnt from: until the end, of half of them at least."""
        learnt = next((student.learnt for student in self._students.values() if student.learnt.inputs), None)
        if learnt is None:
            return None
        if learnt.samples >= 2 * self._stats[0] or (finished and learnt.samples > self._stats[0]):
            together = learnt.together()
            self._stats = (learnt.samples, None if together is None else input_stats(together))
        return self._stats[1]

    def place(self) -> Place | None:
        """Return the line that gives the model its batches."""
        places = (student.learnt.place for student in self._students.values())
        return next((place for place in places if place is not None), self._loop)

    def source(self) -> Place | None:
        """Return the line that makes the batches: where the loader was made, else the loop that they are cut in."""
        return self._loaders.place() or self._loop

    def study(self, order: Mapping[str, Scalar] | None) -> None:
        """Compare what was learnt from with what was asked, where that has not been done; note an `order` of classes.

        The chart is about to be judged, so nothing that is noted here is news.
        """
        fresh = self._sightings.fresh
        self._study(order)
        self._sightings.fresh = fresh

    def _study(self, order: Mapping[str, Scalar] | None) -> None:
        if order is not None:
            self._sightings.note("labels-in-blocks", self.source(), order, count=int(str(order["batches"])))
        feed = self._loaders.same_order()
        if feed is not None:
            loader = feed.loader()
            sampler = type(getattr(loader, "sampler", None)).__name__
            facts = {"epochs": len(feed.orders), "sampler": sampler, "deliberate": sampler in _ORDERLY}
            self._sightings.note("batches-in-same-order", feed.made, facts, count=1)
        alike = self._loaders.repeated_draws()
        if alike is not None:
            feed, (shared, workers, name) = alike
            draws: Mapping[str, Scalar] = {"workers": workers, "generator": name}
            self._sightings.note("worker-randomness-repeated", feed.made, draws, count=shared)
        if self._answers:
            right, asked = (sum(answer[place] for answer in self._answers) for place in (1, 2))
            facts = {"right": right, "asked": asked}
            self._sightings.note("held-out-answers", None, facts, count=self._evaluations)
        for student in self._students.values():
            for feed in student.learnt.feeds.values():
                for other in student.asked.feeds.values():
                    self._compare(student, feed, other)
            if student.asked.samples >= 2 * student.looked:
                self._look(student)

    def _compare(self, student: _Student, feed: Feed, other: Feed) -> None:
        pair = (id(feed), id(other))
        if pair in self._overlaps or feed is other or other.trains or not feed.trains:
            return
        self._overlaps.add(pair)
        found: Overlap | None = overlap(feed.loader(), other.loader())
        if found is not None:
            facts: Mapping[str, Scalar] = {
                "found": found.found,
                "asked": found.asked,
                "expected": found.expected,
                "by_index": found.by_index,
            }
            self._sightings.note("validation-overlaps-training", other.made or student.asked.place, facts)

    def _look(self, student: _Student) -> None:
        learnt, asked = student.learnt.together(), student.asked.together()
        if learnt is None or asked is None or min(len(learnt), len(asked)) < FEWEST:
            return
        student.looked = student.asked.samples
        feeds = list(student.asked.feeds.values())
        complete = len(feeds) == 1 and feeds[0].samples == len(asked)
        facts = prepared(learnt, asked, complete=complete)
        if facts is None:
            return
        made = feeds[0].made if len(feeds) == 1 else None
        self._sightings.note("validation-prepared-differently", made or student.asked.place, facts, count=1)

    def _of(self, seen: Pass) -> tuple[torch.Tensor | None, _Student | None]:
        values = (*seen.arguments, *seen.named.values())
        first = next((value for value in values if isinstance(value, torch.Tensor)), None)
        if first is None or first.dim() < 2 or first.grad_fn is not None or first.is_meta or first.is_sparse:
            return None, None  # another network's output: this one is a loss, or a part of a larger model
        student = self._students.get(id(seen.root))
        if student is None or student.root() is not seen.root:
            if len(self._students) >= _MODELS or next(seen.root.parameters(), None) is None:
                return None, None
            student = self._students[id(seen.root)] = _Student(weakref.ref(seen.root))
        return first, student


def _places(labels: torch.Tensor) -> bool:
    """Say whether labels are the places in their batch, as of pairs that are told from all others of the batch."""
    return bool((labels == torch.arange(len(labels), device=labels.device)).all())
