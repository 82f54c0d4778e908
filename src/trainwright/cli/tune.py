"""The command `tune`: the search as it goes on, its report, and where the study is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from trainwright.cli.answer import EXIT_INTERRUPTED, say
from trainwright.cli.train import parse_change
from trainwright.errors import RunError, UsageError, did_you_mean
from trainwright.interruption import Interrupted

if TYPE_CHECKING:
    from trainwright.records.study import StudyInfo
    from trainwright.stages.study import Study

_REDRAW_SECONDS = 0.5
_WIDEST = 120
PAGE = "report.html"
MOST_WORKERS = 256
"""Processes on one study: each takes its lock for every decision, and loads torch for itself."""


def run(
    console: Console,
    document: dict[str, Any],
    recipe_file: Path,
    *,
    changes: Sequence[str],
    asked: Mapping[str, Any],
    folder: Path | None,
    place: Place,
    data_root: str | None,
) -> None:
    """Search what `[tune]` of the recipe says; `asked` are its keys from the command line. Fills `document`."""
    parsed = dict(parse_change(change) for change in changes)
    parsed |= {f"tune.{name}": value for name, value in asked.items() if value is not None}
    from trainwright.runs.writer import next_folder
    from trainwright.stages.recipe import Recipe
    from trainwright.stages.tune import tune_recipe
    from trainwright.stages.tune_space import space_of

    recipe = Recipe.read(recipe_file, parsed)
    space_of(recipe)  # a slip is told before any process is started
    target = folder if folder is not None else next_folder(Path("studies"), recipe_file.stem)
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        with _Live(console) as live:
            if place.engine == "ray":
                _on_ray(recipe_file, parsed, target, data_root, place, live)
            else:
                helpers = [
                    _helper(recipe_file, parsed, target, data_root, place.store)
                    for _ in range((place.workers or 1) - 1)
                ]
            study = tune_recipe(
                recipe, folder=target, data_root=data_root, observe=live.show, say=live.note, store=place.store
            )
    except KeyboardInterrupt as cut:
        say(
            console,
            f"interrupted; what was decided is kept in {target}: the same command goes on with --folder {target}",
        )
        document["status"] = cut.exit_status if isinstance(cut, Interrupted) else EXIT_INTERRUPTED
        return
    finally:
        for helper in helpers:
            helper.terminate()
            helper.wait()
    show(console, document, study, name=recipe_file.stem)
    if study.best is None and study.info.status == "stopped":
        raise RunError(
            "the search was stopped before any trial had a score",
            evidence=study.info.reason,
            remedy=f"allow more --seconds, and go on with --folder {target}",
        )
    if study.final is not None and study.final.outcome.status == "interrupted":
        say(console, f"the final run was interrupted; the same command makes it again with --folder {target}")
        document["status"] = EXIT_INTERRUPTED


def show(console: Console, document: dict[str, Any], study: Study, *, name: str) -> None:
    """Print the report of a study, write its page, and fill `document`."""
    from trainwright.report.study_html import render_study_html
    from trainwright.report.study_json import study_json
    from trainwright.report.study_text import render_study

    reading = study.reading(name)
    width = min(console.width, _WIDEST)
    text = render_study(reading, color=console.color_system is not None, width=width)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    for note in study.notes:
        say(console, f"note: {note}")
    document.update(study_json(reading))
    document["folder"] = None if study.folder is None else str(study.folder)
    if study.folder is not None:
        (study.folder / PAGE).write_text(render_study_html(reading), encoding="utf-8")
        kept = f"kept in {study.folder}; open {study.folder / PAGE}"
        say(console, f"{kept}; the final run: trainwright report {study.final.folder}" if study.final else kept)


class _Live:
    """The study as it stands, redrawn in a terminal; plain lines where the output is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._drawn = 0.0
        self._told = 0

    def __enter__(self) -> _Live:
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *rest: object) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, text: str) -> None:
        """Print a line above the table."""
        say(self._console, text)

    def show(self, info: StudyInfo) -> None:
        """Draw the study, at most every half second."""
        now = time.monotonic()
        if self._live is None:
            self._line(info)
        elif now - self._drawn >= _REDRAW_SECONDS:
            from trainwright.report.study_live import render_live

            height, width = self._console.height - 1, min(self._console.width, _WIDEST)
            text = render_live(info, height=min(height, 30), color=True, width=width)
            self._live.update(Text.from_ansi(text), refresh=True)
            self._drawn = now

    def _line(self, info: StudyInfo) -> None:
        over = sum(trial.status not in ("running", "stopped") for trial in info.trials)
        if over == self._told:
            return
        self._told = over
        from trainwright.report.numbers import plural

        best = "none yet" if info.best is None or info.best.score is None else f"{info.best.score:.5g}"
        number = info.rounds[-1].number + 1 if info.rounds else 1
        say(self._console, f"round {number}: {over} of {plural(len(info.trials), 'trial')} over, best {best}")


def _on_ray(
    recipe: Path, changes: Mapping[str, Any], folder: Path, data_root: str | None, place: Place, live: _Live
) -> None:
    """Search on a Ray cluster; what comes after the search is done by this process."""
    from trainwright.stages import cluster

    ray = cluster.start(place.address)
    try:
        live.note(f"on Ray: {int(ray.cluster_resources().get('CPU', 0))} processors, {len(ray.nodes())} machines")
        job = cluster.job_of(recipe, changes, folder, data_root, place.store)
        cluster.work(ray, job, place.workers, observe=live.show, say=live.note)
    finally:
        ray.shutdown()


def _helper(
    recipe: Path, changes: Mapping[str, Any], folder: Path, data_root: str | None, store: str | None
) -> subprocess.Popen[bytes]:
    """Start a process that works on the same study and says nothing."""
    from trainwright.stages.toml_text import toml

    given = [part for name, value in changes.items() for part in ("--set", f"{name}={toml(value)}")]
    root = ["--data-root", data_root] if data_root else []
    root += ["--store", store] if store else []
    command = [sys.executable, "-m", "trainwright", "tune", str(recipe), *given, *root, "--folder", str(folder)]
    return subprocess.Popen(
        [*command, "--set", "tune.final=0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a search is done: by how many processes (None: as many as suit), by which engine, and what they share."""

    workers: int | None
    engine: str
    address: str | None
    store: str | None


def checked_place(
    workers: int | None, engine: str, address: str | None, store: str | None, folder: Path | None
) -> Place:
    """Return where a search is done; raises `UsageError` for what makes no sense together."""
    if engine not in ("local", "ray"):
        raise UsageError(
            f"--engine cannot be '{engine}'",
            evidence="known: local, ray",
            remedy=did_you_mean(engine, ("local", "ray")),
        )
    if address is not None and engine != "ray":
        raise UsageError("--address is that of a Ray cluster", remedy="add --engine ray")
    if store is not None and folder is None:
        raise UsageError(
            "a study in a database needs a name, which is that of its folder",
            evidence=f"--store {store}",
            remedy="add --folder studies/NAME, the same NAME on every machine",
        )
    if workers is not None and workers > MOST_WORKERS:
        raise UsageError(
            f"--workers {workers}: that many processes would hold each other up",
            evidence=f"at most {MOST_WORKERS}; this machine has {os.cpu_count()} processors",
            remedy="use as many as there are processors, or fewer",
        )
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one process has to work", remedy="leave it out for one")
    return Place(workers=workers, engine=engine, address=address, store=store)
