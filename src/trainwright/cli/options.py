"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from trainwright.cli.completion import recipes, run_folders, settings
from trainwright.errors import UsageError

RecipeFile = Annotated[
    Path,
    typer.Argument(
        metavar="RECIPE",
        autocompletion=recipes,
        help="A recipe (TOML); `trainwright new` writes one.",
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|MODULE:FACTORY",
        autocompletion=recipes,
        help="A recipe, or your own function that makes model, loss, data.",
    ),
]
DataRoot = Annotated[
    str | None, typer.Option("--data-root", metavar="DIR", help="Where data files lie; else $TRAINWRIGHT_DATA.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        autocompletion=settings,
        help="Put a setting over the recipe's; may be repeated.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="COLUMN", help="The column to predict; several, where it is given again."),
]
ImageSize = Annotated[
    int, typer.Option("--image-size", metavar="PIXELS", min=0, help="Bring the images of a folder to this side.")
]
SarifFile = Annotated[
    Path | None, typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF, for code scanning.")
]
Github = Annotated[
    bool, typer.Option("--github", help="Print the findings as annotations of GitHub Actions, on standard error.")
]
RunFolder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        autocompletion=run_folders,
        help="The folder of a run.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier call has written.")]
MaxTime = Annotated[
    str | None,
    typer.Option("--max-time", metavar="TIME", help="Stop after so long, resumable: 90, 30m, 12h, 1-06:30:00."),
]

Devices = Annotated[
    int | None,
    typer.Option("--devices", metavar="N", help="Train on N devices of this machine; on more machines, see torchrun."),
]


def stoppable(max_time: str | None = None) -> AbstractContextManager[None]:
    """Let Ctrl-C, SIGTERM and the end of `max_time` stop the block between two pieces of its work."""
    from trainwright.interruption import listening

    seconds = None if max_time is None else seconds_of(max_time)
    return listening(max_seconds=seconds, limit=max_time or "")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """Return the seconds of "90", "30m", "1.5h", "2d", or of SLURM's "days-hours:minutes:seconds"."""
    try:
        if ":" in text or "-" in text[1:]:
            days, dash, clock = text.rpartition("-")
            parts = [int(part) for part in clock.split(":")]
            if dash:  # days-hours[:minutes[:seconds]]
                hours, minutes, seconds = [*parts, 0, 0][:3]
            else:  # [hours:]minutes:seconds
                hours, minutes, seconds = [0, *parts][-3:]
            found = float(int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds)
        else:
            unit = _UNITS.get(text[-1:].lower())
            found = float(text if unit is None else text[:-1]) * (unit or 1)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise UsageError(f"--max-time {text} is no time", remedy="write 90 (seconds), 30m, 12h, 2d or 1-06:30:00")
    return found
