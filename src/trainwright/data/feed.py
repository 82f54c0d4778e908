"""What training and evaluation ask of batches, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol

import torch

Batch = tuple[torch.Tensor, torch.Tensor]


class Feed(Protocol):
    """Mini-batches: of data in memory (`Batches`), of a text (`TextBatches`), of data on disk (`BlockBatches`), of the
    user's loader (`StreamBatches`).

    `samples` counts what one epoch holds, `steps_per_epoch` its batches, `batch_size` what a whole batch holds.
    """

    samples: int
    steps_per_epoch: int
    batch_size: int

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the training batches of one epoch: a function of the seed and the epoch alone."""
        ...

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield all samples for evaluation, the same at every call."""
        ...

    def take(self, count: int) -> Batch:
        """Return `count` samples (all where there are fewer), the same at every call."""
        ...


def epoch_from(feed: Feed, epoch: int, first: int) -> Iterator[Batch]:
    """Yield the batches of an epoch from number `first` on, without reading those before where the feed can do that."""
    skipping = getattr(feed, "epoch_from", None)
    return skipping(epoch, first) if skipping is not None else islice(feed.epoch(epoch), first, None)
