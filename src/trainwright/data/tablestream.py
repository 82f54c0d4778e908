"""A table that stays on disk to a data set: judged by a sample of its rows, measured in one pass over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trainwright.data.blocks import PARTS, Stream, parts_of
from trainwright.data.columns import Column, cells_of, survey
from trainwright.data.dataset import Dataset, Split
from trainwright.data.encode import ColumnPlan, encode
from trainwright.data.feed import Batch
from trainwright.data.goals import Target, TargetScale, encode_target, target_plan
from trainwright.data.numbers import number_form
from trainwright.data.preprocessing import Preprocessing, TablePlan
from trainwright.data.rawtable import RawTable
from trainwright.data.splits import Preparation
from trainwright.data.tableblocks import TableBlocks
from trainwright.data.tablefile import check_columns
from trainwright.data.tablemeasure import KEPT_ROWS, Measured, measure, on_its_own, rows_of
from trainwright.data.tableplans import plans_of
from trainwright.data.tables import guessed_target, read_as
from trainwright.data.targets import read_more, read_target
from trainwright.errors import DataError, UsageError
from trainwright.randomness import generator
from trainwright.records import DataShape

_SURVEYED_BLOCKS = 16  # places of the file that the kinds of its columns are judged by
_SURVEYED_ROWS = 50_000


def stream_table(
    blocks: TableBlocks,
    *,
    target: Sequence[str],
    task: str,
    preparation: Preparation,
    ignore: Sequence[str] = (),
    workers: int = 1,
) -> Dataset:
    """Make a table that stays on disk a data set, in memory that does not grow with it.

    What columns are, and how they write their numbers, is judged by rows of up to 16 places of the file. Means,
    deviations, categories and classes are those of all training rows, found in one pass; only a median, which fills
    missing numbers, is that of some thousand rows drawn at random. Which split a row belongs to is a function of the
    seed and the row's number. Raises `DataError` as `load_table` does.
    """
    path, notes = Path(blocks.path), list(blocks.notes)
    sample = _sample(blocks, preparation.seed)
    for name in ignore:
        check_columns([name], sample, "data.ignore")
    names = [name for name in sample.frame.columns if name not in ignore]
    target = tuple(target) or (guessed_target(names, path, notes),)
    check_columns(target, sample, "data.target")
    for name in target:
        if name in ignore:
            raise UsageError(f"the target '{name}' is also in data.ignore", remedy="remove it from one of them")
    goal = read_target(sample, target, task)
    columns = [_used(column, sample) for column in survey(sample, without={*target, *ignore})]
    notes += [column.note for column in columns if column.note]
    learnt = [column for column in columns if column.kind in ("number", "category")]
    found = measure(blocks, learnt, goal, preparation)
    goal, scale, more = _settled(goal, found, sample, task)
    plans, left_out = plans_of(learnt, found, standardise=preparation.standardise)
    if not plans:
        raise DataError(f"{path} has no column left to learn from beside the target '{', '.join(target)}'")
    if found.without:
        more.append(f"{found.without:,} rows without a target were left out")
    features = tuple(feature for plan in plans for feature in plan.features)
    reading = _Reading(blocks=blocks, plans=plans, goal=goal, scale=scale, preparation=preparation)
    if not found.counts[:, 0].any():
        raise DataError(f"{path} has no row with a target to train on", remedy="give more rows, or smaller shares")
    return Dataset(
        name=path.name.removesuffix(".gz").rsplit(".", 1)[0],
        shape=DataShape(
            input_shape=(len(features),),
            outputs=goal.outputs,
            task=goal.task,
            groups=tuple(width for plan in plans for width in plan.groups),
        ),
        train=reading.split(0, found, workers),
        validation=reading.split(1, found, workers) if found.counts[:, 1].any() else None,
        test=reading.split(2, found, workers) if found.counts[:, 2].any() else None,
        classes=goal.classes,
        features=features,
        target_mean=scale.mean,
        target_std=scale.std,
        fingerprint=blocks.fingerprint,
        preprocessing=Preprocessing(
            kind="table",
            plan=TablePlan(names=blocks.names, has_header=blocks.has_header, columns=plans),
            target=target_plan(goal, scale),
        ).plain(),
        notes=(*notes, *more, *left_out),
    )


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How a block of rows becomes samples, with everything that was learnt."""

    blocks: TableBlocks
    plans: tuple[ColumnPlan, ...]
    goal: Target
    scale: TargetScale
    preparation: Preparation

    def split(self, part: int, found: Measured, workers: int) -> Split:
        """Return a split that is read block by block, with the samples that were kept of it."""
        counts = found.counts[:, part]
        firsts = self.firsts
        width = sum(len(plan.features) for plan in self.plans)

        def read(block: int) -> Batch:
            table = self.blocks.read(block)
            mine = parts_of(self.preparation, int(firsts[block]), len(table.lines)) == part
            return self.encoded(rows_of(table, np.flatnonzero(mine)))

        kept = [self.encoded(table) for table in found.kept.get(part, [])]
        if not kept:  # a part of few rows, none of which was drawn
            kept = [read(int(np.flatnonzero(counts)[0]))]
        x, y = (torch.cat(values)[:KEPT_ROWS] for values in zip(*kept, strict=True))
        order = torch.randperm(len(x), generator=generator(self.preparation.seed, "kept", part))
        said = f"{self.blocks.fingerprint}|{PARTS[part]}|{self.preparation}|{counts.sum()}"
        return Split(
            x=x[order],
            y=y[order],
            name=PARTS[part],
            digest=hashlib.sha256(said.encode()).hexdigest(),
            stream=Stream(
                counts=counts,
                read=read,
                sample_bytes=4 * width + 8 * max(1, y[0].numel()),
                class_counts=tuple(found.trained[name] for name in self.goal.classes)
                if self.goal.task == "classification"
                else (),
                workers=workers,
            ),
        )

    @property
    def firsts(self) -> np.ndarray:
        """The number of rows before each block."""
        return np.cumsum(self.blocks.rows) - self.blocks.rows

    def encoded(self, table: RawTable) -> Batch:
        """Return the rows of a table that have a target as inputs and targets."""
        goal = goals_in(self.goal, table)
        return encode(self.plans, read_as(self.plans, table), goal.rows), encode_target(
            goal, self.scale, np.arange(len(goal.rows))
        )


