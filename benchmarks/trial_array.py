"""The trial array: trials per second of many trials as one program, against one trial after the other in one process.

Three programs train the same trials (own weights, own rates, the same batches) with the same number of steps: (a) a
loop of single runs as one writes it for a search, with a DataLoader; (b) the same with the tensors sliced by hand; and
ours, as the probe chooses, its time included and left out. They run in turn; a table of the medians of processor time
and wall time, and the ratios. No verdict: one that failed a test would fail on a busy machine.

    python benchmarks/trial_array.py --threads 1 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from trainwright.stacked.member import Member
from trainwright.stacked.probe import Choice, choose

BATCHES = 10  # an epoch


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


@dataclass(frozen=True)
class Case:
    """What is trained: so many trials of a network, each by so many steps on batches of random samples."""

    name: str
    network: Callable[[], nn.Module]
    sample: tuple[int, ...]
    classes: int
    batch: int
    trials: int
    steps: int


CASES = (
    Case("20-32-32-3, batch 32", small, (20,), 3, 32, 64, 200),
    Case("64-128-128-10, batch 64", wide, (64,), 10, 64, 64, 200),
    Case("3 convolutions on 16 x 16, batch 32", convolutional, (1, 16, 16), 10, 32, 16, 20),
)


def rate(trial: int) -> float:
    return 1e-4 * 10 ** (trial % 16 / 8)


def data(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    count = BATCHES * case.batch
    return torch.randn(count, *case.sample, generator=generator), torch.randint(
        0, case.classes, (count,), generator=generator
    )


def trial(case: Case, number: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(number)
    model = case.network()
    return model, torch.optim.AdamW(model.parameters(), lr=rate(number))


def batches_of(case: Case) -> Iterator[torch.Tensor]:
    """Yield the rows of each step, in a new order every epoch."""
    for _ in range(case.steps // BATCHES):
        yield from torch.randperm(BATCHES * case.batch).split(case.batch)


def with_loader(case: Case, trials: int) -> None:
    """Train one trial after the other, each over a DataLoader."""
    dataset = TensorDataset(*data(case))
    for number in range(trials):
        model, optimizer = trial(case, number)
        loader, step = DataLoader(dataset, batch_size=case.batch, shuffle=True), 0
        while step < case.steps:
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                step += 1


def by_hand(case: Case, trials: int) -> None:
    """Train one trial after the other, the batches sliced from the tensors."""
    x, y = data(case)
    for number in range(trials):
        model, optimizer = trial(case, number)
        for rows in batches_of(case):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()


@dataclass
class Spent:
    """Seconds of the processor, all threads together, and of the clock on the wall."""

    processor: float
    wall: float

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.processor - other.processor, self.wall - other.wall)


def now() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def as_array(case: Case) -> tuple[Spent, Spent, Choice]:
    """Train all trials as one array; return the time with the probe, without it, and what the probe chose."""
    started = now()
    x, y = data(case)
    members = []
    for number in range(case.trials):
        model, optimizer = trial(case, number)
        members.append(Member(model=model, optimizer=optimizer, loss=F.cross_entropy, seed=number))
    built = now()
    array, choice = choose(members, x[: case.batch], y[: case.batch], planned_steps=case.steps)
    probed = now()
    for rows in batches_of(case):
        array.step(x[rows], y[rows])
    ended = now()
    whole = ended - started
    return whole, whole - (probed - built), choice


def timed(work: Callable[[], None], times: float) -> Spent:
    started = now()
    work()
    spent = now() - started
    return Spent(spent.processor * times, spent.wall * times)


def measured(case: Case, rounds: int, share: int) -> None:
    """Print the table of one case. The loops train `share` trials and count for all: their time is in proportion."""
    found: dict[str, list[Spent]] = {"DataLoader": [], "by hand": [], "array, probe included": [], "array": []}
    times, choice = case.trials / share, None
    short = replace(case, steps=BATCHES, trials=2)
    with_loader(short, 1)  # what is done once in a process belongs to none of them
    by_hand(short, 1)
    as_array(short)
    for _ in range(rounds):
        found["DataLoader"].append(timed(lambda: with_loader(case, share), times))
        found["by hand"].append(timed(lambda: by_hand(case, share), times))
        whole, alone, choice = as_array(case)
        found["array, probe included"].append(whole)
        found["array"].append(alone)
    assert choice is not None
    print(f"\n{case.name}: {case.trials} trials of {case.steps} steps, {torch.get_num_threads()} threads")
    print(f"  the probe: {choice.lane}; {choice.reason}")
    print(f"  {'':24}{'trials/s':>10}{'cpu s':>9}{'wall s':>9}{'cpu ratio to (a), (b)':>26}{'wall':>16}")
    cpu = {name: statistics.median(spent.processor for spent in values) for name, values in found.items()}
    wall = {name: statistics.median(spent.wall for spent in values) for name, values in found.items()}
    for name in found:
        ratios = [
            f"{spent['DataLoader'] / spent[name]:.1f}, {spent['by hand'] / spent[name]:.1f}" for spent in (cpu, wall)
        ]
        speed = case.trials / cpu[name]
        print(f"  {name:24}{speed:>10.1f}{cpu[name]:>9.2f}{wall[name]:>9.2f}{ratios[0]:>26}{ratios[1]:>16}")


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=int, default=8, help="trials that the loops train, counted for all")
    parser.add_argument("--case", type=int, choices=range(len(CASES)), help="this one alone")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for number, case in enumerate(CASES):
        if options.case in (None, number):
            measured(case, options.rounds, options.share)
    return 0


if __name__ == "__main__":
    sys.exit(main())
