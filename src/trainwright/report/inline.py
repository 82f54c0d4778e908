"""What a notebook shows while something runs: one display that is updated in place, however long it takes."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from trainwright.records import EvalRecord, Event, Finding, LayerStats, Outcome, RunInfo, StepRecord, from_plain
from trainwright.records.study import StudyInfo
from trainwright.report.notebook import WIDTH, bundle
from trainwright.report.numbers import duration, number, plural
from trainwright.report.signs import BOLD, paint
from trainwright.report.text import render_finding, render_headlines

_SECONDS = 0.5  # between two updates: a reader sees no more, and the notebook's file does not grow by it
_BAR = 24  # characters of the bar
_SMOOTHING = 0.95  # of the shown training loss, as in the terminal


def in_notebook() -> bool:
    """Say whether this process is a notebook's kernel: nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


class Display:
    """One place in the output of a cell, whose content is replaced at most every half second."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._due = 0.0

    def show(self, lines: Sequence[str], *, now: bool = False) -> None:
        """Put lines, in the terminal's colours, in the place of what stands there; with `now` in any case."""
        moment = time.monotonic()
        if not now and moment < self._due:
            return
        self._due = moment + _SECONDS
        content = bundle("\n".join(lines))
        if self._handle is None:
            from IPython.display import display  # it is there: this is a notebook

            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class RunProgress:
    """An observer that keeps one display up to date with how a run goes: a bar, the newest numbers, the findings."""

    def __init__(self, info: RunInfo) -> None:
        self.info = info
        self._display = Display()
        self._findings: dict[str, Finding] = {}
        self._loss = math.nan
        self._metric = ""
        self._started = time.monotonic()

    def observe(self, record: StepRecord | EvalRecord | LayerStats | Event) -> None:
        """See one record."""
        if isinstance(record, StepRecord):
            known = math.isfinite(self._loss) and math.isfinite(record.loss)
            self._loss = _SMOOTHING * self._loss + (1 - _SMOOTHING) * record.loss if known else record.loss
            self._display.show(self._lines(record))
        elif isinstance(record, EvalRecord):
            name, score = next(iter(record.metrics.items()), ("loss", record.loss))
            self._metric = f"{record.split} {name} {number(score)}"
        elif isinstance(record, Event) and record.name == "finding":
            finding = from_plain(Finding, record.detail)
            self._findings[finding.kind] = finding
        elif isinstance(record, Event) and record.name == "resolved":
            self._findings.pop(str(record.detail["kind"]), None)

    def finish(self, outcome: Outcome) -> None:
        """Leave one line that says how it ended, and the headlines of what was found."""
        best = outcome.best.get("validation") or outcome.best.get("train") or {}
        told = ", ".join(f"{name} {number(value)}" for name, value in best.items())
        seconds = time.monotonic() - self._started
        ended = f"{outcome.status}: {plural(outcome.steps, 'step')} in {duration(seconds)}"
        self._display.show([f"{self._name()}  {ended}" + (f", best {told}" if told else ""), *self._found()], now=True)

    def _name(self) -> str:
        return paint(self.info.name, BOLD, color=True)

    def _lines(self, record: StepRecord) -> list[str]:
        planned = max(self.info.planned_steps or 0, record.step + 1)
        parts = [_bar((record.step + 1) / planned), f"epoch {record.epoch + 1}", f"loss {number(self._loss)}"]
        left = (time.monotonic() - self._started) / (record.step + 1) * (planned - record.step - 1)
        parts += [self._metric] if self._metric else []
        return ["  ".join([self._name(), *parts, f"{duration(left)} left"]), *self._found()]

    def _found(self) -> list[str]:
        findings = list(self._findings.values())
        return [render_headlines(findings, color=True, width=WIDTH)] if findings else []


class StudyProgress:
    """Keeps one display up to date with how a search goes."""

    def __init__(self) -> None:
        self._display = Display()

    def __call__(self, info: StudyInfo) -> None:
        """See the search as it stands."""
        best = info.best
        told = "no score yet" if best is None or best.score is None else f"best score {number(best.score)}"
        done = sum(trial.score is not None for trial in info.trials)
        ended = info.status != "running"
        line = f"{paint('search', BOLD, color=True)}  {plural(len(info.trials), 'trial')}, {done} with a score, {told}"
        self._display.show([f"{line}  {info.status}" if ended else line], now=ended)


def show_finding(finding: Finding) -> None:
    """Show one finding in full below the cell."""
    Display().show([render_finding(finding, color=True, width=WIDTH), ""], now=True)


def _bar(share: float) -> str:
    filled = round(_BAR * min(max(share, 0.0), 1.0))
    return "█" * filled + "░" * (_BAR - filled)
