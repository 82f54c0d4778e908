"""Do inputs and labels belong together: what near samples and a linear model say of each label, against chance."""

from __future__ import annotations

import math

import numpy as np
import torch

from trainwright.vitals.data_rows import row_hashes

FEWEST = 250
"""Different samples from which the question can be answered."""
_MOST = 1024
_FEATURES = 256  # evenly spread ones
_NEIGHBOURS = 5
_CLASSES = 64
_PENALTY = 0.1  # of the ridge regression, in samples' worth of variance


def relation(x: torch.Tensor, labels: torch.Tensor) -> float | None:
    """Return by how many standard deviations labels `(n,)` are guessed better than by chance from inputs `(n, ...)`.

    The better of two guesses, each of samples left out: by a vote of the five nearest samples, and by ridge regression.
    Independent labels give less than 2, nineteen times in twenty. None where samples are few, classes many, or nothing
    varies.
    """
    _, first = np.unique(row_hashes(x), return_index=True)  # a sample that came twice would know its own label
    chosen = torch.from_numpy(np.sort(first))[:_MOST]
    rows = x[chosen].reshape(len(chosen), -1).double()
    rows = rows[:, :: max(1, rows.shape[1] // _FEATURES)]
    rows = rows[:, torch.isfinite(rows).all(0)]
    rows = rows[:, rows.std(0) > 0] if len(rows) > 1 and rows.shape[1] else rows
    classes, ids = labels[chosen].unique(return_inverse=True)
    if len(rows) < FEWEST or rows.shape[1] == 0 or not 1 < len(classes) <= _CLASSES:
        return None
    rows = (rows - rows.mean(0)) / rows.std(0)
    hot = torch.nn.functional.one_hot(ids, len(classes)).double()
    return max(_deviations(_by_neighbours(rows, hot), ids), _deviations(_by_line(rows, hot), ids))


def _by_neighbours(rows: torch.Tensor, hot: torch.Tensor) -> torch.Tensor:
    distances = torch.cdist(rows, rows)
    distances.fill_diagonal_(math.inf)
    nearest = distances.topk(min(_NEIGHBOURS, len(rows) - 1), largest=False).indices
    weights = torch.linspace(1.01, 1.0, nearest.shape[1], dtype=torch.float64)  # the nearer one settles a tie
    return (hot[nearest] * weights[:, None]).sum(1).argmax(1)


def _by_line(rows: torch.Tensor, hot: torch.Tensor) -> torch.Tensor:
    """Return what ridge regression answers for each row left out: in closed form, from its leverage."""
    design = torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], 1)
    gram = design.T @ design
    gram.diagonal().add_(_PENALTY * len(rows))
    solved = torch.linalg.solve(gram, design.T)
    fitted, leverage = design @ (solved @ hot), (design * solved.T).sum(1, keepdim=True)
    left_out = (fitted - leverage * hot) / (1 - leverage).clamp_min(1e-6)
    return (left_out / hot.mean(0).sqrt()).argmax(1)  # else the most frequent class is the answer to everything


def _deviations(answers: torch.Tensor, ids: torch.Tensor) -> float:
    size = int(ids.max()) + 1
    answered, there = (torch.bincount(part, minlength=size).double() / len(ids) for part in (answers, ids))
    chance = float((answered * there).sum())
    if not 0 < chance < 1:
        return 0.0
    right = float((answers == ids).double().sum())
    return (right - len(ids) * chance) / math.sqrt(len(ids) * chance * (1 - chance))
