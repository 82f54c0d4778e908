"""What a worker process can be asked: each task takes `cancelled` and plain values, and returns plain values."""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trainwright.doctor.diagnose import examine
from trainwright.doctor.search import edges, judge
from trainwright.lab import registry
from trainwright.lab.curvature import curvature_of
from trainwright.lab.misconceptions import MISCONCEPTIONS
from trainwright.lab.nearest import nearest_of
from trainwright.lab.quizzes import QUESTIONS
from trainwright.lab.schema import Result, Simulation, Value
from trainwright.lab.spread import spread_of
from trainwright.lab.values import from_state, resolve, to_state
from trainwright.records import from_plain
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.study_json import study_json
from trainwright.runs.reader import read_run
from trainwright.search.importance import importance
from trainwright.search.study import read_study
from trainwright.stages.final import FILE
from trainwright.stages.recipe import Recipe
from trainwright.stages.report import report_run

Cancelled = Callable[[], bool]


def study(cancelled: Cancelled, folder: str) -> dict[str, Any]:
    """Return a search as `trainwright tune --json` tells it, all but what mattered."""
    info = read_study(Path(folder))
    reading = StudyReading(
        info=info,
        name=Path(folder).name,
        findings=tuple(judge(info)),
        edges=edges(info),
        final=_final(Path(folder) / FILE),
    )
    return study_json(reading)


def mattered(cancelled: Cancelled, folder: str) -> dict[str, Any]:
    """Return how much each setting of a search mattered: a forest is grown for it, which takes seconds."""
    return {"importance": importance(read_study(Path(folder)))}


def judged(cancelled: Cancelled, folder: str) -> dict[str, Any]:
    """Return which rules of the doctor judged a run and found nothing, and which could not judge it, and why."""
    stored = read_run(folder)
    examination = examine(stored.chart)
    return {
        "findings": examination.findings,
        "healthy": examination.healthy,
        "not_judged": examination.not_judged,
        "notes": stored.notes,
    }


def report(cancelled: Cancelled, folder: str) -> str:
    """Return a run's report as one page that needs nothing else. Nothing is written to the run's folder."""
    with tempfile.TemporaryDirectory() as place:
        return report_run(Path(folder), Path(place) / "report.html").page.read_text(encoding="utf-8")


def patched(cancelled: Cancelled, folder: str, change: dict[str, Any]) -> dict[str, str]:
    """Return the run's recipe with a remedy's change put over it, and the difference. Nothing is written."""
    path = Path(folder) / "recipe.toml"
    before, after = Recipe.read(path).to_toml(), Recipe.read(path, change).to_toml()
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "recipe.toml", "changed.toml", lineterm="", n=1
    )
    return {"recipe": after, "difference": "\n".join(lines)}


def nearest(cancelled: Cancelled, folder: str) -> dict[str, Any]:
    """Return which recorded curves of the gallery a run looks most like."""
    return nearest_of(folder)


def curvature(cancelled: Cancelled, folder: str) -> dict[str, Any]:
    """Return how curved the loss is where a run began and at the weights that it kept."""
    return curvature_of(folder)


def weights(cancelled: Cancelled, folder: str) -> dict[str, Any]:
    """Return how the weights that a run kept are spread."""
    return spread_of(folder)


def simulations(cancelled: Cancelled) -> dict[str, Any]:
    """Return everything but the functions of all simulations, and what the pages of chapters show."""
    catalogue = registry.CATALOGUE.values()
    return {"simulations": [simulation.describe() for simulation in catalogue], "learn": _learn()}


def simulate(
    cancelled: Cancelled, name: str, state: str, values: dict[str, Any], folders: dict[str, str], texts: list[str]
) -> dict[str, Any]:
    """Run a simulation at the values of an address, with `values` put over them. Only `folders` may name paths."""
    simulation, resolved = _resolved(name, state, values, folders, texts)
    return _told(simulation, resolved, simulation.run(resolved))


def simulate_live(
    cancelled: Cancelled, name: str, state: str, values: dict[str, Any], folders: dict[str, str], texts: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield what a simulation that trains gives, as it comes."""
    simulation, resolved = _resolved(name, state, values, folders, texts)
    if simulation.live is None:
        yield _told(simulation, resolved, simulation.run(resolved))
        return
    for result in simulation.live(resolved, cancelled):
        yield _told(simulation, resolved, result)


def _resolved(
    name: str, state: str, values: dict[str, Any], folders: dict[str, str], texts: list[str]
) -> tuple[Simulation, dict[str, Value]]:
    simulation = registry.find(name)
    stated = from_state(simulation, state)
    safe = {each: value for each, value in stated.items() if each not in texts}
    return simulation, resolve(simulation, safe | values | folders)


def _told(simulation: Simulation, resolved: dict[str, Value], result: Result) -> dict[str, Any]:
    shown = {name: "" if _is_text(simulation, name) else value for name, value in resolved.items()}
    return {"values": shown, "state": to_state(simulation, shown), "result": result}


def _is_text(simulation: Simulation, name: str) -> bool:
    return any(each.name == name and each.kind == "text" for each in simulation.parameters)


def _learn() -> dict[str, Any]:
    beliefs = [
        {"belief": each.belief, "truth": each.truth, "source": each.source, "link": each.link}
        for each in MISCONCEPTIONS
    ]
    return {"questions": QUESTIONS, "misconceptions": beliefs}


def _final(path: Path) -> FinalRun | None:
    try:
        return from_plain(FinalRun, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


TASKS: dict[str, Callable[..., Any]] = {
    "study": study,
    "mattered": mattered,
    "judged": judged,
    "report": report,
    "patched": patched,
    "nearest": nearest,
    "curvature": curvature,
    "weights": weights,
    "simulations": simulations,
    "simulate": simulate,
    "simulate_live": simulate_live,
}
