"""What the doctor does in the process of a program that `trainwright run` started: listen, speak, and leave reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from trainwright.watching.launch import beside

if TYPE_CHECKING:
    from trainwright.records import Finding
    from trainwright.watching.watch import Watch, WatchReport

_FAILED = 1
_UNHEALTHY = 3
_WIDEST = 110
_FILES = ("json", "sarif")


def begin(order: Mapping[str, str]) -> None:
    """Wait beside the program, with what the command line asked for."""
    doctor = _Doctor(order)
    beside(doctor.attach, doctor.finish)


class _Doctor:
    """One program under watch."""

    def __init__(self, order: Mapping[str, str]) -> None:
        self._rank = _rank()
        self._order = {**order, **{name: _of_rank(order[name], self._rank) for name in _FILES}}
        self._process = os.getpid()
        self._folder = os.getcwd()
        self._watch: Watch | None = None
        self._problem: str | None = None
        self._stopped = False
        self._over = False

    def attach(self) -> None:
        """Torch is there: watch it. The program goes on in any case."""
        try:
            from trainwright.watching.disguise import hide_calls, hide_frames
            from trainwright.watching.telling import Teller
            from trainwright.watching.watch import Watch

            hide_calls(Teller)
            hide_frames()
            order = self._order
            name = os.path.splitext(os.path.basename(order["program"]))[0]
            ignore = tuple(filter(None, order["ignore"].split(",")))
            steps = int(order.get("steps") or 0) or None
            watch = Watch(level=order["level"], say=self._say, ignore=ignore, name=name, stop_after_steps=steps)
            watch.start()
            self._watch = watch
        except Exception as problem:
            self._problem = f"{type(problem).__name__}: {problem}"
            self._print(f"trainwright: could not watch ({self._problem})")

    def _say(self, finding: Finding) -> None:
        if os.getpid() != self._process:
            return  # a worker that was forked
        if not self._order["quiet"] and not self._rank:  # what one rank does wrong, most do: one says it in full
            from trainwright.report.text import render_finding

            self._print(f"\n{render_finding(finding, color=_in_color(), width=_width())}")
        self._save()
        limit = self._order["stop_on"]
        if not self._over and (finding.severity == limit or (limit == "warning" and finding.severity == "error")):
            self._stop(finding)

    def _stop(self, finding: Finding) -> NoReturn:
        self._stopped = True
        if not self._order["quiet"]:
            self._print(f"\ntrainwright: stopped at {finding.code}, because of --stop-on {self._order['stop_on']}")
        raise SystemExit(_UNHEALTHY)

    def _save(self) -> None:
        """Bring the JSON file up to date: the process may be killed before its end."""
        if self._watch is None or self._over or self._order["json"] in ("", "-"):
            return
        with suppress(Exception):  # what fails here fails at the end again, and is told there
            self._write(self._order["json"], _json(self._watch.report().to_json() | {"ended": "not yet"}))

    def finish(self, how: str) -> int | None:
        """The program is over: report. Return the status to leave with, None where that is the program's own."""
        self._over = True
        how = "stopped" if self._stopped else how
        try:
            status = self._report(how)
        except Exception as problem:  # the program's end is not to be lost over a report
            self._problem = f"{type(problem).__name__}: {problem}"
            self._print(f"\ntrainwright: the report failed ({self._problem})")
            self._leave_nothing(how)
            status = None
        if self._stopped:
            return _UNHEALTHY
        # A gate must not open because nobody looked.
        return status if status is not None or not (self._problem and self._order["strict"]) else _FAILED

    def _report(self, how: str) -> int | None:
        if self._watch is None:
            if how != "not started" and not self._order["quiet"] and not self._rank:
                nothing = "torch was not imported, so there was nothing to watch"
                self._print(f"\ntrainwright: {'the program was not watched' if self._problem else nothing}")
            self._leave_nothing(how)
            return None
        self._watch.stop()
        report = self._watch.report()
        words = "" if self._order["quiet"] else self._words(report)
        if words:
            self._print(words)
        failure = self._watch.problem
        self._problem = None if failure is None else f"{type(failure).__name__}: {failure}"
        if self._order.get("notes"):
            self._write(self._order["notes"], _notes(report, self._problem))
        self._leave(report.to_json() | {"ended": how, "problem": self._problem}, report.findings)
        return _UNHEALTHY if self._order["strict"] and _unhealthy(report) else None

    def _words(self, report: WatchReport) -> str:
        """Return what is printed at the end: of the first rank all, of the others what they found."""
        if not self._rank:
            return f"\n{report.text(brief=True, color=_in_color(), width=_width())}"
        from trainwright.report.text import render_headlines

        told = render_headlines(report.findings, color=_in_color(), width=_width())
        return "\n".join(f"trainwright, rank {self._rank}: {line}" for line in told.splitlines())

    def _leave_nothing(self, how: str) -> None:
        document = {"schema": 1, "findings": [], "healthy": [], "not_judged": {}, "steps": 0}
        self._leave(document | {"ended": how, "problem": self._problem}, [])

    def _leave(self, document: dict[str, Any], findings: list[Finding]) -> None:
        """Write what was asked for: annotations, SARIF, and last of all JSON, which may go to standard output."""
        if self._order["github"] and findings and not self._rank:
            from trainwright.cli.findings_file import repository
            from trainwright.report.annotations import github_annotations

            self._print(github_annotations(findings, folder=repository(self._folder)))
        if self._order["sarif"]:
            from trainwright.cli.findings_file import repository, sarif_text

            self._write(self._order["sarif"], sarif_text(findings, repository(self._folder)))
        if self._order["json"] == "-":
            self._write("-", f"\n{_json(document, indent=None)}")  # on a line of its own, the last
        elif self._order["json"]:
            self._write(self._order["json"], _json(document))

    def _write(self, place: str, text: str) -> None:
        try:
            if place == "-":
                _put(sys.__stdout__, text)
                return
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w", encoding="utf-8") as file:
                file.write(text)
        except (OSError, ValueError) as problem:
            self._print(f"trainwright: {place} cannot be written ({getattr(problem, 'strerror', None) or problem})")

    def _print(self, text: str) -> None:
        """Print to standard error itself, wherever the program has turned its own words to."""
        with suppress(OSError, ValueError):  # closed, or nobody reads it
            _put(sys.__stderr__, f"{text}\n")


