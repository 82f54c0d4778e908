"""What the samples of a source are to learn, and the tensors that a network learns it from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from trainwright.data.encode import mean_and_std
from trainwright.data.numbers import NumberForm
from trainwright.data.preprocessing import TargetPlan
from trainwright.errors import DataError
from trainwright.records import Task

_RARE_COMBINATION = 10  # rows below which a combination of labels is not divided on its own


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """What the samples of a source are to learn.

    `names` are the target's columns. `classes` are the names of the classes in the order of their ids, or of the
    labels, which are the columns; () for quantities. `rows`, int64 `(n,)`, are the rows of the source that have a
    target; `values` what they hold: class ids, int64 `(n,)`, or float64 `(n, columns)`, quantities or labels of 0 and
    1. `forms` say how the cells of each column are read as numbers, None for words; () where there are no cells.
    """

    names: tuple[str, ...]
    task: Task
    classes: tuple[str, ...]
    rows: np.ndarray
    values: np.ndarray
    forms: tuple[NumberForm | None, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """The number of classes, labels or columns."""
        return len(self.classes) or self.values.shape[1]

    @property
    def strata(self) -> np.ndarray | None:
        """What the division into splits keeps in proportion, `(n,)`: classes, or combinations of labels.

        Rare combinations count as one; None for quantities.
        """
        if self.task == "regression":
            return None
        if self.task == "classification":
            return self.values
        _, kinds, counts = np.unique(self.values, axis=0, return_inverse=True, return_counts=True)
        kinds = kinds.reshape(-1)
        return np.where(counts[kinds] < _RARE_COMBINATION, -1, kinds)

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many samples each class or label has, () for quantities."""
        if self.task == "classification":
            found = np.bincount(self.values, minlength=len(self.classes))
        else:
            found = self.values.sum(0).astype(np.int64)
        return tuple(zip(self.classes, found.tolist(), strict=True)) if self.classes else ()


@dataclass(frozen=True, kw_only=True)
class TargetScale:
    """Mean and standard deviation of each target column over the training rows; () but for quantities."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def learn_scale(target: Target, train: np.ndarray) -> tuple[TargetScale, tuple[str, ...]]:
    """Learn from the training places alone what target columns are standardised by, and what there is to say of them.

    `train` are places among the rows that have a target. Raises `DataError` for a quantity that is the same in all of
    them; a label that none or all of them have gets a note.
    """
    if target.task == "classification":
        return TargetScale(), ()
    values = target.values[train]
    if target.task == "multi-label":
        alike = [name for name, column in zip(target.classes, values.T, strict=True) if column.min() == column.max()]
        note = f"labels that all training rows or none have cannot be learnt: {', '.join(alike[:5])}"
        return TargetScale(), ((note + (", ..." if len(alike) > 5 else ""),) if alike else ())
    means, stds = zip(*(mean_and_std(column) for column in values.T), strict=True)
    for name, mean, std in zip(target.names, means, stds, strict=True):
        if std == 0.0:
            raise DataError(
                f"the target '{name}' is the same in every training row, so there is nothing to learn",
                evidence=f"{len(train)} rows with {mean:g}",
                remedy="give more rows, or choose another column as data.target",
            )
    return TargetScale(mean=means, std=stds), ()


def encode_target(target: Target, scale: TargetScale, places: np.ndarray) -> torch.Tensor:
    """Return the targets at `places`: int64 class ids `(n,)`, else float32 `(n, columns)`, quantities standardised."""
    values = target.values[places]
    if target.task == "regression":
        values = (values - np.asarray(scale.mean)) / np.asarray(scale.std)
    return torch.from_numpy(values if target.task == "classification" else values.astype(np.float32))


def target_plan(target: Target, scale: TargetScale) -> TargetPlan:
    """Return all that must be known to read a prediction."""
    return TargetPlan(
        names=target.names,
        task=target.task,
        classes=target.classes,
        forms=target.forms,
        mean=scale.mean,
        std=scale.std,
    )
