"""`run --fix`: run a program, show what would mend it, write that on a yes, and try both versions for some steps.

What is said goes to standard error, as all of the doctor's words do: standard output is the program's.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.cli.fix_file import MendedFile
from trainwright.errors import EXIT_UNHEALTHY, RunError
from trainwright.healing.patch import NoPatch, SourcePatch, patches_for
from trainwright.healing.verdict import Trial, Verdict, judge
from trainwright.records import Chart, Finding, RunInfo, to_plain
from trainwright.records.jsonable import from_plain
from trainwright.report.safe import visible
from trainwright.report.signs import BOLD, DIM, paint
from trainwright.report.sparkline import sparkline

STEPS = 200
"""Steps of a trial, unless the finding took longer to become certain: then a quarter more than it took."""
_LONGER = 1.25
_RED, _GREEN, _BLUE = "31", "32", "36"
_TOLD = 12  # lines of what a program printed before it failed
_INSTALLED = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("purelib", "platlib", "stdlib")})


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What came of a run: its notes, None where it left none, its status, and what it printed last."""

    notes: dict[str, Any] | None
    status: int
    printed: str

    @property
    def watched(self) -> bool:
        """Whether the doctor saw it to its end: else what was not found may be there all the same."""
        return self.notes is not None and not self.notes["problem"]

    def trial(self) -> Trial:
        """Return the run as one half of a comparison."""
        notes = self.notes or {"findings": [], "losses": []}
        failed = (self.printed or f"status {self.status}") if self.status or not self.watched else ""
        return Trial(
            losses=tuple(notes["losses"]),
            kinds=frozenset(finding["kind"] for finding in notes["findings"]),
            failed=failed,
        )


def mend(command: Sequence[str], order: Mapping[str, str], *, startup: str, yes: bool, steps: int | None) -> int:
    """Run `python COMMAND` under the doctor, and mend what can be mended. Returns the exit status.

    0: there was no error to mend, or a finding was mended; 3: it was not. Nothing is written without a yes, typed at a
    terminal or given by `yes`. Raises `RunError` where the file cannot be written, or has changed meanwhile.
    """
    answer: dict[str, Any] = {"schema": 1, "findings": [], "patches": [], "fix": None}
    try:
        status = _mend(_Program(command, order, startup), answer, yes=yes, steps=steps)
    finally:
        _leave(order["json"], answer)
    return status


class _Program:
    """A program that is run again and again with the same arguments."""

    def __init__(self, command: Sequence[str], order: Mapping[str, str], startup: str) -> None:
        self._command, self._order, self._startup = list(command), dict(order) | {"json": ""}, startup

    def run(self, *, steps: int | None = None) -> _Run:
        """Run it: to its end, in the open; or for some steps, with all that it prints kept back."""
        from trainwright.watching.launch import start

        with tempfile.TemporaryDirectory() as folder, _waiting(patiently=steps is None):
            notes, log = Path(folder, "notes.json"), Path(folder, "log")
            order = self._order | {"notes": str(notes)}
            if steps is None:
                status = start(self._command, order, startup=self._startup, replace=False)
            else:
                order |= {"steps": str(steps), "quiet": "yes", "sarif": "", "github": "", "stop_on": ""}
                with open(log, "wb") as file:
                    status = start(self._command, order, startup=self._startup, replace=False, log=file)
            told = log.read_text(errors="replace") if log.exists() else ""
            return _Run(
                notes=json.loads(notes.read_text()) if notes.exists() else None,
                status=status,
                printed="\n".join(told.splitlines()[-_TOLD:]),
            )


