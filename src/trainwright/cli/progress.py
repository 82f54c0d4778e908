"""What a run shows while it goes on: a live line in a terminal, plain lines where the output is none."""

from __future__ import annotations

import math
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from trainwright.cli.answer import say
from trainwright.records import EvalRecord, Event, Finding, LayerStats, Outcome, RunInfo, StepRecord, from_plain
from trainwright.report.text import render_finding

_REDRAW_SECONDS = 0.1
_SPEED_SECONDS = 2.0  # over which the speed is taken: the start of a run is slower than the rest
_BAR = 16  # columns of the bar
_LINES = 20  # about as many plain lines as a run prints where the output is no terminal ...
_LINE_SECONDS = 15.0  # ... but one at least as often as this
_SMOOTHING = 0.95  # of the shown training loss: each step's own loss jumps too much to be read

_SAID = ("devices", "compiled", "verified", "features", "resumed", "checkpoint-failed")
"""Events whose text is shown as it is."""


class Progress:
    """An observer that draws. Findings are printed whole when they are first certain; the line goes on below them."""

    def __init__(self, console: Console, info: RunInfo) -> None:
        self.console = console
        self.info = info
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._loss = math.nan
        self._metric = ""
        self._newest = ""
        self._samples = 0
        self._next_line = 0.0
        self._mark = (time.monotonic(), 0)
        self._started = self._drawn = self._printed = time.monotonic()

    def __enter__(self) -> Progress:
        head = f"{self.info.name}: {self.info.task}, {self.info.model} with {self.info.parameters:,} parameters, "
        head += f"{self.info.loss}, {self.info.optimizer}, {self.info.schedule}, {self.info.planned_steps:,} steps"
        say(self.console, head)
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=_BAR))
            self._bar = Bar(*columns, console=self.console, transient=True, auto_refresh=False)
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self.info.planned_steps)
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def observe(self, record: StepRecord | EvalRecord | LayerStats | Event) -> None:
        """Show one record."""
        if isinstance(record, StepRecord):
            self._step(record)
        elif isinstance(record, EvalRecord):
            self._evaluation(record)
        elif isinstance(record, Event) and record.name in _SAID:
            say(self.console, str(record.detail["text"]))
        elif isinstance(record, Event) and record.name == "repair":
            if record.detail.get("action") == "go back":
                self._loss = math.nan  # what is shown from now on is the loss of other weights
            if not record.detail.get("again"):
                say(self.console, f"repair at step {record.step}: {record.detail['text']}")
        elif isinstance(record, Event) and record.name == "resolved":
            say(self.console, f"no longer so at the end: {record.detail['kind']}")
        elif isinstance(record, Event) and record.name == "finding":
            finding = from_plain(Finding, record.detail)
            self._newest = f"{finding.severity}[{finding.code}]"
            color = self.console.color_system is not None
            text = render_finding(finding, color=color, width=min(self.console.width, 110))
            self.console.print("\n" + text + "\n", markup=False, highlight=False, soft_wrap=True)

    def finish(self, outcome: Outcome) -> None:
        """Take the live line away; how the run ended is printed by the command."""
        if self._bar is not None:
            self._bar.stop()

    def _step(self, record: StepRecord) -> None:
        known = math.isfinite(self._loss) and math.isfinite(record.loss)
        self._loss = _SMOOTHING * self._loss + (1 - _SMOOTHING) * record.loss if known else record.loss
        self._samples += record.samples
        now = time.monotonic()
        if self._bar is not None and now - self._drawn > _REDRAW_SECONDS:
            self._drawn = now
            self._bar.update(self._task, completed=record.step + 1, description=self._line(record, now))
            self._bar.refresh()

    def _line(self, record: StepRecord, now: float) -> str:
        elapsed = max(now - self._started, 1e-9)
        left = elapsed / (record.step + 1) * ((self.info.planned_steps or 0) - record.step - 1)
        parts = {  # what is said, and how soon it may go where the terminal is narrow
            f"epoch {record.epoch + 1}": 1,
            f"loss {self._loss:.4g}": 0,
            self._metric: 2,
            f"rate {record.rate:.3g}": 4,
            f"{self._speed(now):,.0f} samples/s": 5,
            f"{_clock(left)} left": 3,
            self._newest: 0,
        }
        said = {part: rank for part, rank in parts.items() if part}
        while len("  ".join(said)) > self.console.width - _BAR - 2 and max(said.values()) > 0:
            del said[max(said, key=lambda part: said[part])]
        return "  ".join(said)

    def _speed(self, now: float) -> float:
        """Return the samples a second since the last mark, which moves on every few seconds."""
        then, seen = self._mark
        if now - then > _SPEED_SECONDS:
            self._mark = (now, self._samples)
        return (self._samples - seen) / max(now - then, 1e-9)

    def _evaluation(self, record: EvalRecord) -> None:
        name, score = next(iter(record.metrics.items()), ("", math.nan))
        self._metric = f"{record.split} {name} {score:.4g}"
        now, planned = time.monotonic(), self.info.planned_steps or 1
        due = record.step >= self._next_line or record.step == planned or now - self._printed > _LINE_SECONDS
        if self._bar is None and due:
            self._next_line, self._printed = record.step + planned / _LINES, now
            trained = f"  running loss {self._loss:.4g}" if record.step else ""
            speed = f"  {self._speed(now):,.0f} samples/s" if record.step else ""
            say(
                self.console,
                f"epoch {record.epoch:g}  step {record.step}{trained}  {record.split} loss {record.loss:.4g}  "
                f"{name} {score:.4g}{speed}",
            )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
