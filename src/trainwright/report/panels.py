"""Which plots a run has: a chart's columns as named, decimated series, one panel for each quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from trainwright.records import Chart, EvalRecord, RunInfo, StepRecord, column
from trainwright.report.axes import axis_for
from trainwright.report.curves import Curve, decimate, smooth
from trainwright.report.summary import SPLITS

Role = Literal["raw", "train", "validation", "test"]

_POINTS = 1200
_SMOOTH_FROM = 50
_SPAN_SHARE = 0.02
_FAR = 3.0  # ranges of the curves beyond them, up to which a level is drawn


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a plot. `role` decides its look: raw values are faint, evaluations have points."""

    name: str
    role: Role
    curve: Curve
    derived: bool = False  # computed from another series of the panel: no measurement, so no row in the text twin


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot. `baselines` are named levels to compare with, `zero` has the axis begin at zero."""

    key: str
    title: str
    series: tuple[Series, ...]
    allow_log: bool = False
    zero: bool = False
    baselines: tuple[tuple[str, float], ...] = ()


def build_panels(info: RunInfo, chart: Chart) -> list[Panel]:
    """Return the plots for which the chart has values: loss, metric, learning rate, gradient norm, update ratio."""
    panels = [
        _loss(info, chart),
        _metric(info, chart),
        Panel(key="rate", title="Learning rate", series=_steps(chart.steps, "rate"), zero=True),
        Panel(
            key="gradient",
            title="Gradient norm, before clipping",
            series=_smoothed(chart.steps, "gradient_norm"),
            allow_log=True,
        ),
        Panel(
            key="update",
            title="Update ratio, |update| / |weight|",
            series=_smoothed(chart.steps, "update_ratio"),
            allow_log=True,
        ),
    ]
    return [panel for panel in panels if panel.series]


def _loss(info: RunInfo, chart: Chart) -> Panel:
    series = list(_smoothed(chart.steps, "loss"))
    for split in SPLITS:
        # Beside the loss of every step, an evaluation of the training split would say the same twice.
        if split != "train" or not series:
            series += _evaluated(chart.evaluations(split), split, lambda record: record.loss)
    linear = info.baselines.linear_loss if info.baselines is not None else None
    return Panel(
        key="loss",
        title="Loss",
        series=tuple(series),
        allow_log=True,
        baselines=_levels(series, constant=info.constant_loss, linear=linear),
    )


def _metric(info: RunInfo, chart: Chart) -> Panel:
    named = [info.metric] if info.metric else []
    metric = next((name for name in [*named, *(name for record in chart.evals[:1] for name in record.metrics)]), "")
    series: list[Series] = []
    for split in SPLITS:
        records = [record for record in chart.evaluations(split) if metric in record.metrics]
        series += _evaluated(records, split, lambda record: record.metrics[metric])
    title = "RMSE" if metric == "rmse" else metric.capitalize()
    known = info.baselines if info.baselines is not None and info.baselines.metric == metric else None
    levels = _levels(
        series,
        constant=known.constant_metric if known is not None else None,
        linear=known.linear_metric if known is not None else None,
    )
    return Panel(key="metric", title=title, series=tuple(series), baselines=levels)


def _levels(series: Sequence[Series], *, constant: float | None, linear: float | None) -> tuple[tuple[str, float], ...]:
    """Return what the run is to be compared with, without a level so far off that the curves would become a line."""
    values = [value for one in series for value in one.curve.values if math.isfinite(value)]
    if not values:
        return ()
    low, high = min(values), max(values)
    room = max(high - low, 0.1 * abs(high))
    named = (("constant predictor", constant), ("linear model", linear))
    known = [(name, level) for name, level in named if level is not None and math.isfinite(level)]
    return tuple((name, level) for name, level in known if low - _FAR * room <= level <= high + _FAR * room)


def _evaluated(records: Sequence[EvalRecord], split: Role, value: Callable[[EvalRecord], float]) -> list[Series]:
    if not records:
        return []
    curve = decimate([record.step for record in records], list(map(value, records)), _POINTS)
    return [Series(name=split, role=split, curve=curve)]


def _steps(records: Sequence[StepRecord], name: str) -> tuple[Series, ...]:
    steps, values = _column(records, name)
    return (Series(name="train", role="train", curve=decimate(steps, values, _POINTS)),) if steps else ()


def _smoothed(records: Sequence[StepRecord], name: str) -> tuple[Series, ...]:
    steps, values = _column(records, name)
    if len(steps) < _SMOOTH_FROM:
        return _steps(records, name)
    span = max(10.0, round(_SPAN_SHARE * len(steps)))
    axis = axis_for(values, allow_log=True)
    # On a logarithmic axis the plain mean is no middle: one spike would hold it up for the rest of the run.
    geometric = axis is not None and axis.log
    mean = decimate(steps, _geometric(values, span) if geometric else smooth(values, span), _POINTS)
    label = f"train, {'geometric ' if geometric else ''}mean over about the last {span:,.0f}"
    return (
        Series(name="train, each step", role="raw", curve=decimate(steps, values, _POINTS)),
        Series(name=label, role="train", curve=mean, derived=True),
    )


def _geometric(values: Sequence[float], span: float) -> list[float]:
    logarithms = [math.log(value) if math.isfinite(value) else value for value in values]
    return [math.exp(value) if math.isfinite(value) else value for value in smooth(logarithms, span)]


def _column(records: Sequence[StepRecord], name: str) -> tuple[list[int], list[float]]:
    measured = [
        pair for pair in zip(column(records, "step"), column(records, name), strict=True) if pair[1] is not None
    ]
    return [step for step, _ in measured], [value for _, value in measured]
