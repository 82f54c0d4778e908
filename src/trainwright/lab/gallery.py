"""The recorded runs behind the gallery of loss curves: how each is made, where it is kept, and whether it still holds.

A record holds the curves, the doctor's findings, the recipe, the seed and a checksum over the curves. `record` trains
them all again; `check` compares what comes out with what is kept, and says why where they differ.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from trainwright.lab.gallery_runs import SCENARIOS, Scenario
from trainwright.lab.training import Plan, Trained, trained
from trainwright.randomness import isolated
from trainwright.records import Finding, from_plain, to_plain
from trainwright.stages.verify import verify

DIGITS = 5
"""Significant digits of what is kept: more would differ from one processor to the next."""
CLOSE = 1e-3
"""Relative difference between curves up to which they tell the same story: rounding, grown over some hundred steps."""
_FILE = "gallery.json"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was kept of a run: (step, loss) of training steps, and of the evaluations of both splits."""

    name: str
    recipe: str
    seed: int
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    evaluated: tuple[float, ...]
    train: tuple[float, ...]
    validation: tuple[float, ...]
    constant: float | None
    diverged: str | None
    findings: tuple[Finding, ...]
    checksum: str
    made_by: str


def make(name: str) -> Record:
    """Train a scenario, look at it with the checks and the doctor, and return its record."""
    scenario = SCENARIOS[name]
    plan = scenario.plan()
    state = trained(plan)
    return _record(scenario, plan, state, _checked(plan))


def _checked(plan: Plan) -> list[Finding]:
    """Return what the checks find that no curve shows: the order of the data, and samples in both splits."""
    with isolated(plan.seed):
        model = plan.make()
    floating = (plan.train[1] if isinstance(plan.train, tuple) else plan.train[0][1]).is_floating_point()
    named = "mse" if floating else "cross_entropy"
    wanted = ["data-order", "validation-overlap"]
    return list(verify(model, plan.loss or named, plan.train, validation=plan.validation, checks=wanted).findings)


def _record(scenario: Scenario, plan: Plan, state: Trained, checked: list[Finding]) -> Record:
    steps, train, validation = state.chart.steps, state.evaluated("train"), state.evaluated("validation")
    curves = {
        "steps": tuple(float(each.step) for each in steps),
        "losses": tuple(_short(each.loss) for each in steps),
        "evaluated": tuple(float(each.step) for each in validation),
        "train": tuple(_short(each.loss) for each in train),
        "validation": tuple(_short(each.loss) for each in validation),
    }
    known = {finding.kind for finding in state.findings}
    findings = (*(each for each in checked if each.kind not in known and each.severity != "note"), *state.findings)
    constant = state.chart.info.constant_loss
    settings = ", ".join(f"{key} = {value!r}" for key, value in plan.settings.items())
    return Record(
        name=scenario.name,
        recipe=f"{settings}, steps = {plan.steps}",
        seed=plan.seed,
        constant=None if constant is None else _short(constant),
        diverged=state.diverged,
        findings=findings,
        checksum=checksum(curves),
        made_by=surroundings(),
        **curves,
    )


def checksum(curves: Mapping[str, tuple[float, ...]]) -> str:
    """Return the SHA-256 over the curves as they are kept."""
    text = json.dumps({name: curves[name] for name in sorted(curves)}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def curves_of(record: Record) -> dict[str, tuple[float, ...]]:
    """Return the parts of a record that its checksum is over."""
    return {name: getattr(record, name) for name in ("steps", "losses", "evaluated", "train", "validation")}


def surroundings() -> str:
    """Return what else may change the last digits of a run."""
    return f"torch {torch.__version__} on {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def records() -> dict[str, Record]:
    """Return the records that are shipped, by name."""
    plain = json.loads(files("trainwright.lab").joinpath("data", _FILE).read_text(encoding="utf-8"))
    return {each["name"]: _restored(each) for each in plain["runs"]}


def record(path: Path) -> list[Record]:
    """Train every scenario and write the records to `path`."""
    made = [make(name) for name in SCENARIOS]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ",\n".join(json.dumps(to_plain(each), separators=(",", ":"), ensure_ascii=False) for each in made)
    path.write_text('{"schema": 1, "runs": [\n' + text + "\n]}\n", encoding="utf-8")
    return made


def check(name: str) -> tuple[bool, str]:
    """Train a scenario again; say whether it gives the recorded curves, and if not, how far off it is and why."""
    kept = records().get(name)
    if kept is None:
        return False, "there is no record of it"
    if checksum(curves_of(kept)) != kept.checksum:
        return False, "the record was changed: its checksum is not that of its curves"
    fresh = make(name)
    if fresh.checksum == kept.checksum:
        return True, f"the same curves, digit by digit: {kept.checksum[:12]}"
    why = "" if fresh.made_by == kept.made_by else f"; recorded by {kept.made_by}, trained now by {fresh.made_by}"
    off = _difference(kept, fresh)
    told = {each.kind for each in kept.findings} == {each.kind for each in fresh.findings}
    if off <= CLOSE and told:
        return True, f"the same curves to {off:.1e} of their height, and the same findings{why}"
    what = f"the curves differ by up to {off:.2g} of their height" + ("" if told else ", and the findings differ")
    return False, what + (why or "; the library itself has changed")


def _difference(one: Record, two: Record) -> float:
    worst = 0.0
    for name, values in curves_of(one).items():
        others = curves_of(two)[name]
        if len(values) != len(others):
            return float("inf")
        height = max((abs(value) for value in values if abs(value) < float("inf")), default=1.0) or 1.0
        pairs = [(a, b) for a, b in zip(values, others, strict=True) if a == a and b == b]
        worst = max([worst, *(abs(a - b) / height for a, b in pairs if a != b)])
    return worst


def _restored(plain: Mapping[str, Any]) -> Record:
    findings = tuple(from_plain(Finding, each) for each in plain["findings"])
    rest = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    return Record(**{**rest, "findings": findings})


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
