"""What a frozen body gives for every sample, computed once, so that its head trains without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from trainwright.data.batches import Batches
from trainwright.data.feed import Feed
from trainwright.parts.freezing import Freezing
from trainwright.randomness import isolated
from trainwright.tensors import evaluating
from trainwright.training.tail import Tail, features_of, tail_of

MOST_BYTES = 2 * 2**30
"""Features that are kept in memory, over all splits; more are computed in every epoch."""
_TRIED = 8  # samples on which it is tried whether the body can be left out

_Key = tuple[str, int, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Features by the body that gave them and the samples it was given: computed once for all who share both.

    Not thread-safe; it holds the samples too, so that no others can take their place in memory.
    """

    kept: dict[_Key, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    feeds: dict[tuple[str, int], tuple[Batches, Batches]] = field(default_factory=dict)

    def of(self, model: nn.Module, tail: Tail, feed: Batches) -> Batches:
        """Return `feed` with features for its inputs: the same object whenever the same feed comes again."""
        known = self.feeds.get((tail.body, id(feed)))
        if known is not None:
            return known[1]
        x = feed.inputs
        key = (tail.body, x.data_ptr(), tuple(x.shape))
        if key not in self.kept:
            self.kept[key] = (x, _computed(model, tail.first, feed))
        made = feed.with_inputs(self.kept[key][1])
        self.feeds[(tail.body, id(feed))] = (feed, made)
        return made


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """A head to train, `tail.network`, and the batches of features to train and evaluate it on."""

    tail: Tail
    splits: Mapping[str, Feed]
    reference: torch.Tensor
    samples: int

    @property
    def text(self) -> str:
        """What is said of it."""
        return (
            f"the body is frozen: what it gives for {self.samples:,} samples was computed once, and what follows it, "
            f"from '{self.tail.first}' on, trains on that"
        )


def cached(
    model: nn.Module,
    freezing: Freezing,
    splits: Mapping[str, Feed],
    reference: torch.Tensor,
    *,
    store: FeatureStore | None = None,
) -> Features | str:
    """Return the features of every split, or why training on them would not be the same, or cannot be ("": no body).

    One pass of the body over all samples, unless `store` has them. `freezing` is held by the model already, as far as
    gradients go; `reference` are samples for the doctor's measurements.
    """
    if freezing.times:
        return "parts of the body learn later (train.unfreeze)"
    feeds = {name: feed for name, feed in splits.items() if isinstance(feed, Batches)}
    if len(feeds) < len(splits):
        return "the data make their own batches, which may differ from epoch to epoch"
    if any(feed.augment is not None for feed in feeds.values()):
        return "the samples are augmented, and differ from epoch to epoch"
    first = next(iter(feeds.values()))
    x = first.take(min(_TRIED, first.samples))[0]
    tail = tail_of(model, freezing, x)
    if isinstance(tail, str):
        return tail
    with isolated(), evaluating(model), torch.no_grad():
        given = features_of(model, tail.first, x)
        samples = sum(feed.samples for feed in feeds.values())
        size = given[0].nbytes * samples
        if size > MOST_BYTES:
            return f"they would take {size / 2**30:.1f} GiB"
        shown = features_of(model, tail.first, reference.clone())
    store = FeatureStore() if store is None else store
    made = {name: store.of(model, tail, feed) for name, feed in feeds.items()}
    if not all(bool(torch.isfinite(feed.inputs).all()) for feed in made.values()):
        return "the body gives values that are not finite"
    return Features(tail=tail, splits=made, reference=shown, samples=samples)


def _computed(model: nn.Module, first: str, feed: Batches) -> torch.Tensor:
    with isolated(), evaluating(model), torch.no_grad():
        return torch.cat([features_of(model, first, x) for x, _ in feed.in_order()])