@contextmanager
def _waiting(*, patiently: bool) -> Iterator[None]:
    """Wait for a program. With `patiently` Ctrl-C is the program's alone: it ends, and what was found is mended."""
    if not patiently or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _mend(program: _Program, answer: dict[str, Any], *, yes: bool, steps: int | None) -> int:
    begun = _now()
    first = program.run()
    if first.notes is None or not first.watched:
        problem = (first.notes or {}).get("problem")
        raise RunError(
            "there is nothing to mend: the program was not watched to its end",
            evidence=f"it left with status {first.status}, and {f'the watcher failed: {problem}' if problem else 'no notes'}",
            remedy="see whether it imports torch, and whether something ends it by a signal",
        )
    chart = Chart(info=from_plain(RunInfo, first.notes["info"]))
    findings = [from_plain(Finding, finding) for finding in first.notes["findings"]]
    answer["findings"] = to_plain(findings, strict=True)
    patches: list[SourcePatch] = []
    _say("\n" + paint("what can be mended", BOLD, color=_in_color()))
    for proposed in patches_for(findings, chart, lambda file: _read(file, begun)):
        finding = proposed.finding
        if isinstance(proposed, NoPatch):
            _say(f"  no patch  {finding.code} {finding.title}: {proposed.reason}")
        else:
            _say(f"  patch     {finding.code} {finding.title}: {proposed.text}")
            patches.append(proposed)
    if not findings:
        _say("  nothing was found")
    unhealthy = any(finding.severity == "error" for finding in findings)
    answer["patches"] = [_plain(patch) for patch in patches]
    answerable = bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())
    for patch in patches:
        _show(patch)
        count = steps or max(STEPS, round(_LONGER * ((patch.finding.step or 0) + 1)))
        if yes or (answerable and _agreed(patch, count)):
            return _apply(program, patch, answer, count, others=len(patches) - 1)
    if patches and not answerable:
        _say("\nnothing was written: without a terminal nobody can be asked; --yes writes the first of them")
    return EXIT_UNHEALTHY if unhealthy or patches else 0


