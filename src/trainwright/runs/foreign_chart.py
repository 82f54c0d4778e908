"""From the columns of a log to a chart: one axis of steps, what was logged twice kept once, what is missing said."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainwright.records import Chart, EvalRecord, Event, RunInfo, Setting, StepRecord
from trainwright.runs.foreign_columns import Columns
from trainwright.runs.foreign_table import Table

LOG = "log"
"""The event that says of a chart that it was made from a log; `moving` in its detail is that of `Columns`."""
_RATE_SETTINGS = ("optimizer.lr", "lr", "learning_rate", "base_lr", "optimizer/lr", "optim/lr", "args/lr", "max_lr")
_MOSTLY = 0.5
_TORN_ORDER = 0.2
"""Share of steps that go back above which no restart explains it: the log is not in order at all."""
_EPOCHS_WIDE = 5
"""Steps of training for each step of validation above which the latter must be epochs."""


@dataclass(frozen=True, slots=True)
class _Point:
    step: int
    row: int
    value: float


def chart_of(table: Table, columns: Columns, name: str) -> tuple[Chart, tuple[str, ...]]:
    """Return the chart of a log, and remarks on what had to be decided on the way."""
    roles, remarks = columns.roles, list[str]()
    main = roles.get("train_loss", roles.get("val_loss", ""))
    places = _places(table, roles, main, remarks)

    def series(role: str) -> list[_Point]:
        return _series(table, roles[role], places, remarks) if role in roles else []

    train, held = series("train_loss"), series("val_loss")
    rates, norms = series("lr"), {point.step: point.value for point in series("grad_norm")}
    right = {split: _shares(series(f"{split}_accuracy"), remarks) for split in ("train", "val")}
    if not held:
        held = [_Point(step, 0, math.nan) for step in right["val"]]
    held, right["val"] = _as_steps(train, held, right["val"], remarks)
    epochs = _filled(table, roles.get("epoch"))
    rate_steps = [point.step for point in rates]
    steps = []
    for point in train:
        before = bisect.bisect_right(rate_steps, point.step) - 1
        steps.append(
            StepRecord(
                step=point.step,
                epoch=int(epochs[point.row]),
                loss=point.value,
                rate=rates[max(before, 0)].value if rates else math.nan,
                samples=0,
                gradient_norm=norms.get(point.step),
            )
        )
    losses = {point.step: point for point in train}
    evals = [_evaluation(point, "validation", epochs, right["val"]) for point in held]
    evals += [_evaluation(losses[step], "train", epochs, right["train"]) for step in right["train"] if step in losses]
    _missing_at_end(table, roles.get("train_loss"), remarks)
    info = RunInfo(name=name, metric="accuracy" if right["val"] else None, settings=_settings(table.settings))
    event = Event(step=0, name=LOG, detail={"form": table.form, "moving": columns.moving})
    chart = Chart(info=info, steps=steps, evals=sorted(evals, key=lambda record: record.step), events=(event,))
    return chart, tuple(dict.fromkeys(remarks))


def _places(table: Table, roles: Mapping[str, str], main: str, remarks: list[str]) -> list[int]:
    """Return the step of each row: as it was logged, else the epoch, else a count of the rows of the main column."""
    counted = list(itertools.accumulate((main in row for row in table.rows), initial=0))
    rows = [place for place, row in enumerate(table.rows) if main in row]
    for role in ("step", "epoch"):
        name = roles.get(role)
        logged = [table.rows[place].get(name, math.nan) for place in rows] if name else []
        if not logged or not any(math.isfinite(value) for value in logged):
            continue
        if any(math.isfinite(value) and (value % 1 or abs(value) > 2**53) for value in logged):
            if role == "step":
                remarks.append(f"'{name}' holds no whole numbers: the rows are counted instead")
            continue
        values = _filled(table, name)
        if role == "step" and _begins_again([values[place] for place in rows], _at(table, roles.get("epoch"), rows)):
            remarks.append(f"'{name}' begins again in every epoch: the rows are counted instead")
            return counted[:-1]
        along = [values[place] for place in rows]
        if role == "epoch" and not all(before < after for before, after in itertools.pairwise(along)):
            continue
        if role == "epoch":
            remarks.append("no column counts steps: a step is an epoch here")
        return [int(value) for value in values]
    remarks.append("no column counts steps: a step is a row here")
    return counted[:-1]


def _at(table: Table, column: str | None, rows: Sequence[int]) -> list[float]:
    values = _filled(table, column)
    return [values[place] for place in rows] if column else []


def _filled(table: Table, column: str | None) -> list[float]:
    """Return a column for every row, its last value where a row has none, 0 before the first."""
    values, last = [], 0.0
    for row in table.rows:
        value = row.get(column, math.nan) if column else math.nan
        last = value if math.isfinite(value) else last
        values.append(last)
    return values


def _begins_again(steps: Sequence[float], epochs: Sequence[float]) -> bool:
    """Say whether steps count within an epoch: they fall where the epoch rises; or thrice, to the same start."""
    falls = [place for place in range(1, len(steps)) if steps[place] < steps[place - 1]]
    if epochs:
        return bool(falls) and all(epochs[place] > epochs[place - 1] for place in falls)
    return len(falls) >= 2 and all(steps[place] == steps[0] for place in falls)


def _series(table: Table, column: str, places: Sequence[int], remarks: list[str]) -> list[_Point]:
    points = [_Point(places[row], row, cells[column]) for row, cells in enumerate(table.rows) if column in cells]
    numbers = [not math.isnan(point.value) for point in points]
    absent = numbers.count(False)
    # A loss that is lost stays so: NaN in most cells, with numbers after them, says that nothing was measured there.
    if absent > _MOSTLY * len(points) and any(numbers[numbers.index(False) :]):
        remarks.append(f"NaN in {absent} cells of '{column}' is taken for 'not measured': numbers stand between them")
        points = [point for point in points if not math.isnan(point.value)]
    falls = sum(after.step < before.step for before, after in itertools.pairwise(points))
    if falls > max(_TORN_ORDER * len(points), 2):
        remarks.append(f"the steps of '{column}' are in no order: they are sorted")
        points.sort(key=lambda point: point.step)
    kept: list[_Point] = []
    for point in points:
        if kept and point.step < kept[-1].step:
            last = kept[-1].step
            remarks.append(f"'{column}' begins again at step {point.step} after {last} (a restart): the later is kept")
        while kept and kept[-1].step >= point.step:
            kept.pop()
        kept.append(point)
    return kept


def _shares(points: Sequence[_Point], remarks: list[str]) -> dict[int, float]:
    """Return an accuracy by step, as a share of 1."""
    values = {point.step: point.value for point in points}
    if max((value for value in values.values() if math.isfinite(value)), default=0.0) > 1.5:
        remarks.append("an accuracy above 1 is taken for percent")
        return {step: value / 100 for step, value in values.items()}
    return values


def _as_steps(
    train: Sequence[_Point], held: list[_Point], right: dict[int, float], remarks: list[str]
) -> tuple[list[_Point], dict[int, float]]:
    """Spread evaluations that are numbered 0, 1, 2 ... over the steps of training, where those go much further."""
    count, first = len(held), held[0].step if held else 0
    numbered = count >= 2 and first in (0, 1) and [point.step for point in held] == list(range(first, first + count))
    if not numbered or not train or train[-1].step < _EPOCHS_WIDE * held[-1].step or len(train) < _EPOCHS_WIDE * count:
        return held, right
    last = train[-1].step
    remarks.append(f"the validation's steps ({first} to {held[-1].step}) are taken for epochs, of steps up to {last}")
    moved = {point.step: round((place + 1) / count * last) for place, point in enumerate(held)}
    spread = [_Point(moved[point.step], point.row, point.value) for point in held]
    return spread, {moved[step]: value for step, value in right.items() if step in moved}


def _evaluation(point: _Point, split: str, epochs: Sequence[float], right: Mapping[int, float]) -> EvalRecord:
    return EvalRecord(
        step=point.step,
        epoch=epochs[point.row],
        split=split,
        loss=point.value,
        loss_error=math.nan,
        metrics={"accuracy": right[point.step]} if point.step in right else {},
        samples=0,
    )


def _missing_at_end(table: Table, column: str | None, remarks: list[str]) -> None:
    """Remark where a column that was always filled ends before the rows do: some writers leave NaN empty."""
    filled = [column in row for row in table.rows]
    if True not in filled:
        return
    end = len(filled) - filled[::-1].index(True)
    if len(filled) - end >= 3 and all(filled[:end]) and len(table.columns) > 1:
        rows = len(filled) - end
        remarks.append(f"'{column}' is empty in the last {rows} rows: pandas writes NaN so")


def _settings(found: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return the settings, the learning rate under the name that the doctor knows."""
    rate = next((found[name] for name in _RATE_SETTINGS if name in found), None)
    return dict(found) if rate is None else {**found, "optimizer.lr": rate}
