"""The command `doctor`: a diagnosis of logs that others wrote, from their curves alone, and of run folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.doctor.curves import examine_curves
from trainwright.doctor.diagnose import Examination, examine
from trainwright.doctor.silence import silence_of
from trainwright.errors import EXIT_FAILED, EXIT_UNHEALTHY, RunError
from trainwright.records import Chart, Finding, to_plain
from trainwright.report.log_text import render_log
from trainwright.report.summary import severity_counts
from trainwright.runs.foreign import Log, find_logs, read_log
from trainwright.runs.foreign_columns import read_choice
from trainwright.runs.foreign_table import shown
from trainwright.runs.reader import read_run

_WIDEST = 110


@dataclass(frozen=True, kw_only=True)
class _Diagnosis:
    """One log, judged. `columns` is empty for a run folder of our own, which names its columns itself."""

    source: Path
    form: str
    chart: Chart
    examination: Examination
    findings: Sequence[Finding]
    remarks: Sequence[str]
    columns: Mapping[str, str]


def run(console: Console, document: dict[str, Any], path: Path, *, columns: Sequence[str], strict: bool) -> None:
    """Diagnose every log at `path`; fill `document`.

    A log among several that cannot be read does not hide the others. Where there is one alone, its error is raised.
    """
    chosen = read_choice(columns)
    logs = find_logs(path)
    told: list[_Diagnosis] = []
    failed: list[tuple[Log, RunError]] = []
    for log in logs:
        try:
            told.append(_own(log) if log.form == "own" else _foreign(log, chosen))
        except RunError as problem:
            if len(logs) == 1:
                raise
            failed.append((log, problem))
    if not told:
        raise RunError(
            f"none of the {len(logs)} logs in {path} can be judged",
            evidence="; ".join(f"{problem.what}: {problem.evidence}" for _, problem in failed[:3]),
            remedy="name one of them, and say which column is the loss: --columns train_loss=COLUMN",
        )
    if len(logs) > 1:
        _list(console, told, failed)
    for diagnosis in told:
        _tell(console, diagnosis)
    document["findings"] = to_plain([finding for each in told for finding in each.findings], strict=True)
    document["runs"] = [_document(each) for each in told]
    document["left_out"] = [{"source": str(log.source), "error": str(problem)} for log, problem in failed]
    severities = {finding.severity for each in told for finding in each.findings}
    if "error" not in severities and strict and "warning" in severities:
        document["status"] = EXIT_UNHEALTHY
    elif not severities and not any(each.examination.healthy for each in told):
        document["status"] = EXIT_FAILED  # nobody looked: that is no health


def _foreign(log: Log, chosen: Mapping[str, str]) -> _Diagnosis:
    found = read_log(log, chosen)
    examination = examine_curves(found.chart)
    head = f"{found.form}, {found.rows:,} rows"
    return _Diagnosis(
        source=log.source,
        form=found.form,
        chart=found.chart,
        examination=examination,
        findings=examination.findings,
        remarks=(head, *found.remarks),
        columns=found.columns,
    )


def _own(log: Log) -> _Diagnosis:
    """Judge a run folder: one that has ended keeps the findings it ended with."""
    stored = read_run(log.source)
    examination = silence_of(stored.info).heard_of(examine(stored.chart))
    findings = stored.findings if stored.outcome else examination.findings
    return _Diagnosis(
        source=log.source,
        form="a run folder",
        chart=stored.chart,
        examination=examination,
        findings=findings,
        remarks=(f"{shown(log.source)} is a run folder: `trainwright report` shows more", *stored.notes),
        columns={},
    )


def _list(console: Console, told: Sequence[_Diagnosis], failed: Sequence[tuple[Log, RunError]]) -> None:
    say(console, f"{len(told) + len(failed)} logs:")
    for each in told:
        say(console, f"  {shown(each.source)}: {severity_counts(each.findings)}")
    for log, problem in failed:
        say(console, f"  {shown(log.source)}: left out, {problem.evidence or problem.what}")
    say(console, "")


def _tell(console: Console, diagnosis: _Diagnosis) -> None:
    text = render_log(
        diagnosis.chart,
        diagnosis.findings,
        remarks=diagnosis.remarks,
        healthy=diagnosis.examination.healthy,
        not_judged=diagnosis.examination.not_judged,
        color=console.color_system is not None,
        width=min(console.width, _WIDEST),
    )
    console.print(text + "\n", markup=False, highlight=False, soft_wrap=True)


def _document(diagnosis: _Diagnosis) -> dict[str, Any]:
    steps = diagnosis.chart.steps
    return to_plain(
        {
            "source": str(diagnosis.source),
            "form": diagnosis.form,
            "columns": diagnosis.columns,
            "notes": list(diagnosis.remarks),
            "points": len(steps),
            "last_step": diagnosis.chart.last_step,
            "findings": list(diagnosis.findings),
            "healthy": list(diagnosis.examination.healthy),
            "not_judged": diagnosis.examination.not_judged,
        },
        strict=True,
    )
