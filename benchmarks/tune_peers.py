"""Searches against their peers: trials per second of one and the same search by `tw.tune`, by Optuna and by Ray Tune.

Random trials over rate and decay of a small network, every trial with the same number of steps on batches of one size,
judged once at its end; nothing is pruned. Optuna runs one trial after the other over a DataLoader, as its tutorials
write it. Both run in turn; medians, trials per second of the processor, and ratios. Ray Tune runs the same function in
processes of its own, as many at once as there are cores, in an interpreter that has it. It runs few trials once, and is
told of apart: to start its workers is most of that time and is not done for every trial, so that nothing is in
proportion. No verdict: one that failed a test would fail on a busy machine.

    python benchmarks/tune_peers.py --rounds 3 --ray ../ray/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

BATCHES = 10  # an epoch
RATES, DECAYS = (1e-4, 1e-2), (1e-5, 1e-1)


@dataclass(frozen=True)
class Case:
    """What is searched: the widths of a fully connected network, the size of a batch, trials, and steps of each."""

    name: str
    widths: tuple[int, ...]
    batch: int
    trials: int = 64
    steps: int = 200

    def network(self) -> nn.Module:
        """Return a new network."""
        pairs = list(zip(self.widths, self.widths[1:], strict=False))
        layers = [layer for inputs, outputs in pairs for layer in (nn.Linear(inputs, outputs), nn.ReLU())]
        return nn.Sequential(*layers[:-1])

    def data(self) -> tuple[TensorDataset, TensorDataset]:
        """Return data to train on and to compare on, the same on every call."""
        generator = torch.Generator().manual_seed(0)
        count = (BATCHES + 2) * self.batch
        x = torch.randn(count, self.widths[0], generator=generator)
        y = torch.randint(0, self.widths[-1], (count,), generator=generator)
        cut = BATCHES * self.batch
        return TensorDataset(x[:cut], y[:cut]), TensorDataset(x[cut:], y[cut:])


CASES = (Case("20-32-32-3, batch 32", (20, 32, 32, 3), 32), Case("64-128-128-10, batch 64", (64, 128, 128, 10), 64))


def single(case: Case, rate: float, decay: float) -> float:
    """Train one trial as a tutorial does; return its loss on what it has not seen."""
    train, validation = case.data()
    model = case.network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    loader = DataLoader(train, batch_size=case.batch, shuffle=True)
    for _ in range(case.steps // BATCHES):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return statistics.fmean(
            float(F.cross_entropy(model(x), y)) for x, y in DataLoader(validation, batch_size=case.batch)
        )


def by_optuna(case: Case, trials: int) -> None:
    """Search one trial after the other."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        rate = trial.suggest_float("rate", *RATES, log=True)
        return single(case, rate, trial.suggest_float("decay", *DECAYS, log=True))

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=trials)


def by_ours(case: Case, trials: int) -> None:
    """Search with `tw.tune`, its probe and all else that it does before the first step included."""
    import trainwright as tw

    train, validation = case.data()
    study = tw.tune(
        case.network,
        train.tensors,
        validation.tensors,
        space={"lr": tw.log_uniform(*RATES), "weight_decay": tw.log_uniform(*DECAYS)},
        trials=trials,
        rounds=1,
        sampler="random",
        prune=False,
        final=False,
        steps=case.steps,
        batch_size=case.batch,
        optimizer="adamw",
        schedule="constant",
        threads=torch.get_num_threads(),
    )
    assert all(trial.steps == case.steps and trial.score is not None for trial in study.trials)
    assert len(study.trials) == trials


