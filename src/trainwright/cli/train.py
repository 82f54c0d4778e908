"""The command `train`: settings from the command line, live progress, the findings, where the run is kept."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.cli.devices import check_devices, launch, launched, leads, quieted, words
from trainwright.errors import EXIT_FAILED, ModelError, TrainwrightError, UsageError
from trainwright.interruption import status_of
from trainwright.records import to_plain

if TYPE_CHECKING:
    from trainwright.stages.recipe import Recipe
    from trainwright.stages.run import Run
    from trainwright.training.distributed import Ranks


_TEXTS = ("data.source", "data.target", "data.test_source")
"""Settings that are text whatever they look like."""


def run(
    console: Console,
    document: dict[str, Any],
    recipe_file: Path,
    *,
    changes: Sequence[str],
    folder: Path | None,
    data_root: str | None,
    explain_groups: bool,
    profile: bool,
) -> None:
    """Train the recipe in `recipe_file`; fill `document`."""
    parsed = dict(parse_change(change) for change in changes)  # before torch is loaded: a slip is told at once
    from trainwright.runs.layout import is_run
    from trainwright.runs.writer import next_folder
    from trainwright.stages.ranks import check_divides
    from trainwright.stages.recipe import Recipe

    if not launched():
        recipe = Recipe.read(recipe_file, parsed)
        target = folder if folder is not None else next_folder(Path("runs"), recipe_file.stem)
        train_and_show(
            console, document, recipe, target, data_root=data_root, explain_groups=explain_groups, profile=profile
        )
        return
    from trainwright.training.distributed import joined

    console = quieted(console)
    with joined(str(parsed.get("train.device", "auto"))) as ranks:
        with ranks.together():
            recipe = Recipe.read(recipe_file, parsed)
            check_divides(recipe, ranks.world)
        target = Path(ranks.told(str(_folder(folder, recipe_file.stem, again=ranks.again))))
        if ranks.told("again" if ranks.again and is_run(target) else ""):
            from trainwright.cli.resume import go_on

            go_on(console, document, target, changes=parsed, data_root=data_root, strict=False, ranks=ranks)
            return
        train_and_show(
            console,
            document,
            recipe,
            target,
            data_root=data_root,
            explain_groups=explain_groups,
            profile=profile,
            ranks=ranks,
        )


def _folder(folder: Path | None, name: str, *, again: bool) -> Path:
    """Return where a run is kept; one that torchrun has started `again` where it was kept before."""
    from trainwright.runs.writer import next_folder

    following = next_folder(Path("runs"), name)
    if folder is not None or not again:
        return folder if folder is not None else following
    before = Path("runs") / f"{name}-{int(following.name.rpartition('-')[2]) - 1:03d}"
    return before if before.exists() else following


def on_devices(
    recipe_file: Path, changes: Sequence[str], folder: Path | None, devices: int, told: Mapping[str, object]
) -> int:
    """Train a recipe in as many processes as there are to be `devices`; return their exit status."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.runs.writer import check_free, next_folder
    from trainwright.stages.ranks import check_divides
    from trainwright.stages.recipe import Recipe

    recipe = Recipe.read(recipe_file, parsed)
    check_devices(devices, recipe.train.device)
    check_divides(recipe, devices)
    target = folder if folder is not None else next_folder(Path("runs"), recipe_file.stem)
    check_free(target)
    options = [
        word for name, value in {"--set": changes, "--folder": target, **told}.items() for word in words(name, value)
    ]
    return launch(["train", str(recipe_file), *options], devices, kept=target)


