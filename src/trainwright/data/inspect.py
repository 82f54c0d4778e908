"""A first look at a data set: what each column is, which the target may be, and what the task is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.data.columns import Column, Kind, number_column, survey
from trainwright.data.embedded import EmbeddedArrays, EmbeddedSpec
from trainwright.data.encode import fit_columns
from trainwright.data.goals import Target
from trainwright.data.guess import guess_target
from trainwright.data.load import embedded_target, load, target_columns
from trainwright.data.rawtable import RawTable
from trainwright.data.samples import SampleSource, source_target
from trainwright.data.source import Source, open_source
from trainwright.data.tablefile import check_columns
from trainwright.data.targets import read_target
from trainwright.defaults import CONTEXT
from trainwright.errors import DataError
from trainwright.records import Task


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """One column: what it is, how many cells are missing, how many distinct values there are, and the first of them."""

    name: str
    kind: Kind
    missing: int
    distinct: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What a first look shows.

    `source` is the name, or the path that was found; `rows` counts its samples, of a text the windows. `target` is the
    target column, or all of them where there are several (None where the data set has its own, not a column) and
    `target_reason` why it was taken; `classes` are their names and counts, of labels how many rows have each, () for
    quantities; `outputs` counts classes, labels or target columns. `input_shape` is that of one sample when all columns
    are used. `vocabulary` is the number of different characters of a text, else None. `warnings` are plain sentences.
    """

    source: str
    rows: int
    columns: tuple[ColumnSummary, ...]
    task: Task
    target: str | tuple[str, ...] | None
    target_reason: str
    classes: tuple[tuple[str, int], ...]
    input_shape: tuple[int, ...]
    warnings: tuple[str, ...]
    outputs: int = 1
    vocabulary: int | None = None


def inspect(
    source: str | Source,
    *,
    target: str | Sequence[str] | None = None,
    task: str = "auto",
    data_root: str | None = None,
    folder: str | None = None,
    image_size: int | None = None,
    context: int = int(CONTEXT.value),
) -> DataSummary:
    """Look at a data set without preparing it; the arguments are those of `load`.

    Without `target`, the target is guessed: by a name such as "label", else the last column that can be predicted.
    Raises `DataError` where the data cannot be found or read, or where nothing in it can be predicted. To load what
    was looked at without reading it again, `open_source` first and give both what it returns.
    """
    if isinstance(source, str):
        source = open_source(source, data_root=data_root, folder=folder, image_size=image_size)
    if source.table is not None:
        return _table(source.table, target_columns(target), task)
    if source.embedded is not None:
        return _embedded(*source.embedded)
    if source.samples is not None:
        return _samples(source, source.samples, task)
    return _text(source, context)


def _embedded(spec: EmbeddedSpec, arrays: EmbeddedArrays) -> DataSummary:
    columns = [number_column(name, arrays.x[:, place]) for place, name in enumerate(arrays.features)]
    target = embedded_target(spec, arrays)
    return DataSummary(
        source=spec.name,
        rows=spec.rows,
        columns=tuple(_summary(column) for column in columns),
        task=spec.task,
        target=None,
        target_reason=f"the data set has its own target, the {spec.target}",
        classes=target.counts,
        input_shape=spec.input_shape,
        warnings=(),
        outputs=target.outputs,
    )


def _samples(source: Source, samples: SampleSource, task: str) -> DataSummary:
    target = source_target(samples, task)
    warnings = list(samples.notes + target.notes)
    if "test" not in samples.parts and source.kind != "an embedded data set":
        what = "images" if samples.pixels else "samples"
        warnings.append(f"there are no test {what}; some of the training {what} will be held out")
    return DataSummary(
        source=source.place,
        rows=len(samples.parts["train"].x),
        columns=(),
        task=target.task,
        target=None,
        target_reason=f"the data set has its own target, {samples.target}",
        classes=target.counts,
        input_shape=samples.shape,
        warnings=tuple(warnings),
        outputs=target.outputs,
    )


def _text(source: Source, context: int) -> DataSummary:
    # Nothing is known of a text before it is read, and reading is all there is to preparing it.
    data = load(source, context=context)
    parts = [split for split in (data.train, data.validation, data.test) if split is not None]
    return DataSummary(
        source=source.place,
        rows=sum(len(split) for split in parts),
        columns=(),
        task=data.shape.task,
        target=None,
        target_reason="each character is predicted from those before it",
        classes=(),
        input_shape=data.shape.input_shape,
        warnings=data.notes,
        outputs=data.shape.outputs,
        vocabulary=data.shape.vocabulary,
    )


def _table(table: RawTable, names: tuple[str, ...], task: str) -> DataSummary:
    columns = survey(table)
    if names:
        check_columns(names, table, "the target")
        reason = "it was asked for" if len(names) == 1 else "they were asked for"
    else:
        guess = guess_target(table.frame.columns, boldly=True) or _last_predictable(columns, table.path)
        names, reason = (guess[0],), guess[1]
    goal = read_target(table, names, task)
    inputs = [column for column in columns if column.name not in names]
    return DataSummary(
        source=table.path,
        rows=len(table.lines),
        columns=tuple(_summary(column) for column in columns),
        task=goal.task,
        target=names[0] if len(names) == 1 else names,
        target_reason=reason,
        classes=goal.counts,
        input_shape=_input_shape(inputs, goal),
        warnings=(*table.notes, *goal.notes, *(column.note for column in inputs if column.note)),
        outputs=goal.outputs,
    )


def _input_shape(inputs: Sequence[Column], goal: Target) -> tuple[int, ...]:
    plans, _ = fit_columns(inputs, goal.rows, standardise=False)
    return (sum(len(plan.features) for plan in plans),)


def _last_predictable(columns: Sequence[Column], path: str) -> tuple[str, str]:
    usable = [column.name for column in columns if column.kind in ("number", "category")]
    if not usable:
        raise DataError(
            f"{path} has no column that can be predicted",
            evidence="; ".join(f"{column.name}: {column.kind}" for column in columns),
            remedy="give a table with numeric or categorical columns",
        )
    last = "it is the last column" if usable[-1] == columns[-1].name else "it is the last column that can be predicted"
    return usable[-1], f"{last}; no name gives the target away"


def _summary(column: Column) -> ColumnSummary:
    return ColumnSummary(
        name=column.name,
        kind=column.kind,
        missing=column.missing,
        distinct=column.distinct,
        examples=column.examples,
    )
