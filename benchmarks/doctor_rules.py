"""The doctor's rules on a grid of runs: what is found, what is missed, and what is said of healthy runs.

Trains tasks x optimizers x learning rates x seeds. The truth comes from the grid alone: a rate is too low or too high
where a better one lies above or below it and the validation loss is much the worse for it. The best run of a group
(task, optimizer, seed), and the same setting with other seeds, count as healthy unless their validation loss rose in
the end: nothing should be said of them. The rules' thresholds were fitted on one half of the groups; the other half
reports.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn

import trainwright as tw
from trainwright.doctor.diagnose import diagnose
from trainwright.doctor.series import level, tail
from trainwright.records import Chart, Outcome, from_plain, to_plain
from trainwright.stages.train import train

REGRET = 0.2
"""Share of what the group's best rate gains over a constant guess; who loses more than this has the wrong rate."""
SETTLED = 0.05
"""A healthy run ends within this share, and within the noise, of its best validation loss."""
OTHER_SEEDS = (100, 101, 102)
HALVES = ("fitting", "reporting")
HIGH, LOW = "learning-rate-too-high", "learning-rate-too-low"

Data = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run to be made. `group` is the seed of the group that it belongs to, its own but for healthy repetitions."""

    task: str
    optimizer: str
    rate: float
    seed: int
    group: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Return the group: task, optimizer and the group's seed."""
        return self.task, self.optimizer, self.group

    @property
    def schedule(self) -> str:
        """Return the schedule: either, so that no rule depends on one."""
        return "constant" if (self.group + len(self.task)) % 2 else "warmup_cosine"

    @property
    def clip_norm(self) -> float:
        """Return the largest gradient norm: clipped or not."""
        return 1.0 if self.group == 0 else 0.0

    @property
    def file(self) -> str:
        """Return a name for the run's file."""
        return f"{self.task}_{self.optimizer}_{self.rate:.3g}_{self.seed}_{self.group}.json.gz"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run that was made: its chart, and how it ended."""

    job: Job
    chart: Chart
    outcome: Outcome

    @property
    def loss(self) -> float:
        """Return the validation loss of the model that is returned; infinite where there is none."""
        loss = self.outcome.best.get("validation", {}).get("loss", math.inf)
        return loss if math.isfinite(loss) else math.inf

    @property
    def constant(self) -> float:
        """Return the loss of a constant guess."""
        return self.chart.info.constant_loss or math.nan

    @property
    def end(self) -> float:
        """Return the training loss at the end as a share of a constant guess's; infinite where it diverged."""
        if self.outcome.status == "diverged":
            return math.inf
        return level(tail(self.chart.steps, 0.1, 20)) / self.constant


def blobs(generator: torch.Generator, samples: int) -> Data:
    """Five overlapping clouds in ten dimensions."""
    centres = torch.randn(5, 10, generator=generator) * 1.5
    y = torch.randint(0, 5, (samples,), generator=generator)
    x = centres[y] + 1.5 * torch.randn(samples, 10, generator=generator)
    return x / x.std(), y


def spiral(generator: torch.Generator, samples: int) -> Data:
    """Three arms of a spiral."""
    y = torch.randint(0, 3, (samples,), generator=generator)
    radius = torch.rand(samples, generator=generator)
    angle = radius * 4 + y * 2.1 + 0.2 * torch.randn(samples, generator=generator)
    x = torch.stack([radius * angle.sin(), radius * angle.cos()], 1)
    return x / x.std(), y


