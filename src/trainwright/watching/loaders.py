"""The loaders of a loop: epochs, waiting, and which loader feeds the training."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader


@dataclass(eq=False, slots=True)
class _Feed:
    loader: weakref.ref[Any]
    dataset: int  # its id: two loaders of one data set feed the same
    length: int | None
    trains: bool = False  # backward passes followed its batches
    passes: int = 0
    drawn: int = 0  # in this pass


class LoaderBooks:
    """Counts passes and batches of every `DataLoader`."""

    def __init__(self) -> None:
        self._feeds: dict[int, _Feed] = {}
        self._iterators: dict[int, tuple[weakref.ref[Any], _Feed]] = {}
        self.current: _Feed | None = None
        self.waited_seconds = 0.0
        self.epochs = 0
        self.epoch_steps: int | None = None
        self._steps = 0

    def begins(self, iterator: Any, loader: DataLoader[Any]) -> bool:
        """A pass over a loader begins; say whether one over training data has ended by that."""
        feed = self._feeds.get(id(loader))
        if feed is None or feed.loader() is not loader:
            try:
                length = len(loader)
            except TypeError:
                length = None
            feed = self._feeds[id(loader)] = _Feed(weakref.ref(loader), id(loader.dataset), length)
        ended = feed.trains and feed.drawn > 0
        if ended:
            self.epochs += 1
            self.epoch_steps, self._steps = self._steps, 0
        feed.passes += 1
        feed.drawn = 0
        try:
            self._iterators = {id(iterator): (weakref.ref(iterator), feed), **dict(list(self._iterators.items())[:8])}
        except TypeError:
            self._iterators = {}
        self.current = feed
        return ended

    def drawn(self, iterator: Any, seconds: float) -> None:
        """A batch came, after `seconds` of waiting."""
        known = self._iterators.get(id(iterator))
        if known is not None and known[0]() is iterator:
            self.current = known[1]
            self.current.drawn += 1
            self.waited_seconds += seconds if self.current.trains else 0.0

    def trained(self) -> None:
        """A backward pass: the batch that came last was one to learn from."""
        if self.current is not None:
            self.current.trains = True

    def stepped(self) -> None:
        """An optimizer step was made."""
        self._steps += 1

    def steps_per_epoch(self) -> int | None:
        """Return how many steps an epoch of the training loader has taken, or would by its length."""
        if self.epoch_steps is not None:
            return self.epoch_steps
        training = next((feed for feed in self._feeds.values() if feed.trains), None)
        return None if training is None else training.length

    def split(self) -> str:
        """Return which data the current batch belongs to, as far as can be told: "train" or "validation"."""
        feed = self.current
        if feed is None:
            return "validation"
        same = any(other.trains and other.dataset == feed.dataset for other in self._feeds.values())
        return "train" if same else "validation"
