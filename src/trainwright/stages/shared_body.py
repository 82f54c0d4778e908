"""One frozen body for all trials of a search: what it gives is computed once, and the trials train heads on that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from torch import nn

from trainwright.data.batches import Batches
from trainwright.data.feed import Feed
from trainwright.errors import ModelError
from trainwright.parts.freezing import Freezing
from trainwright.stages.assemble import features_for
from trainwright.stages.setup import Setup
from trainwright.training.features import Features, FeatureStore
from trainwright.training.stillness import without_gradients
from trainwright.training.tail import Tail, tail_of

_MOVES = ("data.", "augment.", "train.freeze", "train.unfreeze", "train.precision", "train.compile", "optimizer.rates")
"""Settings that a search may not vary where its trials are to share a body's features."""
_TRIED = 8  # samples on which each trial's model is looked at


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedBody:
    """The features of a body, and where they are kept. `body` is the SHA-256 of all its weights and buffers."""

    body: str
    features: Features
    store: FeatureStore = field(default_factory=FeatureStore)

    @property
    def text(self) -> str:
        """What is said of it."""
        return f"{self.features.text}; all trials share it"

    @property
    def splits(self) -> Mapping[str, Feed]:
        """The features of every split that the first setup has."""
        return self.features.splits

    def head_of(self, model: nn.Module, freezing: Freezing, feed: Feed) -> tuple[nn.Module, Feed]:
        """Return the head of a trial's model, and its batches of features; the same ones for the same `feed`.

        Raises `ModelError` where the model has another body.
        """
        assert isinstance(feed, Batches)  # of other data there are no features, and no shared body
        tail = tail_of(model, freezing, feed.take(min(_TRIED, feed.samples))[0])
        if not isinstance(tail, Tail) or tail.body != self.body:
            raise ModelError(
                "a trial's frozen body is another than the first one's, so that they cannot share its features",
                evidence=tail if isinstance(tail, str) and tail else "its weights are not the same, bit by bit",
                remedy="let all trials start from the same weights, or set train.cache_features = false",
            )
        tail.network.train(model.training)
        for path in freezing.modules:
            model.get_submodule(path).training = False
        return tail.network, self.store.of(model, tail, feed)

    def of(self, model: nn.Module, feed: Feed) -> Feed:
        """Return batches of samples as batches of features; `model` has the body."""
        assert isinstance(feed, Batches)
        return self.store.of(model, self.features.tail, feed)


def shared_body(
    base: Setup, names: Iterable[str], other: Callable[[], nn.Module], test: Feed | None
) -> SharedBody | None:
    """Return the body that all trials share, None where each is trained as a whole.

    `names` are the settings that they vary, `other` makes a model as a trial under another seed has it, and `test` are
    the batches to confirm on.
    """
    if any(name.startswith(_MOVES) for name in names) or not isinstance(test, Batches | None):
        return None
    store = FeatureStore()
    found = features_for(replace(base, store=store))
    if found is None:
        return None
    another = other().to(base.recipe.train.device)
    without_gradients(another, base.freezing)
    feed = base.splits["train"]
    tail = tail_of(another, base.freezing, feed.take(min(_TRIED, feed.samples))[0])
    alike = isinstance(tail, Tail) and tail.body == found.tail.body  # else its weights hang on the seed
    return SharedBody(body=found.tail.body, features=found, store=store) if alike else None
