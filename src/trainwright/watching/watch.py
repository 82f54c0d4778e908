"""`tw.watch()`: the doctor beside any training loop, from outside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import torch
from torch import nn

from trainwright.doctor.diagnose import Examination, examine
from trainwright.doctor.silence import Silence
from trainwright.doctor.withdrawn import Withdrawn, withdrawn
from trainwright.errors import UsageError, did_you_mean
from trainwright.records import Chart, Finding, to_plain
from trainwright.report.inline import in_notebook, show_finding
from trainwright.report.notebook import bundle
from trainwright.report.text import render_finding
from trainwright.report.watch_text import render_watch, withdrawn_line
from trainwright.watching.attach import attach
from trainwright.watching.facts import chart_of
from trainwright.watching.tape import Tape

_NOT_BEGUN = "trainwright: not watching yet: write `with tw.watch() as watched:` around the training loop"
Level = Literal["light", "full"]
LEVELS: tuple[Level, ...] = ("light", "full")
Say = Callable[[Finding], None]
TakeBack = Callable[[Withdrawn], None]


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """What a watched loop showed. `findings` are worst first, causes without their symptoms.

    `withdrawn` is what was told while it ran and does not hold at its end.
    """

    findings: list[Finding]
    healthy: tuple[str, ...]
    not_judged: Mapping[str, str]
    chart: Chart
    withdrawn: tuple[Withdrawn, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        document = {
            "schema": 1,
            "findings": self.findings,
            "healthy": self.healthy,
            "not_judged": self.not_judged,
            "withdrawn": self.withdrawn,
            "steps": self.chart.info.loop.steps if self.chart.info.loop else 0,
        }
        return to_plain(document, strict=True)

    def text(self, *, brief: bool = False, color: bool = False, width: int = 100) -> str:
        """Return what was seen, found, found healthy, and not judged; `brief` names findings by their titles alone."""
        return render_watch(
            self.chart,
            self.findings,
            healthy=self.healthy,
            not_judged=self.not_judged,
            withdrawn=[(f"{one.code} {one.title}", one.step, one.why) for one in self.withdrawn],
            brief=brief,
            color=color,
            width=width,
        )

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.text(color=True))


class Watch:
    """A loop under watch. Readable at any time; after the end it keeps what it saw.

    `say` gets each finding once, when it has become certain; `take_back`, at the end, what does not hold. With
    `stop_after_steps` the program is ended, by `SystemExit`, after so many steps of its optimizers.
    """

    def __init__(
        self,
        *,
        level: str = "light",
        say: Say | None = None,
        take_back: TakeBack | None = None,
        ignore: tuple[str, ...] = (),
        name: str = "",
        stop_after_steps: int | None = None,
    ) -> None:
        if level not in LEVELS:
            raise UsageError(f"there is no level '{level}'", remedy=did_you_mean(level, LEVELS))
        self.name = name
        self._say = say
        self._take_back = take_back
        self._silence = Silence(ignore)
        self._told: dict[str, Finding] = {}
        self._over: Examination | None = None
        self._chart: Chart | None = None
        self._tape = Tape(level, self._judge)
        self._tape.last_step = stop_after_steps
        self._detach: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to watch: patches torch until `stop`."""
        self._tape.begin()
        self._detach = attach(self._tape)

    def stop(self) -> None:
        """Leave torch as it was found, and judge what was seen as a whole."""
        if self._detach is None:
            return
        self._detach()
        self._detach = None
        tape = self._tape
        tape.end()
        try:
            self._chart = chart_of(tape, self.name, finished=not tape.cut)
            self._over = examine(self._chart)
        except Exception as problem:  # judging must no more stop a program than watching
            tape.stand_down(problem)
            self._chart = self._chart or Chart(info=chart_of(tape, self.name, finished=False).info)
        for finding in self.findings:
            self._tell(finding)
        if self._take_back is not None:
            for one in self.withdrawn:
                self._take_back(one)

    @property
    def problem(self) -> Exception | None:
        """What made the watcher stand down, None where nothing did."""
        return self._tape.problem

    @property
    def chart(self) -> Chart:
        """Everything that was seen so far."""
        return self._chart if self._chart is not None else chart_of(self._tape, self.name, finished=False)

    @property
    def findings(self) -> list[Finding]:
        """The findings so far, worst first."""
        return self._silence.heard(self._examination().findings)

    @property
    def withdrawn(self) -> tuple[Withdrawn, ...]:
        """What was told and did not hold to the end; () while the loop runs."""
        return () if self._over is None else tuple(withdrawn(self._told.values(), self._over))

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        return self.report().to_json()

    def report(self) -> WatchReport:
        """Return what was seen and what is to be said of it."""
        examination = self._examination()
        return WatchReport(
            findings=self._silence.heard(examination.findings),
            healthy=examination.healthy,
            not_judged=examination.not_judged,
            chart=self.chart,
            withdrawn=self.withdrawn,
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        begun = self._detach is not None or self._chart is not None
        return bundle(self.report().text(color=True) if begun else _NOT_BEGUN)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _examination(self) -> Examination:
        return self._over if self._over is not None else examine(self.chart)

    def _judge(self) -> None:
        """Something has happened: see whether there is anything new to say. Called under the tape's guard."""
        if self._say is None and self._tape.sightings.step < 1:
            return
        for finding in self._silence.heard(examine(chart_of(self._tape, self.name, finished=False)).findings):
            self._tell(finding)

    def _tell(self, finding: Finding) -> None:
        known = self._told.get(finding.kind)
        if known is not None and not (finding.severity == "error" and known.severity != "error"):
            return
        self._told[finding.kind] = finding
        if self._say is not None:
            self._say(finding)


def say_on_stderr(finding: Finding) -> None:
    """Print a finding in full to standard error, in colour where that is a terminal; in a notebook, below the cell."""
    if in_notebook():
        show_finding(finding)
        return
    color = sys.stderr.isatty()
    sys.stderr.write(f"\n{render_finding(finding, color=color)}\n")
    sys.stderr.flush()


def take_back_on_stderr(one: Withdrawn) -> None:
    """Say on standard error, in one line, that a finding does not hold any more, and why."""
    sys.stderr.write(f"\n{withdrawn_line(f'{one.code} {one.title}', one.step, one.why)}\n")
    sys.stderr.flush()


def watch(
    model: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    level: str = "light",
    ignore: tuple[str, ...] = (),
    quiet: bool = False,
) -> Watch:
    """Watch the training loop inside of a `with` block: `with tw.watch() as watched: ...`.

    Nothing has to be named: models, optimizers, schedulers, losses and loaders are found by what they do; `model` and
    `optimizer` help where a loop begins with an evaluation. Findings are printed to standard error, in a notebook below
    the cell, when they become certain (not with `quiet`), and are in `watched.findings`. `level` is "light" or "full",
    which samples more often.
    `ignore` names codes or kinds that are not wanted; a line that ends in `# trainwright: ignore[TW301]` is not judged
    by that code.

    The loop's results are the same, bit by bit, as without it. An error of the watcher itself ends the watching and
    nothing else: `watched.problem` holds it. Raises `UsageError` for an unknown level or code.
    """
    say, take_back = (None, None) if quiet else (say_on_stderr, take_back_on_stderr)
    watched = Watch(level=level, say=say, take_back=take_back, ignore=ignore)
    if model is not None:
        watched._tape.models.add(model)
    if optimizer is not None:
        watched._tape.optimizers.owner(optimizer)
    return watched
