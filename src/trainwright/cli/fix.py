"""`run --fix`: run a program, show what would mend it, write that on a yes, and try both versions for some steps.

What is said goes to standard error, as all of the doctor's words do: standard output is the program's.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainwright.cli.fix_file import MendedFile
from trainwright.cli.fix_program import Program
from trainwright.cli.fix_words import in_color, report, say, short_name, show
from trainwright.errors import EXIT_UNHEALTHY, RunError
from trainwright.healing.patch import NoPatch, SourcePatch, patches_for
from trainwright.healing.verdict import Trial, Verdict, judge
from trainwright.records import Chart, Finding, RunInfo, to_plain
from trainwright.records.jsonable import from_plain
from trainwright.report.signs import BOLD, paint

STEPS = 200
"""Steps of a trial, unless the finding took longer to become certain: then a quarter more than it took."""
_LONGER = 1.25
_AGAIN = 5
"""So many times as long is judged again what looks worse: what was wrong may have looked good for a while."""
_INSTALLED = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("purelib", "platlib", "stdlib")})


def mend(command: Sequence[str], order: Mapping[str, str], *, startup: str, yes: bool, steps: int | None) -> int:
    """Run `python COMMAND` under the doctor, and mend what can be mended. Returns the exit status.

    0: there was no error to mend, or a finding was mended; 3: it was not. Nothing is written without a yes, typed at a
    terminal or given by `yes`. Raises `RunError` where the file cannot be written, or has changed meanwhile.
    """
    answer: dict[str, Any] = {"schema": 1, "findings": [], "patches": [], "fix": None}
    try:
        status = _mend(Program(command, order, startup), answer, yes=yes, steps=steps)
    finally:
        _leave(order["json"], answer)
    return status


def _mend(program: Program, answer: dict[str, Any], *, yes: bool, steps: int | None) -> int:
    begun = _now()
    first = program.run()
    if first.notes is None or not first.watched:
        problem = (first.notes or {}).get("problem")
        raise RunError(
            "there is nothing to mend: the program was not watched to its end",
            evidence=f"the watcher failed: {problem}"
            if problem
            else f"it left with status {first.status}, and no notes",
            remedy="see whether it imports torch, and whether something ends it by a signal",
        )
    chart = Chart(info=from_plain(RunInfo, first.notes["info"]))
    findings = [from_plain(Finding, finding) for finding in first.notes["findings"]]
    answer["findings"] = to_plain(findings, strict=True)
    patches: list[SourcePatch] = []
    say("\n" + paint("what can be mended", BOLD, color=in_color()))
    for proposed in patches_for(findings, chart, lambda file: _read(file, begun)):
        finding = proposed.finding
        if isinstance(proposed, NoPatch):
            say(f"  no patch  {finding.code} {finding.title}: {proposed.reason}")
        else:
            say(f"  patch     {finding.code} {finding.title}: {proposed.text}")
            patches.append(proposed)
    if not findings:
        say("  nothing was found")
    unhealthy = any(finding.severity == "error" for finding in findings)
    answer["patches"] = [_plain(patch) for patch in patches]
    answerable = bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())
    for patch in patches:
        show(patch)
        count = steps or max(STEPS, round(_LONGER * ((patch.finding.step or 0) + 1)))
        if yes or (answerable and _agreed(patch, count)):
            return _apply(program, patch, answer, count, others=len(patches) - 1)
    if patches and not answerable:
        say("\nnothing was written: without a terminal nobody can be asked; --yes writes the first of them")
    return EXIT_UNHEALTHY if unhealthy or patches else 0


def _agreed(patch: SourcePatch, steps: int) -> bool:
    """Ask whether the patch is to be written."""
    say(f"\nIt is run for {steps} steps before and after; what it writes it writes again.")
    sys.stderr.write(f"write this to {short_name(patch.file)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _apply(program: Program, patch: SourcePatch, answer: dict[str, Any], steps: int, *, others: int) -> int:
    """Try the program as it is, write the patch, try it again, and keep what is better."""
    say(f"\nthe first {steps} steps, as it is ...")
    first = program.run(steps=steps)
    if not first.watched:
        raise RunError(
            "the program could not be watched a second time; nothing was written",
            evidence=first.printed.strip() or f"it left with status {first.status}",
            remedy="see whether it finds at its start what its first run has left",
        )
    mended = MendedFile(patch.file, patch.before, patch.after)
    try:
        before, after, verdict = _tried(program, patch, first.trial(), steps, mended)
        # What is certain was a mistake, and is not seen any more; but what was judged worse is never kept.
        certain = verdict.gone is not False and _certain(patch) and not after.failed
        keep = verdict.outcome != "worse" and (verdict.fixed or verdict.outcome == "helped" or certain)
    except BaseException:
        mended.restore()
        say(f"{short_name(patch.file)} is as it was")
        raise
    kept = keep or not mended.restore()
    report(patch, before, after, verdict)
    if kept:
        say(f"{short_name(patch.file)} is mended; as it was it lies in {short_name(str(mended.copy))}")
    else:
        say(f"{short_name(patch.file)} is as it was: the patch did not help, and was taken back")
    if others and verdict.fixed:
        say(f"there {'is another patch' if others == 1 else f'are {others} other patches'}: run --fix again")
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


def _tried(
    program: Program, patch: SourcePatch, before: Trial, steps: int, mended: MendedFile
) -> tuple[Trial, Trial, Verdict]:
    """Return both trials and the verdict, of longer ones where the first looked worse."""
    say(f"the first {steps} steps, mended ...")
    after = program.run(steps=steps).trial()
    verdict = judge(before, after, patch.finding.kind, patch.loss_factor, certain=_certain(patch))
    if verdict.outcome not in ("worse", "slower") or after.failed or len(before.losses) < steps:
        return before, after, verdict
    longer = _AGAIN * steps
    say(f"that looks worse, which may be so for a while only: the first {longer} steps, mended ...")
    after = program.run(steps=longer).trial()
    say(f"the first {longer} steps, as it was ...")
    with mended.undone():
        before = program.run(steps=longer).trial()
    return before, after, judge(before, after, patch.finding.kind, patch.loss_factor, certain=_certain(patch))


def _certain(patch: SourcePatch) -> bool:
    return patch.finding.confidence == 1.0


def _plain(patch: SourcePatch) -> dict[str, Any]:
    """Return a patch as `--json` writes it."""
    finding = patch.finding
    name = short_name(patch.file)
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
