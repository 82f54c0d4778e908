"""The data of the ward: small problems as pure functions of a seed.

`load(name, seed)` draws (or splits) the problem afresh for every seed and returns tensors; nothing is read from disk
but scikit-learn's own small tables, and torch's global generator is left alone. At most 2,000 samples, a quarter of
them held out.

    classes     digits [64] 10, blobs [8] 4, rings [2] 2, wine [13] 3, cancer [30] 2
    values      curve [1] 1, surface [5] 1, diabetes [10] 1      y is float32 [n, 1], mean 0 and deviation 1
    pictures    tiles [1, 8, 8] 10, shapes [3, 16, 16] 4
    sequences   counts [16] ids of 8, 2 classes                   which of the tokens 1 and 2 occurs more often
    next token  chain [20] ids of 12, y the next ids [20]         a Markov chain of order one
    tagging     tags [16] ids of 10, y a tag of 4 for each [16]   of uneven length, padded with id 0 and tag 0
    several     topics [12] 6 answers of 0 or 1                   y is float32 [n, 6]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor


@dataclass(frozen=True)
class Task:
    """One problem: what to learn from, what is held out, and the sizes a network needs."""

    x: Tensor
    y: Tensor
    x_held_out: Tensor
    y_held_out: Tensor
    kind: Literal["classes", "values", "sequences", "next token", "tagging", "several"]
    inputs: int  # features, channels of a picture, or the number of token ids
    outputs: int  # classes, values, tags, answers or, for the next token, token ids


Raw = tuple[np.ndarray, np.ndarray]


def _standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-8)


def _digits(_: np.random.Generator) -> Raw:
    x, y = datasets.load_digits(return_X_y=True)
    return (x - x.mean()) / x.std(), y


def _tiles(random: np.random.Generator) -> Raw:
    x, y = _digits(random)
    return x.reshape(-1, 1, 8, 8), y


def _blobs(random: np.random.Generator) -> Raw:
    centres = random.normal(size=(4, 8)) * 1.2
    y = random.integers(0, 4, 1200)
    return _standardised(centres[y] + random.normal(size=(1200, 8))), y


def _rings(random: np.random.Generator) -> Raw:
    y = random.integers(0, 2, 1200)
    radius = 0.6 + 0.9 * y + random.normal(size=1200) * 0.18
    angle = random.uniform(0, 2 * np.pi, 1200)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def _wine(_: np.random.Generator) -> Raw:
    x, y = datasets.load_wine(return_X_y=True)
    return _standardised(x), y


def _cancer(_: np.random.Generator) -> Raw:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return _standardised(x), y


def _curve(random: np.random.Generator) -> Raw:
    x = random.uniform(-2, 2, (800, 1))
    y = np.sin(2.5 * x) + 0.5 * x + random.normal(size=x.shape) * 0.1
    return x, _standardised(y)


def _surface(random: np.random.Generator) -> Raw:
    x = random.uniform(-1.7, 1.7, (1000, 5))
    y = np.sin(1.5 * x[:, :1] * x[:, 1:2]) + x[:, 2:3] ** 2 - x[:, 3:4] + random.normal(size=(1000, 1)) * 0.1
    return x, _standardised(y)


def _diabetes(_: np.random.Generator) -> Raw:
    x, y = datasets.load_diabetes(return_X_y=True)
    return _standardised(np.asarray(x)), _standardised(np.reshape(y, (-1, 1)))


def _shapes(random: np.random.Generator) -> Raw:
    """Return coloured squares, discs, crosses and rings on a noisy ground, somewhere in the picture."""
    y = random.integers(0, 4, 1000)
    pictures = random.normal(size=(1000, 3, 16, 16)) * 0.35
    rows, columns = np.mgrid[0:16, 0:16]
    for picture, shape in zip(pictures, y, strict=True):
        down, right = np.abs(rows - random.integers(5, 11)), np.abs(columns - random.integers(5, 11))
        far = np.hypot(down, right)
        inside = (
            np.maximum(down, right) <= 3,
            far <= 3.5,
            (np.minimum(down, right) <= 0) & (np.maximum(down, right) <= 4),
            (far <= 4.2) & (far >= 2.6),
        )[shape]
        picture[:, inside] += random.uniform(0.6, 1.6, (3, 1))
    return (pictures - pictures.mean()) / pictures.std(), y


def _counts(random: np.random.Generator) -> Raw:
    x = random.integers(0, 8, (1600, 16))
    ones, twos = (x == 1).sum(axis=1), (x == 2).sum(axis=1)
    apart = ones != twos
    return x[apart], (ones > twos)[apart].astype(np.int64)


def _chain(random: np.random.Generator) -> Raw:
    """Return sequences in which each id has one likely successor, and the ids that follow."""
    successor = (np.arange(12) * 5 + 3) % 12
    ids = np.empty((800, 21), dtype=np.int64)
    ids[:, 0] = random.integers(0, 12, 800)
    for at in range(20):
        surprise = random.random(800) < 0.15
        ids[:, at + 1] = np.where(surprise, random.integers(0, 12, 800), successor[ids[:, at]])
    return ids[:, :-1], ids[:, 1:]


def _tags(random: np.random.Generator) -> Raw:
    """Return ids 1 to 9 and tags 1 to 3: the tag is that of the id, moved on by one after an even id."""
    lengths = random.integers(3, 17, 1000)
    real = np.arange(16) < lengths[:, None]
    ids = np.where(real, random.integers(1, 10, (1000, 16)), 0)
    before = np.concatenate([np.ones((1000, 1), dtype=np.int64), ids[:, :-1]], axis=1)
    return ids, np.where(real, (ids + (before % 2 == 0)) % 3 + 1, 0)


def _topics(random: np.random.Generator) -> Raw:
    x = random.normal(size=(1200, 12))
    scores = np.tanh(x @ random.normal(size=(12, 10))) @ random.normal(size=(10, 6))
    return x, (scores + random.normal(size=scores.shape) * 0.2 > -0.3).astype(np.float64)


_RAW: dict[str, tuple[Callable[[np.random.Generator], Raw], str, int, int]] = {
    "digits": (_digits, "classes", 64, 10),
    "blobs": (_blobs, "classes", 8, 4),
    "rings": (_rings, "classes", 2, 2),
    "wine": (_wine, "classes", 13, 3),
    "cancer": (_cancer, "classes", 30, 2),
    "curve": (_curve, "values", 1, 1),
    "surface": (_surface, "values", 5, 1),
    "diabetes": (_diabetes, "values", 10, 1),
    "tiles": (_tiles, "classes", 1, 10),
    "shapes": (_shapes, "classes", 3, 4),
    "counts": (_counts, "sequences", 8, 2),
    "chain": (_chain, "next token", 12, 12),
    "tags": (_tags, "tagging", 10, 4),
    "topics": (_topics, "several", 12, 6),
}
NAMES = tuple(_RAW)


def load(name: str, seed: int) -> Task:
    """Return the problem of this name, drawn and split by the seed.

    Raises:
        KeyError: There is no problem of this name; the message lists them.
    """
    if name not in _RAW:
        raise KeyError(f"no task is called {name!r}; there are {', '.join(NAMES)}")
    draw, kind, inputs, outputs = _RAW[name]
    random = np.random.default_rng(seed)
    x, y = draw(random)
    order = random.permutation(len(x))
    held_out, kept = order[: len(x) // 4], order[len(x) // 4 :]
    dtype = {"f": torch.float32, "i": torch.int64}
    xs, ys = torch.tensor(x, dtype=dtype[x.dtype.kind]), torch.tensor(y, dtype=dtype[y.dtype.kind])
    return Task(xs[kept], ys[kept], xs[held_out], ys[held_out], kind, inputs, outputs)  # type: ignore[arg-type]