def train_and_show(
    console: Console,
    document: dict[str, Any],
    recipe: Recipe,
    folder: Path,
    *,
    data_root: str | None = None,
    explain_groups: bool = False,
    profile: bool = False,
    ranks: Ranks | None = None,
) -> Run:
    """Train `recipe` into `folder` with live progress, print how it ended, and fill `document`."""
    from trainwright.cli.progress import Progress
    from trainwright.parts.groups import render_table
    from trainwright.report.profile_text import render_profile
    from trainwright.stages.named import table_of
    from trainwright.stages.train import carry_out, plan
    from trainwright.training.clock import Clock
    from trainwright.training.distributed import ALONE
    from trainwright.training.profile import profile_of

    ranks = ALONE if ranks is None else ranks
    kept = folder if ranks.leads else None
    with ranks.together():
        setup = plan(recipe, kept, data_root)
    for note in setup.facts["data"]["notes"]:
        say(console, f"note: {note}")
    if explain_groups:
        say(console, render_table(table_of(setup.recipe, setup.model)))
    clock = Clock(on=profile)
    with Progress(console, setup.info) as progress, told_of_users_code(folder):
        finished = carry_out(setup, kept, [progress], clock=clock, ranks=ranks)
    answer(console, document, finished)
    if profile:
        measured = profile_of(clock, finished.history)
        say(console, render_profile(measured))
        document["profile"] = to_plain(measured, strict=True) | {"samples_per_second": measured.samples_per_second}
    finish_too(console, document, recipe, finished, data_root)
    return finished


def finish_too(
    console: Console, document: dict[str, Any], recipe: Recipe, finished: Run, data_root: str | None
) -> None:
    """Do what `[finish]` of the recipe asks for, where the run came to its end."""
    if finished.folder is not None and recipe.finish.asks and finished.outcome.status in ("finished", "stopped"):
        from trainwright.cli.finish import after_run  # it stands on this module

        after_run(console, document, finished.folder, data_root)


@contextmanager
def told_of_users_code(folder: Path) -> Iterator[None]:
    """Turn whatever a network or a loss of the user's own raises into an error without a traceback."""
    from trainwright.parts.own_module import told

    try:
        yield
    except (TrainwrightError, OSError):
        raise
    except Exception as problem:
        raise ModelError(
            "training broke off",
            evidence=told(problem, [os.getcwd()]),
            remedy=f"what was recorded until then is kept in {folder}" if folder.exists() else "",
        ) from problem


def answer(console: Console, document: dict[str, Any], finished: Run) -> None:
    """Print how a run ended, and fill `document`, with the exit status of one that was interrupted."""
    show_end(console, finished)
    document.update(finished.to_json())
    if not leads():
        document["status"] = 0  # the first process tells how it went
    elif finished.folder is None:
        document["status"] = EXIT_FAILED
    if finished.outcome.status == "interrupted" and leads():
        document["status"] = status_of(finished.outcome.reason)
        if finished.folder is not None:
            say(console, f"to go on with it: trainwright resume {finished.folder}")


def show_end(console: Console, finished: Run) -> None:
    """Print how a run ended: the report's text, and where it is kept."""
    from trainwright.report.text import render_run

    text = render_run(
        finished.history.info,
        finished.outcome,
        finished.history,
        finished.findings,
        brief=finished.folder is not None,  # a run that could not start has shown nothing yet
        color=console.color_system is not None,
        width=min(console.width, 110),
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if finished.folder is not None:
        say(console, f"kept in {finished.folder}; see it with: trainwright report {finished.folder}")


def parse_change(text: str) -> tuple[str, Any]:
    """Return `section.key=value` as the key and the value that TOML reads; what is no TOML value is taken as text."""
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise UsageError(
            f"--set {text} does not name a setting", remedy="write it as SECTION.KEY=VALUE, such as optimizer.lr=0.01"
        )
    if name.strip() in _TEXTS and not value.strip().startswith(('"', "'", "[")):
        return name.strip(), value.strip()  # a column may be called 2020
    written = f"0{value.strip()}" if value.strip().startswith(".") else value.strip()  # TOML knows no .5
    try:
        return name.strip(), tomllib.loads(f"value = {written}")["value"]
    except (ValueError, RecursionError):  # not TOML; or nested too deeply, or a number of thousands of digits
        return name.strip(), value.strip()