def goals_in(goal: Target, table: RawTable) -> Target:
    """Return the targets of a block, which may have none at all."""
    if any(table.frame.get_column(name).null_count() == len(table.lines) for name in goal.names):
        return replace(goal, rows=np.arange(0), values=goal.values[:0])
    return read_more(goal, table)


def _sample(blocks: TableBlocks, seed: int) -> RawTable:
    """Return rows of some blocks, in order, to judge the columns by."""
    import polars as pl

    count = len(blocks.rows)
    chosen = np.sort(torch.randperm(count, generator=generator(seed, "survey"))[:_SURVEYED_BLOCKS].numpy())
    each = max(1, _SURVEYED_ROWS // len(chosen))
    tables = []
    for block in chosen.tolist():
        table = blocks.read(block)
        tables.append(on_its_own(rows_of(table, np.arange(min(each, len(table.lines))))))
    return replace(
        tables[0],
        frame=pl.concat([table.frame for table in tables], rechunk=True),
        lines=np.concatenate([table.lines for table in tables]),
    )


def _used(column: Column, sample: RawTable) -> Column:
    """Return a column that is constant in the sample as one that may vary elsewhere."""
    if column.kind != "constant" or column.distinct == 0:
        return column
    form = number_form(cells_of(sample, column.name))
    return replace(column, kind="category" if form is None else "number", form=form, note="")


def _settled(goal: Target, found: Measured, sample: RawTable, task: str) -> tuple[Target, TargetScale, list[str]]:
    """Return the target with the classes of all rows, its scale by the training rows, and what there is to say."""
    notes = list(goal.notes)
    notes = [note for note in notes if "rows without a target" not in note and "fewer than" not in note]
    if goal.task == "classification":
        numeric = goal.forms[0] is not None
        names = tuple(sorted(found.labels, key=float if numeric else str))
        if task == "auto" and numeric and len(names) > max(len(goal.classes), 20):
            raise DataError(
                f"the target '{goal.names[0]}' holds {len(names):,} distinct numbers, which may mean several things",
                evidence=f"{len(goal.classes)} in a sample of {len(sample.lines):,} rows",
                remedy='set data.task to "classification" or to "regression"',
            )
        never = [name for name in names if not found.trained[name]]
        if never:
            notes.append(f"classes that no training row has: {', '.join(never[:5])}")
        return replace(goal, classes=names), TargetScale(), notes
    if goal.task == "multi-label":
        alike = [
            name for name, low, high in zip(goal.classes, found.goals.low, found.goals.high, strict=True) if low == high
        ]
        if alike:
            notes.append(f"labels that all training rows or none have cannot be learnt: {', '.join(alike[:5])}")
        return goal, TargetScale(), notes
    stds = found.goals.std
    if (stds == 0).any():
        raise DataError(
            f"the target '{goal.names[int(np.argmin(stds))]}' is the same in every training row, so there is nothing "
            "to learn"
        )
    return goal, TargetScale(mean=tuple(found.goals.mean.tolist()), std=tuple(stds.tolist())), notes
