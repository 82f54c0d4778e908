"""Quality: trains the example recipes on real data and compares what they reach with their targets (`make bench`).

Exit status: 0 every target met; 1 a target missed; 2 wrong usage, or nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from trainwright import Recipe, TrainwrightError, __version__
from trainwright.data.embedded import EMBEDDED
from trainwright.data.files import ROOT_VARIABLE, locate
from trainwright.records import to_plain
from trainwright.stages.train import train

HERE = Path(__file__).resolve().parent
RECIPES = HERE.parent / "examples"
RESULTS = HERE / "results"
INTERRUPTED = 130


WITHIN = 0.02  # how near the defaults alone must come to a recipe's target


@dataclass(frozen=True)
class Case:
    """One recipe of `examples/`, the metric it is judged by, and the value it must reach.

    With `defaults`, all of the recipe but its [data] is left out: what someone gets who only names the data.
    """

    recipe: str
    metric: str  # "accuracy", "rmse", "loss", or "error", which is 1 - accuracy
    target: float
    digits: int = 4
    split: str = "test"
    defaults: bool = False

    @property
    def name(self) -> str:
        """The name under which the case is listed and chosen."""
        return f"{self.recipe}{' (defaults)' if self.defaults else ''}"

    @property
    def alone(self) -> Case:
        """The same data with the defaults alone, and the target that this must reach."""
        easier = 1 - WITHIN if self.metric == "accuracy" else 1 + WITHIN
        return replace(self, target=self.target * easier, defaults=True)

    def read(self, seed: int) -> Recipe:
        """Return the recipe with `seed`."""
        recipe = Recipe.read(RECIPES / f"{self.recipe}.toml", {"train.seed": seed})
        if not self.defaults:
            return recipe
        data = recipe.model_dump(exclude_unset=True)["data"]
        return Recipe.of({"data": data}, **{"train.seed": seed})

    def score(self, best: Mapping[str, Mapping[str, float]]) -> float:
        """Return the metric's value on the split that judges, from `Outcome.best`."""
        values = best[self.split]
        return 1 - values["accuracy"] if self.metric == "error" else values[self.metric]

    def passes(self, value: float) -> bool:
        """Say whether the target is met; NaN meets none."""
        return value >= self.target if self.metric == "accuracy" else value <= self.target

    def written(self, value: float) -> str:
        """Return a value of the metric as text."""
        return f"{value:,.{self.digits}f}"


