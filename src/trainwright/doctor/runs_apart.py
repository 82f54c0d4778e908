"""Several runs in one process, such as the folds of a cross-validation: each is judged by its own curve.

A chart holds them one after the other; events named `BEGINS` say where one begins that shares no weight with those
before it. Read as one curve they look like a loss that was lost and found again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trainwright.doctor.rule import Rule
from trainwright.records import Chart, EvalRecord, Finding
from trainwright.records.findings import SEVERITIES

BEGINS = "run-begins"
MOST = 4
"""Runs that are judged, the longest: a search over hundreds of settings would be judged for longer than it took."""
OF_A_RUN = frozenset({"steps", "probes", "validation", "layers"})
"""What a rule needs that belongs to one run; all else is the program's as a whole."""


class Runs:
    """The runs of a chart, each as a chart of its own whose steps count from 0."""

    def __init__(self, chart: Chart) -> None:
        starts = sorted({event.step for event in chart.events if event.name == BEGINS})
        starts = starts if chart.steps else []
        runs = list(_runs(chart, [0, *starts])) if starts else [(0, chart)]
        longest = sorted(runs, key=lambda run: len(run[1].steps), reverse=True)[:MOST]
        self._runs = [run for run in runs if any(run is kept for kept in longest)]
        start, main = longest[0]
        self._whole = main if not starts else _moved(main, start)

    def charts(self, rule: Rule) -> list[tuple[int, Chart]]:
        """Return the charts that a rule is to judge, each with the step of the program at which it begins."""
        return self._runs if OF_A_RUN & {*rule.needs} else [(0, self._whole)]


def placed(finding: Finding, start: int) -> Finding:
    """Return a finding of a run that began at step `start`, with the steps of the program."""
    if start == 0:
        return finding
    evidence = tuple(one if one.step is None else replace(one, step=one.step + start) for one in finding.evidence)
    return replace(finding, step=None if finding.step is None else finding.step + start, evidence=evidence)


def worst(findings: Sequence[Finding]) -> Finding | None:
    """Return the worst of the findings of one kind, the first of equals."""
    return min(findings, key=lambda finding: SEVERITIES.index(finding.severity), default=None)


def _runs(chart: Chart, starts: Sequence[int]) -> Iterator[tuple[int, Chart]]:
    ends = [*starts[1:], None]
    total = max(len(chart.steps), 1)
    for start, end in zip(starts, ends, strict=True):

        def within(step: int, start: int = start, end: int | None = end) -> bool:
            return step >= start and (end is None or step < end)

        steps = [record for record in chart.steps if within(record.step)]
        if not steps:
            continue
        planned = chart.info.planned_steps
        part = Chart(
            info=replace(chart.info, planned_steps=None if planned is None else planned * len(steps) // total),
            steps=steps,
            evals=_evaluations(chart, start, end),
            layers=[record for record in chart.layers if within(record.step)],
            events=[event for event in chart.events if event.name != BEGINS and within(event.step)],
        )
        yield start, _moved(part, -start)


def _evaluations(chart: Chart, start: int, end: int | None) -> list[EvalRecord]:
    """Return the evaluations of a run. Of several where one ends and another begins, nobody knows whose they are."""
    known = [record for record in chart.evals if record.step > start or (start == 0 and record.step == 0)]
    known = [record for record in known if end is None or record.step <= end]
    alone = [
        record
        for record in known
        if record.step != end or sum(one.step == end and one.split == record.split for one in known) == 1
    ]
    return alone


def _moved(chart: Chart, by: int) -> Chart:
    """Return a chart with its steps counted from elsewhere."""
    if by == 0:
        return chart
    return replace(
        chart,
        steps=[replace(record, step=record.step + by) for record in chart.steps],
        evals=[replace(record, step=record.step + by) for record in chart.evals],
        layers=[replace(record, step=record.step + by) for record in chart.layers],
        events=[replace(event, step=event.step + by) for event in chart.events],
    )