def _agreed(patch: SourcePatch, steps: int) -> bool:
    """Ask whether the patch is to be written."""
    _say(f"\nIt is run for {steps} steps before and after; what it writes it writes again.")
    sys.stderr.write(f"write this to {_name(patch.file)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _apply(program: _Program, patch: SourcePatch, answer: dict[str, Any], steps: int, *, others: int) -> int:
    """Try the program as it is, write the patch, try it again, and keep what is better."""
    _say(f"\nthe first {steps} steps, as it is ...")
    first = program.run(steps=steps)
    if not first.watched:
        raise RunError(
            "the program could not be watched a second time; nothing was written",
            evidence=first.printed.strip() or f"it left with status {first.status}",
            remedy="see whether it finds at its start what its first run has left",
        )
    before = first.trial()
    mended = MendedFile(patch.file, patch.before, patch.after)
    try:
        _say(f"the first {steps} steps, mended ...")
        after = program.run(steps=steps).trial()
        verdict = judge(before, after, patch.finding.kind, patch.loss_factor)
        # What is certain was a mistake, and is one no more, though a higher loss for a while may be the price.
        certain = verdict.gone is True and patch.finding.confidence == 1.0 and not after.failed
        keep = verdict.fixed or verdict.outcome == "helped" or certain
    except BaseException:
        mended.restore()
        _say(f"{_name(patch.file)} is as it was")
        raise
    kept = keep or not mended.restore()
    _report(patch, before, after, verdict)
    if kept:
        _say(f"{_name(patch.file)} is mended; as it was it lies in {_name(str(mended.copy))}")
    else:
        _say(f"{_name(patch.file)} is as it was: the patch did not help, and was taken back")
    if others and verdict.fixed:
        _say(f"there {'is another patch' if others == 1 else f'are {others} other patches'}: run --fix again")
    answer["fix"] = _plain(patch) | {
        "applied": kept,
        "fixed": verdict.fixed,
        "outcome": verdict.outcome,
        "finding_gone": verdict.gone,
        "steps": verdict.steps,
        "loss_before": verdict.before,
        "loss_after": verdict.after,
    }
    return 0 if verdict.fixed else EXIT_UNHEALTHY


def _report(patch: SourcePatch, before: Trial, after: Trial, verdict: Verdict) -> None:
    """Say what became of the finding and of the loss."""
    code, color = patch.finding.code, _in_color()
    said = {
        True: f"{code} is gone",
        False: f"{code} is still there",
        None: f"whether {code} is gone takes more than these steps to tell",
    }[verdict.gone]
    _say(f"\n  finding  {said}")
    if after.failed:
        _say(f"  program  it failed once it was mended:\n{_indented(after.failed)}")
    curves = [losses[: verdict.steps] for losses in (before.losses, after.losses)]
    numbers = [loss for losses in curves for loss in losses]
    for name, losses in zip(("before", "after"), curves, strict=True):
        if losses:
            line = _curve(losses, numbers if patch.loss_factor == 1 else losses)
            _say(f"  loss     {name:<7}{line}  {losses[0]:.4g} -> {_end(losses):.4g} in {len(losses)} steps")
        else:
            _say(f"  loss     {name:<7}no steps were seen")
    if patch.loss_factor is None:
        _say("  loss     it is another quantity now, and cannot be compared with what it was")
    elif patch.loss_factor != 1:
        _say(f"  loss     after is {patch.loss_factor:.4g} of before by its definition; compared without that")
    style = {"helped": _GREEN, "worse": _RED}.get(verdict.outcome, DIM)
    _say(f"  verdict  {paint(verdict.outcome, BOLD, style, color=color)}")


def _curve(losses: Sequence[float], beside: Sequence[float]) -> str:
    """Return a curve on the scale of all the losses `beside`, a logarithmic one where none of them is below zero."""
    finite = [loss for loss in beside if math.isfinite(loss)]
    if not finite or min(finite) > 0:
        finite = [math.log(loss) for loss in finite]
        losses = [math.log(loss) if loss > 0 else math.nan for loss in losses]
    return sparkline(losses, low=min(finite, default=0.0), high=max(finite, default=0.0))


def _end(losses: Sequence[float]) -> float:
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def _show(patch: SourcePatch) -> None:
    """Print the diff of a patch."""
    finding, color = patch.finding, _in_color()
    _say("\n" + paint(f"{finding.code} {finding.title}", BOLD, color=color) + f": {patch.text}\n")
    for line in patch.diff(_name(patch.file)):
        style = _RED if line[:1] == "-" else _GREEN if line[:1] == "+" else _BLUE if line[:1] == "@" else ""
        text = visible(line, keep="\t")
        _say("  " + (paint(text, style, color=color) if style else text))


def _plain(patch: SourcePatch) -> dict[str, Any]:
    """Return a patch as `--json` writes it."""
    finding = patch.finding
    name = _name(patch.file)
    return {
        "code": finding.code,
        "kind": finding.kind,
        "file": patch.file,
        "text": patch.text,
        "diff": patch.diff(name),
    }


def _read(file: str, begun: float) -> bytes:
    """Return a file of the user's own that has not changed since the program was begun."""
    if file.startswith(_INSTALLED) or not os.path.isfile(file):
        raise OSError("it is not a file of yours")
    if os.stat(file).st_mtime > begun:
        raise OSError("it was changed while the program ran")
    return Path(file).read_bytes()


def _now() -> float:
    """Return the time as the file system tells it: its clock may be coarser than the computer's, or another one's."""
    with tempfile.NamedTemporaryFile() as file:
        return os.stat(file.name).st_mtime


def _leave(place: str, answer: dict[str, Any]) -> None:
    if not place:
        return
    text = json.dumps(to_plain(answer, strict=True), indent=None if place == "-" else 1, allow_nan=False) + "\n"
    if place == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise RunError(f"{place} cannot be written", evidence=problem.strerror or str(problem)) from None


def _name(file: str) -> str:
    """Return a file's name from here, where it lies below."""
    try:
        short = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if short.startswith("..") else short


def _indented(text: str) -> str:
    return "\n".join(f"           {visible(line)}" for line in text.splitlines())


def _in_color() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
