"""The command `run`: any script, unedited, under the doctor."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.errors import EXIT_UNHEALTHY, UsageError
from trainwright.watching.launch import module_program, run_program, script_program

if TYPE_CHECKING:
    from trainwright.records import Finding
    from trainwright.watching.watch import Watch

_WIDEST = 110


class _Stopped(SystemExit):
    """Ends the program at a finding, because `--stop-on` asked for that."""


def run(
    script: str | None,
    arguments: Sequence[str],
    *,
    module: str | None,
    level: str,
    strict: bool,
    stop_on: str | None,
    ignore: Sequence[str],
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Run a program under the doctor; return its own exit status, or 3 where it is strict and an error was found."""
    if module is not None:
        arguments = [*([script] if script is not None else []), *arguments]
        program = module_program(module)
    elif script is not None:
        program = script_program(script)
    else:
        raise UsageError("there is nothing to run", remedy="trainwright run train.py [its arguments]")
    if stop_on not in (None, "error", "warning"):
        raise UsageError(f"--stop-on knows 'error' and 'warning', not '{stop_on}'")
    watched: list[Watch] = []
    said: list[Finding] = []
    process = os.getpid()

    def say(finding: Finding) -> None:
        if os.getpid() != process:
            return
        said.append(finding)
        if not quiet:
            from trainwright.watching.watch import say_on_stderr

            say_on_stderr(finding)
        if stop_on == finding.severity or (stop_on == "warning" and finding.severity == "error"):
            raise _Stopped(EXIT_UNHEALTHY)

    def attach() -> None:
        try:
            from trainwright.watching.watch import Watch

            watch = Watch(level=level, say=say, ignore=tuple(ignore), name=Path(program.argument).stem)
            watch.start()
            watched.append(watch)
        except UsageError:
            raise
        except Exception as problem:  # the program goes on without the doctor
            sys.stderr.write(f"trainwright: could not watch ({type(problem).__name__}: {problem})\n")

    def finish(how: str) -> None:
        for watch in watched:
            try:
                watch.stop()
            except _Stopped:
                pass
            _report(watch, how, json_file, quiet=quiet)
        if not watched:
            _nothing(json_file, quiet=quiet)

    if ignore:
        from trainwright.doctor.kinds import find_kind

        for name in ignore:
            find_kind(name)
    status = run_program(program, arguments, attach=attach, finish=finish)
    unhealthy = any(finding.severity == "error" for watch in watched for finding in watch.findings)
    return EXIT_UNHEALTHY if strict and status == 0 and unhealthy else status


def _report(watch: Watch, how: str, json_file: Path | None, *, quiet: bool) -> None:
    report = watch.report()
    if not quiet:
        color = sys.stderr.isatty()
        sys.stderr.write(f"\n{report.text(brief=True, color=color, width=_WIDEST)}\n")
        if watch.problem is not None:
            problem = watch.problem
            sys.stderr.write(
                f"trainwright: the watcher failed and stood down ({type(problem).__name__}: {problem}); the program was "
                "not touched\n"
            )
        sys.stderr.flush()
    _write(report.to_json() | {"ended": how}, json_file)


def _nothing(json_file: Path | None, *, quiet: bool) -> None:
    if not quiet:
        sys.stderr.write("\ntrainwright: torch was never imported, so there was nothing to watch\n")
    _write({"schema": 1, "findings": [], "healthy": [], "not_judged": {}, "steps": 0}, json_file)


def _write(document: dict[str, Any], json_file: Path | None) -> None:
    if json_file is None:
        return
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if str(json_file) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text, encoding="utf-8")
    except OSError as problem:
        sys.stderr.write(f"trainwright: {json_file} cannot be written ({problem.strerror})\n")
