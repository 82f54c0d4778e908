"""The command `demo`: tells the story of one mistake, with real runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.cli.finish import show as show_finished
from trainwright.cli.train import train_and_show

if TYPE_CHECKING:
    from trainwright.stages.recipe import Recipe
    from trainwright.stages.run import Run

_WIDEST = 110


def run(console: Console, document: dict[str, Any], folder: Path | None) -> None:
    """Train well, train with a mistake, apply the remedy, compare; write the report."""
    from trainwright.records import to_plain
    from trainwright.report.text import render_finding
    from trainwright.runs.writer import check_free, next_folder
    from trainwright.stages.demo import FINISHED, PLANTED, WELL, first_patch, written
    from trainwright.stages.finish import finish_folders
    from trainwright.stages.report import report_run

    home = folder if folder is not None else next_folder(Path("runs"), "demo")
    check_free(home)
    mistake = ", ".join(f"{name} = {value}" for name, value in PLANTED.items())

    recipe = written(home / "well.toml", WELL)
    _heading(console, f"1. A recipe of three settings, {recipe.path}; all else is a default.")
    good = _train(console, recipe, home / "1-well")
    _heading(console, f"2. The same recipe with one mistake planted: {mistake}.")
    sick = _train(console, written(home / "sick.toml", WELL, PLANTED), home / "2-sick")
    patch = first_patch(sick.findings)
    runs = {"well": good, "sick": sick}
    if patch is not None:
        finding, change = patch
        console.print(
            render_finding(finding, color=console.color_system is not None, width=min(console.width, _WIDEST)),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        words = ", ".join(f"{name} = {value}" for name, value in change.items())
        _heading(console, f"3. The remedy of {finding.code}, applied: {words}.")
        healed = written(home / "healed.toml", WELL, {**PLANTED, **change})
        runs["healed"] = _train(console, healed, home / "3-healed")
    _heading(console, "4. The good run finished: further seeds as one array, and what that gains or loses.")
    ensemble = finish_folders(
        [home / "1-well"], FINISHED, folder=home / "4-finished", say=lambda text: say(console, text)
    )
    show_finished(console, {}, ensemble)
    _heading(console, "What it was worth")
    for name, one in runs.items():
        say(console, f"  {name:<7} test accuracy {_accuracy(one):.3f}  ({one.outcome.status})")
    page = report_run(home / "2-sick").page
    say(console, f"\nthe sick run's report: {page.absolute()}")
    if patch is not None:
        say(console, f"the diagnosis in full: trainwright explain {patch[0].code}")
    document.update(
        to_plain(
            {
                "findings": good.findings,  # the demo is healthy when the good run is
                "runs": {name: one.to_json() for name, one in runs.items()},
                "finish": ensemble.to_json(),
                "report": str(page.absolute()),
            },
            strict=True,
        )
    )


def _train(console: Console, recipe: Recipe, folder: Path) -> Run:
    finished = train_and_show(console, {}, recipe, folder)
    if finished.outcome.status == "interrupted":
        raise KeyboardInterrupt  # the story ends with the run
    return finished


def _accuracy(run: Run) -> float:
    return run.outcome.best.get("test", {}).get("accuracy", float("nan"))


def _heading(console: Console, text: str) -> None:
    say(console, f"\n{text}\n", style="bold")
