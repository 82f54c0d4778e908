"""Rows of data as content: a hash of each, how often they recur, and whether two could be equal by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
_CHUNK = 2**20  # words at a time: what is intermediate stays in the cache
_PAIRS = 256  # rows of which all pairs are compared to see how often a feature repeats
_COMPARED = 1024  # features that are compared, evenly spread ones where there are more
_NEAREST = 4  # features in which even the nearest different row must differ, for nineteen rows in twenty
_DISTINCT = 0.9  # a feature of which so many values differ tells rows apart by itself
_DEPENDENCE = 0.4  # features are not independent: only this share of their information is counted


def row_hashes(x: torch.Tensor) -> np.ndarray:
    """Return a hash of the content of each row of `x` `(n, ...)`: uint64 `(n,)`.

    Equal rows have equal hashes, float32 and float64 alike, -0 and 0 too. Different rows have equal ones with a chance
    of 2**-64 each pair: of a million rows, one in thirty million times any two. Each 64-bit word is scrambled together
    with its place (SplitMix64, Steele, Lea and Flood 2014), and the words of a row are added up.
    """
    words = _words(x)
    count, width = words.shape
    step = max(1, _CHUNK // max(1, width))
    places = np.arange(1, width + 1, dtype=np.uint64) * _GAMMA
    found = np.empty(count, dtype=np.uint64)
    for start in range(0, count, step):
        part = words[start : start + step] + places
        found[start : start + step] = _scrambled(part).sum(axis=1, dtype=np.uint64)
    return _scrambled(found)


def _words(x: torch.Tensor) -> np.ndarray:
    flat = x.detach().reshape(len(x), -1).cpu()
    if flat.is_complex():
        flat = torch.view_as_real(flat.resolve_conj()).reshape(len(x), -1)
    if not flat.is_floating_point():
        return flat.to(torch.int64).numpy().view(np.uint64)
    values = flat.to(torch.float32).numpy() + np.float32(0.0)  # -0 becomes 0
    if values.shape[1] % 2:
        values = np.pad(values, ((0, 0), (0, 1)))
    return np.ascontiguousarray(values).view(np.uint64)


def _scrambled(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """How often rows recur. `recurring` is the share of rows that have an equal one among the others."""

    rows: int
    distinct: int
    recurring: float


def recurrence(hashes: np.ndarray) -> Recurrence:
    """Count equal rows by their hashes."""
    _, counts = np.unique(hashes, return_counts=True)
    repeated = int(counts[counts > 1].sum())
    return Recurrence(rows=len(hashes), distinct=len(counts), recurring=repeated / max(1, len(hashes)))


def tells_apart(x: torch.Tensor, hashes: np.ndarray) -> bool:
    """Say whether the features of `x` `(n, ...)` carry so much that two equal rows cannot be equal by chance.

    Either some feature hardly ever repeats among different rows, as measurements do. Or the chance that all features
    of two rows agree, of which two fifths of the logarithm count because features depend on each other, is below one in
    the number of pairs, and no different rows are nearly equal: where rows coincide, others just miss each other. A
    table of some categories, or of many that say the same, fails both.
    """
    _, first = np.unique(hashes, return_index=True)
    if len(first) < 16:
        return False
    chosen = np.sort(first)[:: max(1, len(first) // _PAIRS)][:_PAIRS]
    values = x.detach()[torch.from_numpy(chosen).to(x.device)].reshape(len(chosen), -1).double().cpu().numpy()
    values = values[:, :: max(1, values.shape[1] // _COMPARED)]
    ordered = np.sort(values, axis=0)
    changes = ordered[1:] != ordered[:-1]
    if (changes.sum(axis=0) + 1 >= _DISTINCT * len(chosen)).any():
        return True
    pairs = len(chosen) * (len(chosen) - 1) / 2
    information = 0.0
    for column in changes.T:
        lengths = np.diff(np.flatnonzero(np.concatenate([[True], column, [True]])))
        equal = float((lengths * (lengths - 1) / 2).sum())
        information -= math.log(max(equal, 1.0) / pairs)
    if _DEPENDENCE * information <= 2 * math.log(max(len(hashes), 2)):
        return False
    differing = [np.sort((values != row).sum(axis=1))[1] for row in values]  # the first is the row itself
    return float(np.quantile(differing, 0.05)) >= _NEAREST


def tells_something(x: torch.Tensor) -> np.ndarray:
    """Return which rows say something, bool `(n,)`: one of the same number throughout is like any other blank one."""
    rows = x.detach().reshape(len(x), -1)
    blank = (rows == rows[:, :1]).all(1) if rows.shape[1] > 1 else torch.zeros(len(x), dtype=torch.bool)
    return (~blank).cpu().numpy()


def class_ids(y: torch.Tensor) -> torch.Tensor | None:
    """Return the class of each sample, int64 `(n,)`, or None where targets are no single class each.

    Whole numbers `(n,)` or `(n, 1)` are classes, so are yes and no as 0 and 1, and one-hot rows `(n, C)`.
    """
    if y.is_complex() or y.numel() == 0:
        return None
    if y.dim() == 1 or (y.dim() == 2 and y.shape[1] == 1):
        flat = y.detach().reshape(-1).cpu()
        if y.is_floating_point() and not bool(((flat == 0) | (flat == 1)).all()):
            return None
        return flat.long()
    if y.dim() == 2 and y.is_floating_point():
        hot = bool(((y == 0) | (y == 1)).all()) and bool((y.sum(1) == 1).all())
        return y.detach().argmax(1).cpu() if hot else None
    return None
