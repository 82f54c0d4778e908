"""Samples with values that are no numbers: whether a step's batches hold some, and which they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainwright.data.batches import Batches
from trainwright.data.feed import Feed
from trainwright.training.result import Batch

MOST_NAMED = 20
"""Samples that are named of one step: who has more of them has another problem than finding them."""
_MOST_SAID = 5


def sound_rows(values: torch.Tensor) -> torch.Tensor:
    """Return which rows of `values` `(n, ...)` are finite throughout: bool `(n,)`; whole numbers always are."""
    if not (values.is_floating_point() or values.is_complex()):
        return torch.ones(len(values), dtype=torch.bool, device=values.device)
    return torch.isfinite(values.reshape(len(values), -1)).all(1)


def holds_bad(batches: Sequence[Batch]) -> bool:
    """Say whether an input or a target of `batches` is NaN or infinite."""
    return any(not bool(sound_rows(part).all()) for batch in batches for part in batch)  # syncs an accelerator


def name_samples(batches: Sequence[Batch], feed: Feed, *, epoch: int, first: int) -> list[Mapping[str, Any]]:
    """Return the bad samples of a step's `batches`, of which the first is number `first` of `epoch`.

    Each has its `part` ("inputs" or "targets"), and either `sample`, its row in the training split, or, where a loader
    chose it, `batch` and `place` in the epoch. Where an augmentation spread a bad value to others, or made it, the
    sample that has it in the split is named, else those that came out of it bad, as `augmented`.
    """
    rows = feed.rows(epoch) if isinstance(feed, Batches) else None
    named: list[Mapping[str, Any]] = []
    for number, batch in enumerate(batches, start=first):
        if rows is None or not isinstance(feed, Batches):
            named += [{"part": part, "batch": number, "place": place} for part, place in _bad_rows(batch)]
            continue
        own = rows[number]
        known = _bad_rows(feed.at(own))
        found = known or _bad_rows(batch)
        made = {} if known else {"augmented": True}
        named += [{"part": part, "sample": int(own[place]), **made} for part, place in found]
    return named


def samples_phrase(named: Sequence[Mapping[str, Any]]) -> str:
    """Return in words which samples they are."""
    if not named:
        return "a sample is not finite"
    groups: dict[str, list[str]] = {}
    for sample in named[:_MOST_SAID]:
        known = "sample" in sample
        place = str(sample["sample"] if known else sample["place"])
        where = f"training {{}} ({sample['part']})" if known else f"{{}} of the loader's batch {sample['batch']}"
        groups.setdefault(where + (" after augmentation" if sample.get("augmented") else ""), []).append(place)
    said = ", ".join(
        where.format(f"sample{'s' * (len(places) > 1)} {', '.join(places)}") for where, places in groups.items()
    )
    more = f" and {len(named) - _MOST_SAID} more" if len(named) > _MOST_SAID else ""
    return f"{said}{more} {'is' if len(named) == 1 else 'are'} not finite"


def _bad_rows(batch: Batch) -> list[tuple[str, int]]:
    found = []
    for part, values in zip(("inputs", "targets"), batch, strict=True):
        found += [(part, int(place)) for place in (~sound_rows(values)).nonzero().flatten()]
    return found