def friedman(generator: torch.Generator, samples: int) -> Data:
    """Friedman's first regression problem, standardised."""
    x = torch.rand(samples, 10, generator=generator)
    y = 10 * torch.sin(math.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = y + torch.randn(samples, generator=generator)
    return (x - 0.5) * 3.4, (y - y.mean()) / y.std()


def noisy(generator: torch.Generator, samples: int) -> Data:
    """Two classes that overlap so much that two thirds right is all that can be had."""
    x = torch.randn(samples, 20, generator=generator)
    return x, (x[:, 0] + 2 * torch.randn(samples, generator=generator) > 0).long()


def perceptron(
    inputs: int, outputs: int, width: int = 64, depth: int = 2, activation: type[nn.Module] = nn.ReLU
) -> nn.Module:
    """Return a plain network with torch's own initialisation."""
    layers: list[nn.Module] = []
    for size in [inputs] + [width] * (depth - 1):
        layers += [nn.Linear(size, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


MADE: Mapping[str, tuple[Callable[[torch.Generator, int], Data], Callable[[], nn.Module]]] = {
    "blobs": (blobs, lambda: perceptron(10, 5)),
    "spiral": (spiral, lambda: perceptron(2, 3)),
    "friedman": (friedman, lambda: perceptron(10, 1)),
    "noisy": (noisy, lambda: perceptron(20, 2, 32)),
    "deep": (blobs, lambda: perceptron(10, 5, 32, 5)),
    "tanh": (spiral, lambda: perceptron(2, 3, activation=nn.Tanh)),
}
"""Task -> its data and its network."""
EMBEDDED: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "digits": {"data": {"source": "digits"}, "model": {"name": "mlp"}, "train": {"epochs": 20}},
    "wine": {"data": {"source": "wine"}, "model": {"name": "mlp"}, "train": {"epochs": 80, "batch_size": 32}},
    "breast_cancer": {"data": {"source": "breast_cancer"}, "model": {"name": "mlp"}, "train": {"epochs": 80}},
    "diabetes": {"data": {"source": "diabetes"}, "model": {"name": "mlp"}, "train": {"epochs": 80}},
    "digits-cnn": {"data": {"source": "digits"}, "model": {"name": "cnn", "width": 8}, "train": {"epochs": 20}},
}
"""Task -> its recipe."""
OPTIMIZERS = {"sgd": 1e-4, "momentum": 1e-4, "adam": 1e-5, "adamw": 1e-5}
"""Optimizer -> the lowest rate; each next one is half a power of ten higher."""
RATES = 15


def carry_out(job: Job) -> Result:
    """Make one run."""
    torch.set_num_threads(1)
    if job.task in MADE:
        make, network = MADE[job.task]
        x, y = make(torch.Generator().manual_seed(job.group + 7), 1500)
        torch.manual_seed(job.seed)
        run = tw.fit(
            network(),
            (x[:1000], y[:1000]),
            (x[1000:], y[1000:]),
            epochs=25,
            optimizer=job.optimizer,
            lr=job.rate,
            schedule=job.schedule,
            seed=job.seed,
            clip_norm=job.clip_norm,
            device="cpu",
        )
    else:
        changes = {
            "optimizer.name": job.optimizer,
            "optimizer.lr": job.rate,
            "schedule.name": job.schedule,
            "train.seed": job.seed,
            "train.clip_norm": job.clip_norm,
            "train.device": "cpu",
        }
        run = train(tw.Recipe.of(EMBEDDED[job.task], **changes))
    return Result(job=job, chart=run.history, outcome=run.outcome)


def grid(quick: bool) -> list[Job]:
    """Return the runs of the grid."""
    tasks = ["blobs", "friedman", "wine"] if quick else [*MADE, *EMBEDDED]
    names = ["sgd", "adam"] if quick else list(OPTIMIZERS)
    places = range(0, RATES, 2 if quick else 1)
    return [
        Job(task=task, optimizer=name, rate=OPTIMIZERS[name] * 10 ** (place / 2), seed=seed, group=seed)
        for task, name, place, seed in itertools.product(tasks, names, places, range(2))
    ]


def make_all(jobs: Sequence[Job], processes: int, keep: Path | None) -> list[Result]:
    """Make the runs, or read those that `keep` holds already."""
    done: dict[Job, Result] = {}
    for job in jobs:
        if keep is not None and (keep / job.file).exists():
            done[job] = from_plain(Result, json.loads(gzip.decompress((keep / job.file).read_bytes())))
    missing = [job for job in jobs if job not in done]
    with get_context("spawn").Pool(processes) as pool:
        for count, result in enumerate(pool.imap_unordered(carry_out, missing), 1):
            done[result.job] = result
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / result.job.file).write_bytes(gzip.compress(json.dumps(to_plain(result)).encode(), 1))
            if count % 50 == 0:
                print(f"{count} of {len(missing)} runs", file=sys.stderr, flush=True)
    return [done[job] for job in jobs]


def by_group(results: Iterable[Result]) -> dict[tuple[str, str, int], list[Result]]:
    """Return the runs of each group, in order of their rate."""
    groups: dict[tuple[str, str, int], list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda result: result.job.rate):
        groups[result.job.key].append(result)
    return dict(groups)


def half_of(key: tuple[str, str, int]) -> str:
    """Return the half that a group belongs to: a function of its name alone."""
    return HALVES[zlib.crc32(repr(key).encode()) % 2]


def best_of(runs: Sequence[Result]) -> Result:
    """Return a group's best run."""
    return min(runs, key=lambda run: run.loss)


def truth(run: Result, best: Result) -> str | None:
    """Return which kind a run of the grid should get, as far as its rate is concerned; None for neither."""
    regret = (run.loss - best.loss) / (best.constant - best.loss)
    if run.job.rate < best.job.rate:
        return LOW if regret > REGRET else None
    # The model that is returned may be from before the loss was lost again.
    lost = run.end > best.end + 0.5 * (1 - best.end)
    return HIGH if run.job.rate > best.job.rate and (regret > REGRET or lost) else None


def healthy(run: Result) -> bool:
    """Say whether the validation loss at the end is close to its best, and better than a constant guess."""
    evals = run.chart.evaluations("validation")
    if run.outcome.status != "finished" or not evals:
        return False
    best = min(record.loss for record in evals)
    rise = evals[-1].loss - best
    return evals[-1].loss < run.constant and rise <= max(SETTLED * best, evals[-1].loss_error)


@dataclass
class Tally:
    """The counts of one half."""

    right: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind that is due, "found" or "missed")
    healthy: int = 0
    disturbed: Counter[str] = field(default_factory=Counter)  # severity -> healthy runs that have such a finding
    alarms: Counter[tuple[str, str]] = field(default_factory=Counter)  # (severity, kind) -> healthy runs
    remarks: list[str] = field(default_factory=list)