def by_ray(case: Case, trials: int) -> dict[str, float]:
    """Search in processes of their own; return the seconds on the wall and those of the processor in the trials."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    import ray  # pyright: ignore[reportMissingImports]
    from ray import tune  # pyright: ignore[reportMissingImports]

    def trainable(config: dict[str, float]) -> dict[str, float]:
        torch.set_num_threads(1)
        started = time.process_time()
        loss = single(case, config["rate"], config["decay"])
        return {"loss": loss, "cpu": time.process_time() - started}

    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trainable,
            param_space={"rate": tune.loguniform(*RATES), "decay": tune.loguniform(*DECAYS)},
            tune_config=tune.TuneConfig(num_samples=trials),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        started = time.perf_counter()
        results = tuner.fit()
        seconds = time.perf_counter() - started
        found = [result.metrics for result in results if result.metrics]
    ray.shutdown()
    assert len(found) == trials, f"{len(found)} of {trials} trials"
    return {"wall": seconds, "processor": sum(metrics["cpu"] for metrics in found)}


@dataclass
class Spent:
    """Seconds of the processor, all threads together, and of the clock on the wall."""

    processor: float
    wall: float


def timed(search: Callable[[Case, int], None], case: Case, trials: int) -> Spent:
    """Run a search; return what `case.trials` trials take, in proportion."""
    times = case.trials / trials
    processor, wall = time.process_time(), time.perf_counter()
    search(case, trials)
    return Spent((time.process_time() - processor) * times, (time.perf_counter() - wall) * times)


def told_of_ray(interpreter: Path, case: Case, trials: int) -> str:
    """Run the search of Ray Tune in an interpreter that has it; return what came of it in words."""
    command = [str(interpreter), __file__, "--as-ray", str(CASES.index(case)), "--ray-trials", str(trials)]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    if printed.returncode:
        return f"did not run: {(printed.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    found = json.loads(printed.stdout.strip().splitlines()[-1])
    return (
        f"{trials} trials in {found['wall']:.1f} s on the wall, {trials / found['wall']:.2f} a second; "
        f"{found['processor']:.1f} s of the processor within them"
    )


def measured(case: Case, options: argparse.Namespace) -> None:
    """Print the table of one case."""
    found: dict[str, list[Spent]] = {"Optuna": [], "tw.tune": []}
    by_optuna(case, 1)  # what is done once in a process belongs to neither
    timed(by_ours, Case(case.name, case.widths, case.batch, 4, BATCHES), 4)
    for _ in range(options.rounds):
        found["Optuna"].append(timed(by_optuna, case, options.share))
        found["tw.tune"].append(timed(by_ours, case, case.trials))
    print(f"\n{case.name}: {case.trials} random trials of {case.steps} steps, {torch.get_num_threads()} threads")
    print(f"  {'':9}{'trials/cpu s':>14}{'cpu s':>9}{'wall s':>9}{'ratio to Optuna, cpu':>24}{'wall':>8}")
    middle = {
        name: Spent(
            statistics.median(spent.processor for spent in values), statistics.median(spent.wall for spent in values)
        )
        for name, values in found.items()
    }
    base = middle["Optuna"]
    for name, spent in middle.items():
        ratios = f"{base.processor / spent.processor:>24.1f}{base.wall / spent.wall:>8.1f}"
        speed = case.trials / spent.processor
        print(f"  {name:9}{speed:>14.1f}{spent.processor:>9.2f}{spent.wall:>9.2f}{ratios}")
    said = "not asked for: --ray names an interpreter that has it"
    print("  Ray Tune", said if options.ray is None else told_of_ray(options.ray, case, options.ray_trials))


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=int, default=4, help="trials that Optuna runs, counted for all")
    parser.add_argument("--ray", type=Path, help="an interpreter that has Ray Tune")
    parser.add_argument("--ray-trials", type=int, default=8, help="trials that Ray Tune runs")
    parser.add_argument("--case", type=int, choices=range(len(CASES)), help="this one alone")
    parser.add_argument("--as-ray", type=int, choices=range(len(CASES)), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.as_ray is not None:
        print(json.dumps(by_ray(CASES[options.as_ray], options.ray_trials)))
        return 0
    for number, case in enumerate(CASES):
        if options.case in (None, number):
            measured(case, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