def _rank() -> int:
    """Return which of the processes that train together this is, as torchrun tells it; 0 where it is alone."""
    rank = os.environ.get("RANK", "")
    return int(rank) if rank.isdecimal() else 0


def _of_rank(file: str, rank: int) -> str:
    """Return the file of a rank's own, beside that of rank 0; standard output is rank 0's alone."""
    if not rank or not file:
        return file
    path, suffix = os.path.splitext(file)
    return "" if file == "-" else f"{path}.rank{rank}{suffix}"


def _json(document: dict[str, Any], indent: int | None = 1) -> str:
    import json

    return json.dumps(document, indent=indent, allow_nan=False) + "\n"


def _notes(report: WatchReport, problem: str | None) -> str:
    """Return what whoever mends the program needs: the findings, the facts of the run, the loss of each step."""
    import json

    from trainwright.records import to_plain

    losses = [record.loss for record in report.chart.steps]
    notes = {"findings": report.findings, "info": report.chart.info, "losses": losses, "problem": problem}
    return json.dumps(to_plain(notes))  # NaN and Inf kept as such


def _put(stream: Any, text: str) -> None:
    if stream is not None:
        stream.write(text)
        stream.flush()


def _unhealthy(report: WatchReport) -> bool:
    return any(finding.severity == "error" for finding in report.findings)


def _in_color() -> bool:
    stream = sys.__stderr__
    return (
        stream is not None
        and not stream.closed
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size((_WIDEST - 10, 24)).columns, _WIDEST)
