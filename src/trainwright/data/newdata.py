"""New data, whatever holds them, to pieces that a trained network can take one after the other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.data.arraytargets import more_of
from trainwright.data.embedded import EMBEDDED
from trainwright.data.files import locate
from trainwright.data.goals import Target, TargetScale, encode_target
from trainwright.data.preprocessing import Preprocessing, TablePlan, TargetPlan, TextPlan
from trainwright.errors import DataError, UsageError

_SHOWN = 6  # names that a remark lists


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Some samples of new data, as many as are held at a time.

    `x` `(n, *input_shape)` is what the network takes. `places` says of each where it stands: the number of its row,
    counted from 1, or its file. `y` are the targets of the samples `labelled`, int64 places in the piece; None where
    the data have none. `kept` are columns that are to be handed on as they are.
    """

    x: torch.Tensor
    places: Sequence[int | str]
    y: torch.Tensor | None = None
    labelled: np.ndarray | None = None
    kept: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Remarks:
    """What there is to say of new data. It grows as the pieces are read, and is whole when all were."""

    notes: list[str] = field(default_factory=list)
    unseen: Counter[str] = field(default_factory=Counter)  # cells of each column with a category unknown to training
    examples: dict[str, str] = field(default_factory=dict)  # the first of them
    missing: Counter[str] = field(default_factory=Counter)  # missing cells of columns where training lacked none
    unread_target: str = ""  # why there are targets that could not be read

    def note(self, text: str) -> None:
        """Add a sentence, once."""
        if text not in self.notes:
            self.notes.append(text)

    def sentences(self, preprocessing: Preprocessing) -> tuple[str, ...]:
        """Return everything as sentences."""
        said = list(self.notes)
        columns = preprocessing.plan.columns if isinstance(preprocessing.plan, TablePlan) else ()
        for plan in columns:
            if plan.name in self.unseen:
                taken = "as 'other'" if plan.other else "as none of the known ones"
                said.append(
                    f"column '{plan.name}': {self.unseen[plan.name]:,} cells hold a category that is not among those "
                    f"of training, the first '{self.examples[plan.name]}'; taken {taken}"
                )
            if plan.name in self.missing:
                taken = f"as the median {plan.fill:g}" if plan.kind == "number" else "as no category"
                said.append(
                    f"column '{plan.name}': {self.missing[plan.name]:,} values are missing, and none was in training; "
                    f"taken {taken}"
                )
        if self.unread_target:
            said.append(f"the targets could not be read, so nothing was scored: {self.unread_target}")
        return tuple(said)


def pieces(preprocessing: Preprocessing, data: Any, remarks: Remarks, *, keep: Sequence[str] = ()) -> Iterator[Piece]:
    """Yield new data in pieces; where they bring targets, with these.

    `data` are what `prepare_rows` takes, or, for images and arrays, a folder of images, an .npz file; for a text, the
    path of a text file, whose windows follow one another; or the name of an embedded data set. Tables are read as they
    are needed, so that memory does not grow with them. `keep` names columns of a table to hand on. Raises `DataError`
    where the data do not fit what the training data were.
    """
    from trainwright.data import newarrays, newtable, newtext

    if keep and not isinstance(preprocessing.plan, TablePlan):
        raise UsageError(
            "columns can be kept of tables alone", evidence=f"keep = {', '.join(keep)}", remedy="leave --keep out"
        )
    if isinstance(data, str) and data in EMBEDDED and not Path(data).exists():
        data = _embedded(preprocessing, data)
    if isinstance(preprocessing.plan, TablePlan):
        return newtable.table_pieces(preprocessing, data, remarks, keep)
    if isinstance(preprocessing.plan, TextPlan):
        return newtext.text_pieces(preprocessing.plan, data, remarks)
    return newarrays.array_pieces(preprocessing, data, remarks)


def place_of(data: str | os.PathLike[str]) -> Path:
    """Return where a file or folder lies. Raises `DataError` where nothing does."""
    return locate(os.fspath(data), folder=None, data_root=None)


def target_of(plan: TargetPlan) -> Target:
    """Return the target of training without its rows, for reading more of the same."""
    return Target(
        names=plan.names,
        task=plan.task,
        classes=plan.classes,
        rows=np.arange(0),
        values=np.zeros((0, len(plan.names))),
        forms=plan.forms or (None,) * len(plan.names),
    )


def encoded(plan: TargetPlan, target: Target) -> torch.Tensor:
    """Return targets as the loss takes them."""
    return encode_target(target, TargetScale(mean=plan.mean, std=plan.std), np.arange(len(target.rows)))


def labels_of(preprocessing: Preprocessing, y: np.ndarray | None, remarks: Remarks) -> torch.Tensor | None:
    """Return the targets of an array as the loss takes them, None, with a remark, where they are none of training's."""
    plan = preprocessing.target
    if plan is None or y is None or len(y) == 0:
        return None
    numbered = plan.task == "classification" and y.dtype.kind in "iu"
    names = plan.classes if numbered and not any(name.lstrip("-").isdigit() for name in plan.classes) else ()
    target = target_of(plan)
    if plan.task != "classification":  # as many columns as in training
        width = len(plan.classes) or len(plan.mean)
        target = Target(
            names=plan.names, task=plan.task, classes=plan.classes, rows=target.rows, values=np.zeros((0, width))
        )
    try:
        return encoded(plan, more_of(target, y, where="the targets", classes=names))
    except DataError as problem:
        remarks.unread_target = remarks.unread_target or f"{problem.what} ({problem.evidence})"
        return None


def named(names: Sequence[str]) -> str:
    """Return names as a list that does not grow beyond a line."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more


def _embedded(preprocessing: Preprocessing, name: str) -> Any:
    """Return an embedded data set in the form in which `data` can be given."""
    spec = EMBEDDED[name]
    arrays = spec.read()
    if not isinstance(preprocessing.plan, TablePlan):
        return arrays.x, arrays.y
    rows: dict[str, Any] = {column: arrays.x[:, place] for place, column in enumerate(arrays.features)}
    classes = arrays.classes
    rows[spec.target] = [classes[label] for label in arrays.y] if classes else arrays.y
    return rows
