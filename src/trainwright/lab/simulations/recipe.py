"""The order of work, from the gradient check to the ensemble, and how far the runs of a folder have come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.lab.controls import choice, claim, fact, folder, preset
from trainwright.lab.schema import Link, Result, Sign, Simulation, Step, Table, Values, Verdict
from trainwright.runs.reader import StoredRun, find_runs, read_run
from trainwright.search.study import JOURNAL, read_study


def _step(title: str, text: str, command: str, simulation: str, **values: Any) -> Step:
    return Step(
        title=title, text=text, worked=command, links=(Link(text="see it", simulation=simulation, values=values),)
    )


_STRIPS: dict[str, tuple[str, tuple[Step, ...]]] = {
    "stages": (
        "verify, train, tune",
        (
            _step("1 verify", "gradient checks and sanity checks", "trainwright verify RECIPE", "checklist"),
            _step(
                "2 train",
                "optimizer, learning rate, schedule",
                "trainwright train RECIPE --folder DIR",
                "training-lottery",
            ),
            _step("3 tune", "hyperparameter search and ensembles", "trainwright tune RECIPE", "grid-vs-random"),
        ),
    ),
    "search": (
        "coarse, fine, final",
        (
            _step(
                "coarse search",
                "wide range, few epochs, many trials",
                "trainwright tune RECIPE",
                "grid-vs-random",
                log=True,
            ),
            _step(
                "fine search",
                "narrow range, more epochs, fewer trials",
                "trainwright tune RECIPE",
                "grid-vs-random",
                sampler="tpe",
            ),
            _step(
                "final run", "the best values, trained in full", "trainwright train RECIPE --folder DIR", "schedules"
            ),
        ),
    ),
    "recipe": (
        "the full recipe in eight steps",
        (
            _step(
                "1 gradient check",
                "is backward the derivative of forward?",
                "trainwright gradcheck RECIPE",
                "gradient-check",
            ),
            _step("2 loss at the start", "is it that of a guess?", "trainwright verify RECIPE", "initial-loss"),
            _step("3 overfit a tiny batch", "can it memorise a handful?", "trainwright verify RECIPE", "checklist"),
            _step(
                "4 Adam and a cosine",
                "a start that works nearly always",
                "trainwright train RECIPE --folder DIR",
                "schedules",
            ),
            _step(
                "5 random search",
                "rate and regularization, on log scales",
                "trainwright tune RECIPE",
                "grid-vs-random",
                log=True,
            ),
            _step(
                "6 coarse to fine",
                "zoom in, widen at the edges",
                "trainwright tune RECIPE",
                "grid-vs-random",
                best=0.98,
            ),
            _step("7 train the best", "to convergence", "trainwright train RECIPE --folder DIR", "early-stopping"),
            _step("8 ensemble", "if there is budget left", "trainwright finish", "ensembles"),
        ),
    ),
}


def _read(place: Path) -> tuple[list[StoredRun], int]:
    """Return the runs of a folder that can be read, and the number of studies in it."""
    runs = []
    for path in find_runs(place):
        try:
            runs.append(read_run(path))
        except RunError:
            continue
    studies = 0
    for path in [place, *(place.iterdir() if place.is_dir() else ())]:
        if (path / JOURNAL).is_file():
            try:
                read_study(path)
                studies += 1
            except (RunError, ValueError, KeyError):
                continue
    return runs, studies


def run(values: Values) -> Result:
    """Show a strip; with a folder, say how far its runs have come."""
    title, steps = _STRIPS[str(values["strip"])]
    facts = [fact("steps", len(steps))]
    tables: tuple[Table, ...] = ()
    verdict = Verdict(sign="note", text=f"{title}: " + " → ".join(step.title for step in steps))
    if values["folder"]:
        place = Path(str(values["folder"]))
        if not place.is_dir():
            raise RunError(f"there is no folder {place}", remedy="name the folder that holds the runs")
        runs, studies = _read(place)
        verified = sum(any(event.name == "verified" for event in each.chart.events) for each in runs)
        ended = sum(each.outcome is not None and each.outcome.status in ("finished", "stopped") for each in runs)
        stages = (
            ("verify", verified, "runs checked before they began"),
            ("train", ended, "runs that came to an end"),
            ("tune", studies, "searches"),
        )
        signs: tuple[Sign, ...] = tuple("healthy" if count else "warning" for _, count, _ in stages)
        tables = (Table(title=f"{place.name}: how far", columns=("stage", "count", "of"), rows=stages, signs=signs),)
        missing = [name for name, count, _ in stages if not count]
        text = f"{len(runs)} runs in {place.name}; " + (
            f"still to do: {', '.join(missing)}" if missing else "all three stages done"
        )
        verdict = Verdict(sign="note" if missing else "healthy", text=text)
        facts += [fact(f"{name} done", bool(count)) for name, count, _ in stages]
    return Result(
        verdict=verdict,
        steps=steps,
        tables=tables,
        evidence=tuple(facts),
        python="import trainwright as tw\n\nprint(tw.verify, tw.fit, tw.tune, sep='\\n')\n",
        frames=len(steps),
        frame_label="stage",
    )


SIMULATION = Simulation(
    name="recipe",
    number=14,
    title="The order of work",
    guide="G2, chapters 0, 8 and 9",
    teaches="Verify before training, train before tuning: each stage is cheaper than the one whose time it saves.",
    parameters=(
        choice("strip", "Strip", "recipe", {name: title for name, (title, _) in _STRIPS.items()}),
        folder("Your runs", "A folder of runs: says how far it has come."),
    ),
    run=run,
    presets=tuple(preset(name, title[0].upper() + title[1:], strip=name) for name, (title, _) in _STRIPS.items()),
    claims=(claim("The full training recipe has eight steps.", "G2, chapter 9", lambda result: result["steps"] == 8),),
)
