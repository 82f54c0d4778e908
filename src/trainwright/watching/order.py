"""In which order a loop shows its classes: drawn at random, or one class after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from trainwright.records.findings import Scalar
from trainwright.vitals.data_rows import class_ids

_GROUP = 16
"""Samples that are looked at together: smaller batches are joined, since an order shows over so many."""
_SEVERAL = 8
"""Groups from which an order is told; of two balanced classes all of a group agree once in 30 000."""
_MANY = 20
"""Groups from which an order is told where classes are smaller than a group."""
_ONE_CLASS = 0.9
"""Share of a group that is of one class, where the group shows that class and no other."""
_SHARE = 0.8
"""Share of such groups."""
_CHANGES = 0.5
"""How often the class may change from group to group: a sampler of one random class each changes it nearly always."""
_ALIKE = 2.0
"""Or else: so many times more alike neighbouring groups must be than groups that lie apart. A sampler that draws a few
classes for each batch makes all of them equally alike."""
_LOW = 0.5
"""Entropy of a group over that of all, above which no class is missing from it but by chance."""


def blocks(targets: Sequence[torch.Tensor], ignored: int) -> Mapping[str, Scalar] | None:
    """Return what says that the classes of successive batches come in blocks, None where they do not.

    `targets` are those of each training batch `(n,)`, in the order of the loop. The facts are `batches` that were
    looked at, `single` ones that hold one class alone, and `entropy`: that of a batch's labels, over that of all.
    """
    ids = [found for target in targets if (found := class_ids(target)) is not None]
    if len(ids) < len(targets) or not ids:
        return None
    groups = _groups([part[part != ignored] for part in ids])
    if len(groups) < _SEVERAL:
        return None
    whole = torch.cat(groups)
    low, high = int(whole.min()), int(whole.max())
    if low < 0 or high - low > 100_000 or low == high:
        return None
    shares = torch.stack([torch.bincount(part - low, minlength=high - low + 1) / len(part) for part in groups]).double()
    entropy = float(_entropy(shares).mean() / _entropy(shares.mean(0, keepdim=True)).clamp_min(1e-12))
    top, which = shares.max(1)
    single = top >= _ONE_CLASS
    if entropy >= _LOW or not (_one_after_the_other(which, single) or _drifts(shares)):
        return None
    return {"entropy": entropy, "batches": len(groups), "single": int(single.sum())}


def _groups(batches: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the batches, small ones joined with their neighbours."""
    groups: list[torch.Tensor] = []
    waiting: list[torch.Tensor] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= _GROUP:
            groups.append(torch.cat(waiting))
            waiting = []
    return groups


def _one_after_the_other(which: torch.Tensor, single: torch.Tensor) -> bool:
    """Groups of one class each, more than one class among them, which seldom changes."""
    if float(single.double().mean()) < _SHARE:
        return False
    classes = which[single]
    return bool((classes != classes[0]).any()) and float((classes[1:] != classes[:-1]).double().mean()) <= _CHANGES


def _drifts(shares: torch.Tensor) -> bool:
    """Few classes in each group, and neighbours share theirs far more often than groups that lie apart."""
    if len(shares) < _MANY:
        return False
    near = torch.minimum(shares[1:], shares[:-1]).sum(1).mean()
    apart = torch.stack([torch.minimum(shares[lag:], shares[:-lag]).sum(1).mean() for lag in range(3, 7)]).mean()
    return bool(near > _ALIKE * apart)


def _entropy(shares: torch.Tensor) -> torch.Tensor:
    return -torch.xlogy(shares, shares).sum(1)
