"""The verb predict: new data through a trained network, to rows, to a file, and to figures where targets came along."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainwright.data.newdata import Remarks
from trainwright.errors import DataError, UsageError
from trainwright.runs.durable import check_unused
from trainwright.serving.model import Model
from trainwright.serving.rows import columns, rows
from trainwright.serving.writing import check_ending, writing

KEPT_ROWS = 10_000
"""Rows that are handed back in memory; a file holds all."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What was predicted: the first rows under `columns`, and how many there are in all.

    `scores` are the loss and the metrics over the `scored` samples that came with a target, {} where none did.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    count: int
    scores: Mapping[str, float]
    scored: int
    notes: tuple[str, ...]
    output: Path | None


def predict(
    model: Model,
    data: Any,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    keep: Sequence[str] = (),
) -> Predictions:
    """Predict `data`, and write every row to `output` (.csv or .parquet, "-" for standard output) where one is given.

    `keep` names columns of a table that are written beside the predictions. Raises `DataError` where the data do not
    fit the training's; the file is then not there, or as it was before.
    """
    if output is not None:
        check_ending(output)
        _check_output(output, data, overwrite)
    remarks, scores = Remarks(), model.scores()
    names: list[str] = []
    shown: list[tuple[Any, ...]] = []
    count = bad = 0
    with writing(output, overwrite=overwrite) as writer:
        for answers in model.answers(data, remarks, keep=keep):
            if not names:
                names = columns(model, answers, keep)
                if writer is not None:
                    writer.begin(names)
            made = list(rows(model, answers))
            if writer is not None:
                writer.write(made)
            shown += [tuple(row) for row in made[: max(KEPT_ROWS - len(shown), 0)]]
            count += len(made)
            bad += int((~torch.isfinite(answers.values.flatten(1)).all(1)).sum())
            piece = answers.piece
            if piece.y is not None and len(piece.y) > 0:
                scores.update(answers.output if piece.labelled is None else answers.output[piece.labelled], piece.y)
        if not names:
            raise DataError("there are no samples to predict", remedy="give one sample at least")
    notes = [*model.notes, *remarks.sentences(model.preprocessing)]
    if bad:
        notes.append(f"{bad:,} predictions are no finite numbers: the network's weights or these inputs are too large")
    return Predictions(
        columns=tuple(names),
        rows=tuple(shown),
        count=count,
        scores={} if remarks.unread_target else scores.compute(),
        scored=0 if remarks.unread_target else scores.samples,
        notes=tuple(notes),
        output=output,
    )


def _check_output(output: Path, data: Any, overwrite: bool) -> None:
    if str(output) == "-":
        return
    if isinstance(data, str | os.PathLike) and output.exists() and Path(data).exists() and output.samefile(data):
        raise UsageError(
            "the predictions would overwrite the data",
            evidence=f"both are {output}",
            remedy="choose another --output",
        )
    check_unused(output, overwrite=overwrite)
