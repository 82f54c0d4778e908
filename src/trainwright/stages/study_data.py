"""What a search compares on, and what it never sees before its best is confirmed."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.data.arrays import pair_tensors
from trainwright.data.batches import batches_of, is_pair
from trainwright.data.feed import Feed
from trainwright.errors import UsageError
from trainwright.randomness import permutation
from trainwright.stages.setup import Setup

HELD_OUT = 0.2
"""Share of a pair that is held out to compare on, where no validation data are given."""
FEWEST = 200
"""Validation samples from which on half of them are left untouched, to confirm on."""

Pair = tuple[torch.Tensor, torch.Tensor]


def held_out(train: Any, seed: int) -> tuple[Any, Any]:
    """Return a pair in two parts, to train on and to compare on. Raises `UsageError` for what is no pair."""
    if not is_pair(train):
        raise UsageError(
            "a search compares on validation data, and there are none",
            evidence=f"train is a {type(train).__name__}, of which nothing can be held out",
            remedy="pass validation=",
        )
    x, y = pair_tensors(list(train), "the data")
    return _parts(x, y, seed, HELD_OUT)


def untouched(validation: Any, test: Any, seed: int) -> tuple[Any, Any, tuple[str, ...]]:
    """Return what to compare on, what to confirm on (None where there is nothing), and what to say of it."""
    if test is not None:
        return validation, test, ()
    if not is_pair(validation) or len(validation[0]) < FEWEST:
        return validation, None, ("no split is left untouched to confirm on: pass test=",)
    x, y = pair_tensors(list(validation), "the validation data")
    searched, left = _parts(x, y, seed, 0.5)
    return searched, left, ("half of the validation data are left untouched, to confirm on; pass test= to use all",)


def as_feed(data: Any, base: Setup) -> Feed | None:
    """Return data to test on as batches, None for none."""
    if data is None:
        return None
    train = base.splits["train"]
    return batches_of(data, batch_size=train.batch_size, seed=0, device=base.recipe.train.device)


def _parts(x: torch.Tensor, y: torch.Tensor, seed: int, share: float) -> tuple[Pair, Pair]:
    order = permutation(seed, 0, len(x))
    cut = max(1, round(share * len(x)))
    first, second = order[cut:], order[:cut]
    return (x[first], y[first]), (x[second], y[second])
