"""The loaders of a loop: epochs, waiting, and which loader feeds the training."""

from __future__ import annotations

import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader, RandomSampler, WeightedRandomSampler, default_collate

from trainwright.watching.draws import WorkerDraws
from trainwright.watching.places import Place

_BATCHES = 4  # at the beginning of a pass, by which its order is known again
_PASSES = 4  # that are compared
_VALUES = 64  # of a tensor
_ITERATORS = 8  # passes under way whose indices are kept


@dataclass(eq=False, slots=True)
class Feed:
    """One loader: where it was `made` and `iterated`, and what came of it."""

    loader: weakref.ref[Any]
    dataset: int  # its id: two loaders of one data set feed the same
    length: int | None
    samples: int | None = None  # of its data set
    made: Place | None = None
    iterated: Place | None = None
    rows: int = -1  # of the batch that came last
    indices: Any = None  # of its samples in the data set, where a sampler told them
    at_random: bool = False  # it stacks items that it draws at random
    classes: torch.Tensor | None = None  # its labels, where they are one class each
    orders: list[list[tuple[Any, ...]]] = field(default_factory=list)  # what the first batches of each pass hold
    trains: bool = False  # backward passes followed its batches
    passes: int = 0
    drawn: int = 0  # in this pass
    over: bool = False  # it was asked for more than this pass has

    @property
    def is_over(self) -> bool:
        """Whether this pass has given all of its batches: whoever knows how many there are may not ask for more."""
        return self.over or (self.length is not None and self.drawn >= max(self.length, 1))