_RECIPES = (
    Case("digits", "accuracy", 0.97),
    Case("fashion-mnist", "accuracy", 0.925),
    Case("california-housing", "rmse", 50_000, digits=0),
    Case("adult", "error", 0.145),
    Case("shakespeare", "loss", 1.80, split="validation"),
)
CASES = (
    *_RECIPES,
    Case("fashion-mnist-augmented", "accuracy", 0.935),
    *(case.alone for case in _RECIPES),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    options = parse(arguments)
    root = options.data_root
    if root is not None and not Path(root).is_dir():
        print(f"error: --data-root {root} is no folder", file=sys.stderr)
        return 2
    chosen = [case for case in CASES if options.only in (None, case.name)]
    missing = {case.name: sources for case in chosen if (sources := missing_sources(case, root))}
    print(f"{'recipe':<31}{'metric':<21}{'value':<20}{'target':<12}{'':<6}{'seconds':<9}CPU minutes")
    results: list[dict[str, Any]] = []
    for case in chosen:
        target = f"{'>=' if case.metric == 'accuracy' else '<='} {case.written(case.target)}"
        if case.name in missing:
            print(f"{case.name:<31}{f'{case.split} {case.metric}':<21}{'data missing':<20}{target:<12}{'-':<6}-")
            continue
        try:
            result = measure(case, options.seeds, root)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        results.append(result)
        verdict = "pass" if result["passed"] else "FAIL"
        seconds = f"{statistics.fmean(result['seconds']):.1f}" if result["seconds"] else "-"
        minutes = f"{statistics.fmean(result['cpu_seconds']) / 60:.1f}" if result["cpu_seconds"] else "-"
        line = f"{case.name:<31}{f'{case.split} {case.metric}':<21}{shown(case, result):<20}{target:<12}{verdict:<6}"
        print(f"{line}{seconds:<9}{minutes}", flush=True)
    if missing:
        print(explain_missing(missing, root))
    if not results:
        return 2
    keep(results, options.seeds)
    return 0 if all(result["passed"] for result in results) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the example recipes and compare them with their targets.")
    parser.add_argument("--data-root", metavar="DIR", help=f"where the data sets lie; else ${ROOT_VARIABLE}")
    parser.add_argument("--seeds", metavar="N", type=int, default=1, help="train each with seeds 0 to N - 1")
    parser.add_argument("--only", metavar="NAME", choices=[case.name for case in CASES], help="one recipe alone")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {options.seeds}")
    return options


def missing_sources(case: Case, root: str | None) -> list[str]:
    """Return the sources of the case's recipe that are not there."""
    data = case.read(0).data
    missing = []
    for source in (data.source, data.test_source):
        try:
            if source and source not in EMBEDDED:
                locate(source, folder=str(RECIPES), data_root=root)
        except TrainwrightError:
            missing.append(source)
    return missing


def measure(case: Case, seeds: int, root: str | None) -> dict[str, Any]:
    """Train the case with each seed. A run that cannot be made counts as a missed target."""
    values: list[float] = []
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    findings: list[list[str]] = []
    problem = ""
    for seed in range(seeds):
        print(f"training {case.name}, seed {seed} ...", file=sys.stderr, flush=True)
        started, worked = time.perf_counter(), time.process_time()
        try:
            run = train(case.read(seed), data_root=root)
        except TrainwrightError as error:
            problem = str(error)
            break
        if run.outcome.status == "interrupted":
            raise KeyboardInterrupt
        if case.split not in run.outcome.best:  # refused before its first step
            problem = run.outcome.reason
            break
        values.append(case.score(run.outcome.best))
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - worked)
        print(f"  seed {seed}: {case.written(values[-1])}", file=sys.stderr, flush=True)
        findings.append([finding.code for finding in run.findings])
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    mean = statistics.fmean(values) if values else None
    return {
        "recipe": case.name,
        "metric": f"{case.split} {case.metric}",
        "target": case.target,
        "values": values,
        "mean": mean,
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
        "passed": not problem and mean is not None and case.passes(mean),
        "problem": problem,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "findings": findings,
    }


def shown(case: Case, result: dict[str, Any]) -> str:
    if result["mean"] is None:
        return "could not be run"
    spread = result["deviation"]
    return case.written(result["mean"]) + ("" if spread is None else f" +- {case.written(spread)}")


def explain_missing(missing: dict[str, list[str]], root: str | None) -> str:
    """Say which data are not there, and how to say where they are."""
    lines = [f"  {name}: {', '.join(sources)}" for name, sources in missing.items()]
    known = root or os.environ.get(ROOT_VARIABLE)
    where = f"not in {known}" if known else f"neither --data-root nor {ROOT_VARIABLE} is set"
    remedy = f"Set {ROOT_VARIABLE}=DIR, or pass --data-root DIR, where DIR holds them under these names."
    return "\n".join(["", f"Data that are missing ({where}):", *lines, remedy])


def keep(results: list[dict[str, Any]], seeds: int) -> None:
    """Write the results as JSON, named by the time."""
    now = datetime.now().astimezone()
    document = {
        "schema": 1,
        "time": now.isoformat(timespec="seconds"),
        "versions": {"trainwright": __version__, "torch": torch.__version__, "python": sys.version.split()[0]},
        "threads": torch.get_num_threads(),
        "seeds": list(range(seeds)),
        "results": results,
    }
    path = RESULTS / f"quality-{now:%Y%m%d-%H%M%S}.json"
    try:
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(to_plain(document, strict=True), indent=2) + "\n", encoding="utf-8")
    except OSError as problem:
        print(f"the results cannot be kept in {RESULTS}: {problem.strerror}", file=sys.stderr)
    else:
        print(f"\nkept in {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
