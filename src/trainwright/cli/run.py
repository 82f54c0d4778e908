"""The command `run`: any program, unedited, under the doctor. What happens beside it is in `beside.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trainwright.doctor.kinds import find_kind
from trainwright.errors import RunError, UsageError, did_you_mean
from trainwright.watching.launch import start

_STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
_LEVELS = ("light", "full")
_STOPS = ("error", "warning")


def run(
    script: str | None,
    arguments: Sequence[str],
    *,
    as_module: bool,
    level: str,
    strict: bool,
    stop_on: str | None,
    ignore: Sequence[str],
    json_file: Path | None,
    sarif_file: Path | None,
    github: bool,
    quiet: bool,
    replace: bool,
    fix: bool = False,
    yes: bool = False,
    steps: int | None = None,
) -> int:
    """Run a program under the doctor and return its exit status; with `replace` it takes the place of this process.

    With `fix` what was found is mended in the program's source, as far as it can be: see `fix.py`.
    """
    if script is None:
        raise UsageError("there is nothing to run", remedy="trainwright run train.py [its arguments]")
    if not as_module and script.lower().endswith(".toml"):
        raise UsageError(f"{script} is a recipe, and `run` runs programs", remedy=f"trainwright train {script}")
    if level not in _LEVELS:
        raise UsageError(f"--level knows no '{level}'", remedy=did_you_mean(level, _LEVELS))
    if stop_on is not None and stop_on not in _STOPS:
        raise UsageError(f"--stop-on knows no '{stop_on}'", remedy=did_you_mean(stop_on, _STOPS))
    if not fix and (yes or steps is not None):
        raise UsageError(f"{'--yes' if yes else '--steps'} belongs to --fix", remedy="trainwright run --fix train.py")
    order = {
        "program": script,
        "level": level,
        "strict": "yes" if strict else "",
        "stop_on": stop_on or "",
        "ignore": ",".join(find_kind(name).kind for part in ignore for name in part.split(",")),
        "json": _settled(json_file, "--json"),  # the program may go to another folder
        "sarif": _settled(sarif_file, "--sarif"),
        "github": "yes" if github else "",
        "quiet": "yes" if quiet else "",
    }
    command = [*(["-m"] if as_module else []), script, *arguments]
    if fix:
        from trainwright.cli.fix import mend

        return mend(command, order | {"strict": ""}, startup=_STARTUP, yes=yes, steps=steps)
    return start(command, order, startup=_STARTUP, replace=replace)


def _settled(file: Path | None, option: str) -> str:
    """Return the place of a file whatever the current folder will be, "" where there is none."""
    if file is None or str(file) == "-":
        return "" if file is None else "-"
    place = file.absolute()
    folder = next(folder for folder in place.parents if folder.exists())
    if place.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise RunError(  # now, rather than after hours
            f"{option} {file} cannot be written",
            evidence="it is a folder" if place.is_dir() else f"{folder} is no folder that can be written in",
            remedy="choose another place",
        )
    return str(place)
