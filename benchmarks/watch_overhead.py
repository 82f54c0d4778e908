"""What watching costs: the same hand-written loop with and without `tw.watch()`, in turn, in one process.

Prints, for each network, the median over the rounds of the ratio of process times, watched over plain, and the share of
memory that the watcher holds at the end. Each round trains both, in changing order, from the same weights.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import nn

import trainwright as tw

Step = Callable[[], None]


def mlp() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a network whose step takes about a millisecond on one thread."""
    net = nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    x = torch.randn(4096, 64)
    return net, x, x[:, :10].argmax(1)


def cnn() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a small convolutional network on 3 x 16 x 16 images."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )
    x = torch.randn(1024, 3, 16, 16)
    return net, x, x[:, 0, 0, :10].argmax(1)


class Transformer(nn.Module):
    """Two layers over 32 tokens, classified by their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 10)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits `(n, 10)` of tokens `(n, length)`."""
        return self.head(self.encoder(self.embedding(tokens)).mean(1))


def transformer() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a small transformer."""
    tokens = torch.randint(50, (1024, 32))
    return Transformer(), tokens, tokens[:, 0] % 10


NETWORKS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}


def train(make: Callable[[], tuple[nn.Module, torch.Tensor, torch.Tensor]], steps: int, *, watched: bool) -> float:
    """Return the process seconds of a loop of `steps` steps of 64 samples, with all that surrounds it."""
    torch.manual_seed(0)
    net, x, y = make()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    started = time.process_time()
    with tw.watch(quiet=True) if watched else nullcontext():
        for step in range(steps):
            start = 64 * step % len(x)
            loss = criterion(net(x[start : start + 64]), y[start : start + 64])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return time.process_time() - started


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a plain run takes, about")
    parser.add_argument("--only", choices=sorted(NETWORKS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'network':<14} {'ms a step':>9} {'steps':>6} {'ratio':>7} {'least':>7} {'most':>7} {'memory':>8}")
    for name, make in NETWORKS.items():
        if options.only not in (None, name):
            continue
        train(make, 20, watched=True)
        each = train(make, 100, watched=False) / 100
        steps = max(100, int(options.seconds / each))
        ratios = []
        for turn in range(options.rounds):
            order = (False, True) if turn % 2 else (True, False)
            seconds = {watched: train(make, steps, watched=watched) for watched in order}
            ratios.append(seconds[True] / seconds[False])
            gc.collect()
        tracemalloc.start()
        train(make, 200, watched=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{name:<14} {1000 * each:>9.2f} {steps:>6} {statistics.median(ratios):>7.3f} {min(ratios):>7.3f} "
            f"{max(ratios):>7.3f} {peak / 2**20:>6.1f}MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