def tally(groups: Mapping[tuple[str, str, int], Sequence[Result]], repeated: Iterable[Result]) -> dict[str, Tally]:
    """Judge every run and count, for each half."""
    tallies = {half: Tally() for half in HALVES}
    for key, runs in groups.items():
        counts, best = tallies[half_of(key)], best_of(runs)
        for run in runs:
            due = truth(run, best)
            if due is not None:
                kinds = [finding.kind for finding in diagnose(run.chart)]
                counts.right[due, "found" if due in kinds else "missed"] += 1
                if due not in kinds:
                    counts.remarks.append(f"missed {due}: {run.job}: {kinds}")
    for run in [*map(best_of, groups.values()), *repeated]:
        if not healthy(run):
            continue
        counts = tallies[half_of(run.job.key)]
        findings = diagnose(run.chart)
        counts.healthy += 1
        counts.disturbed.update({finding.severity for finding in findings})
        counts.alarms.update((finding.severity, finding.kind) for finding in findings)
        counts.remarks += [f"alarm {finding.kind}: {run.job}" for finding in findings if finding.severity != "note"]
    return tallies


def show(half: str, counts: Tally) -> None:
    """Print the counts of one half."""
    print(f"\n{half} half")
    for kind in (HIGH, LOW):
        found, missed = counts.right[kind, "found"], counts.right[kind, "missed"]
        print(f"  {kind:<24}{found:>5} found {missed:>5} missed   {share(found, found + missed)}")
    for severity in ("error", "warning", "note"):
        runs = counts.disturbed[severity]
        kinds = [f"{kind} {count}" for (how, kind), count in sorted(counts.alarms.items()) if how == severity]
        print(
            f"  healthy, any {severity:<11}{runs:>5} of {counts.healthy:>5} runs     {share(runs, counts.healthy)}",
            end="",
        )
        print(f"   {', '.join(kinds)}" if kinds else "")


def share(part: int, whole: int) -> str:
    """Return a share as text."""
    return f"{part / whole:6.1%}" if whole else "     -"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs, judge them, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small part of the grid, in about half a minute")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the runs there, to judge them again")
    parser.add_argument(
        "--half", choices=HALVES, help="print one half alone; fit on the fitting half, report the other"
    )
    parser.add_argument("--remarks", action="store_true", help="name every miss and every false alarm")
    options = parser.parse_args(arguments)
    if options.processes < 1:
        parser.error("--processes must be at least 1")
    groups = by_group(make_all(grid(options.quick), options.processes, options.keep))
    again = [
        Job(task=task, optimizer=name, rate=best_of(runs).job.rate, seed=seed, group=group)
        for (task, name, group), runs in groups.items()
        for seed in OTHER_SEEDS
    ]
    repeated = make_all(again, options.processes, options.keep)
    print(f"{sum(map(len, groups.values()))} runs in {len(groups)} groups, and {len(repeated)} repetitions of the best")
    for half, counts in tally(groups, repeated).items():
        if options.half in (None, half):
            show(half, counts)
            for remark in counts.remarks if options.remarks else ():
                print(f"    {remark}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
