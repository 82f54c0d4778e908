"""Overhead: time per step of a hand-written PyTorch loop, of `tw.fit` without the doctor, and with it watching.

A table, no verdict: a timing that failed a test would fail on a busy machine. Evaluations are not counted.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

import trainwright as tw

BATCH, SAMPLES, RATE, DECAY, CLIP = 64, 6400, 3e-4, 0.01, 1.0
STEPS_PER_EPOCH = SAMPLES // BATCH

Data = tuple[torch.Tensor, torch.Tensor]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )  # 26 122 parameters: so small that what surrounds the mathematics shows


def by_hand(data: Data, epochs: int) -> float:
    """Train the way one writes it down, with the same numbers; return the seconds of all steps."""
    x, y = data
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    planned, step, losses = epochs * STEPS_PER_EPOCH, 0, []
    model.train()
    started = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(SAMPLES).split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / planned))
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            losses.append(loss.item())
            step += 1
    return time.perf_counter() - started


def by_fit(level: str) -> Callable[[Data, int], float]:
    """Return the same by `tw.fit` with the doctor at `level`."""

    def timed(data: Data, epochs: int) -> float:
        run = tw.fit(
            network(),
            data,
            data,
            loss="cross_entropy",
            epochs=epochs,
            batch_size=BATCH,
            lr=RATE,
            weight_decay=DECAY,
            clip_norm=CLIP,
            schedule="cosine",
            level=level,
            device="cpu",
            evaluate_every_steps=epochs * STEPS_PER_EPOCH,
        )
        # Two evaluations are on record; one more of the same size, on what was learnt from, is not.
        return run.outcome.seconds - 1.5 * sum(record.seconds for record in run.history.evals)

    return timed


WAYS: dict[str, Callable[[Data, int], float]] = {
    "by hand": by_hand,
    "fit, doctor off": by_fit("off"),
    "fit, doctor light": by_fit("light"),
}


def main() -> int:
    """Measure every way in turn, `--rounds` times over, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    parser.add_argument("--epochs", type=int, default=30, help=f"epochs of {STEPS_PER_EPOCH} steps in a measurement")
    options = parser.parse_args()
    if options.rounds < 1 or options.epochs < 1:
        parser.error("--rounds and --epochs must be at least 1")
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, 64, generator=generator)
    data = x, (x @ torch.randn(64, 10, generator=generator)).argmax(1)
    for timed in WAYS.values():  # the first use of everything, imports included, is not measured
        timed(data, 1)
    rounds = [{name: timed(data, options.epochs) for name, timed in WAYS.items()} for _ in range(options.rounds)]
    steps = options.epochs * STEPS_PER_EPOCH
    print(f"64-128-128-10, batch {BATCH}, AdamW, 1 thread; {steps} steps, {options.rounds} rounds, medians")
    print(f"{'':<20}{'us per step':>12}{'of by hand':>12}{'lowest':>9}{'highest':>9}")
    for name in WAYS:
        # A ratio within each round: what slowed the whole round down slowed both sides of it.
        ratios = [times[name] / times["by hand"] for times in rounds]
        median = statistics.median(times[name] for times in rounds) / steps * 1e6
        print(f"{name:<20}{median:>12.0f}{statistics.median(ratios):>12.2f}{min(ratios):>9.2f}{max(ratios):>9.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