class LoaderBooks:
    """Counts passes and batches of every `DataLoader`."""

    def __init__(self) -> None:
        self._feeds: dict[int, Feed] = {}
        self._iterators: dict[int, tuple[weakref.ref[Any], Feed]] = {}
        self._made: weakref.WeakKeyDictionary[DataLoader[Any], Place | None] = weakref.WeakKeyDictionary()
        self._draws: weakref.WeakKeyDictionary[DataLoader[Any], WorkerDraws] = weakref.WeakKeyDictionary()
        self.draws: WorkerDraws | None = None  # of the workers that are being forked
        self._ahead: dict[int, deque[Any]] = {}  # by iterator: what its sampler chose for batches that are to come
        self.current: Feed | None = None
        self.began: float | None = None  # when the first batch was learnt from
        self.waited_seconds = 0.0
        self.epochs = 0
        self.epoch_steps: int | None = None
        self._steps = 0

    def made(self, loader: DataLoader[Any], place: Place | None) -> None:
        """A loader was made."""
        self._made[loader] = place

    def workers_start(self, loader: DataLoader[Any]) -> None:
        """Worker processes are about to be forked, and to have what is known here: watch what they draw, once."""
        if loader not in self._draws and loader.num_workers > 1:
            self.draws = self._draws[loader] = WorkerDraws(loader.dataset)

    def repeated_draws(self) -> tuple[Feed, tuple[int, int, str]] | None:
        """Return a loader that is trained on whose workers draw alike, and what of it; see `WorkerDraws.repeated`."""
        for loader, draws in self._draws.items():
            feed = self._feeds.get(id(loader))
            found = draws.repeated() if feed is not None and feed.trains else None
            if feed is not None and found is not None:
                return feed, found
        return None

    def begins(self, iterator: Any, loader: DataLoader[Any], place: Place | None) -> bool:
        """A pass over a loader begins; say whether one over training data has ended by that."""
        feed = self._feeds.get(id(loader))
        if feed is None or feed.loader() is not loader:
            feed = self._feeds[id(loader)] = Feed(
                weakref.ref(loader), id(loader.dataset), _length(loader), _length(loader.dataset)
            )
            feed.made, feed.iterated = self._made.get(loader) or place, place
            drawn = isinstance(loader.sampler, RandomSampler | WeightedRandomSampler)
            feed.at_random = drawn and loader.collate_fn is default_collate
        ended = feed.trains and feed.drawn > 0
        if ended:
            self.epochs += 1
            self.epoch_steps, self._steps = self._steps, 0
        feed.passes += 1
        if feed.passes <= _PASSES:
            feed.orders.append([])
        feed.drawn, feed.over = 0, False
        try:
            others = [(key, known) for key, known in self._iterators.items() if key != id(iterator)]
            self._iterators = {id(iterator): (weakref.ref(iterator), feed), **dict(others[:8])}
        except TypeError:
            self._iterators = {}
        self.current = feed
        return ended

    def drawn(self, iterator: Any, batch: Any, seconds: float) -> None:
        """A batch came, after `seconds` of waiting."""
        known = self._iterators.get(id(iterator))
        if known is not None and known[0]() is iterator:
            feed = self.current = known[1]
            feed.drawn += 1
            feed.indices = self._chosen(iterator)
            self.waited_seconds += seconds if feed.trains else 0.0
            first = batch[0] if isinstance(batch, list | tuple) and batch else batch
            feed.rows = len(first) if isinstance(first, torch.Tensor) and first.dim() else -1
            feed.classes = None if feed.trains else _classes(batch, feed.rows)
            if feed.passes <= _PASSES and feed.drawn <= _BATCHES:
                feed.orders[-1].append(_print(batch))

    def chose(self, iterator: Any, indices: Any) -> None:
        """The sampler of a pass told which samples make up its next batch, which workers may read ahead."""
        ahead = self._ahead.get(id(iterator))
        if ahead is None:
            self._ahead = dict(list(self._ahead.items())[1 - _ITERATORS :])
            ahead = self._ahead[id(iterator)] = deque()
        ahead.append(indices)

    def _chosen(self, iterator: Any) -> Any:
        ahead = self._ahead.get(id(iterator))
        return ahead.popleft() if ahead else None

    def index(self, row: int, rows: int) -> int | None:
        """Return the index in the data set of a row of the batch that came last, None where it is not known."""
        feed = self.current
        chosen = None if feed is None else feed.indices
        if feed is None or not isinstance(chosen, list) or len(chosen) != rows:
            return None
        return chosen[row] if isinstance(chosen[row], int) else None

    def source(self, x: torch.Tensor) -> Feed | None:
        """Return the loader whose last batch `x` may be: the one that was drawn from last, if the size fits."""
        feed = self.current
        return feed if feed is not None and feed.rows in (-1, len(x)) else None

    def place(self) -> Place | None:
        """Return where the loader that is trained on was made; where nobody saw that, where it is iterated over."""
        return next((feed.made for feed in self._feeds.values() if feed.trains), None)

    def same_order(self) -> Feed | None:
        """Return a loader that is trained on whose passes, three at least, all began with the same batches."""
        for feed in self._feeds.values():
            orders = [order for order in feed.orders if len(order) == _BATCHES]
            same = len(orders) > 2 and all(order == orders[0] for order in orders)
            if feed.trains and same and len(set(orders[0])) > 1:
                return feed
        return None

    def is_over(self, iterator: Any) -> None:
        """A pass has given all of its batches."""
        self._ahead.pop(id(iterator), None)
        known = self._iterators.get(id(iterator))
        if known is not None and known[0]() is iterator:
            known[1].over = known[1].drawn > 0

    @property
    def epochs_made(self) -> int:
        """How many passes over training data are over, the last one included though no other has begun."""
        return self.epochs + any(feed.trains and feed.is_over for feed in self._feeds.values())

    def trained(self) -> None:
        """A backward pass: the batch that came last was one to learn from."""
        if self.current is not None and not self.current.trains:
            self.current.trains = True
            if self.began is None:
                self.began = time.perf_counter()

    def stepped(self, count: int = 1) -> None:
        """Optimizer steps were made."""
        self._steps += count

    def goes_on(self, iterator: Any, seconds: float) -> bool:
        """A batch came: count it, if nothing else is to be learnt from it; say whether that was so."""
        feed = self.current
        known = self._iterators.get(id(iterator))
        if feed is None or known is None or known[1] is not feed or known[0]() is not iterator or not feed.trains:
            return False
        if feed.passes <= _PASSES and feed.drawn < _BATCHES:
            return False
        feed.drawn += 1
        feed.indices = self._chosen(iterator)
        self.waited_seconds += seconds
        return True

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


def _length(of: Any) -> int | None:
    try:
        return len(of)
    except Exception:  # an iterable has none, and whatever a data set of the user's own raises
        return None


def _classes(batch: Any, rows: int) -> torch.Tensor | None:
    """Return the labels of a batch `(inputs, labels)`, where they are the id of one class each."""
    second = batch[1] if isinstance(batch, list | tuple) and len(batch) == 2 else None
    if not isinstance(second, torch.Tensor) or second.dtype != torch.int64 or second.shape != (rows,):
        return None
    return second if second.is_cpu else None


def _print(batch: Any) -> tuple[Any, ...]:
    """Return a few values of each tensor of a batch."""
    found: list[Any] = []
    for leaf in tree_leaves(batch):
        if isinstance(leaf, torch.Tensor) and leaf.is_cpu and not leaf.is_sparse and leaf.numel():
            flat = leaf.detach().reshape(-1)
            found += flat[:: max(1, flat.numel() // _VALUES)][:_VALUES].tolist()
    return tuple(found)
