"""The gradient check beside torch.autograd.gradcheck and a plain loop over entries, on a network of 1,715 numbers.

All check every entry of the same float64 network, in turn, round after round in one process: torch's and the loop on
the whole batch, as they do; ours on as many samples as it takes by itself ("default"), and on all. A ratio is taken
within a round, so that what slows the round down slows all of it. Milliseconds are wall-clock. A table, no verdict: a
timing that failed a test would fail on a busy machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from trainwright.checks.gradcheck import SAMPLES, gradcheck

NAMES = ("trainwright, default", "trainwright, all samples", "torch.autograd.gradcheck", "plain loop")


def network(activation: type[nn.Module]) -> nn.Module:
    """Return 20 -> 30 -> 30 -> 5: 1,715 numbers."""
    torch.manual_seed(0)
    layers = (nn.Linear(20, 30), activation(), nn.Linear(30, 30), activation(), nn.Linear(30, 5))
    return nn.Sequential(*layers).double()


def ways(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, Callable[[], object]]:
    names = [name for name, _ in model.named_parameters()]
    leaves = tuple(parameter.detach().clone().requires_grad_() for parameter in model.parameters())

    def loss(*given: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(model, dict(zip(names, given, strict=True)), (x,)), y)

    def ours(samples: int = SAMPLES) -> None:
        check = gradcheck(model, "cross_entropy", (x, y), samples=samples)
        if not check.ok or check.confidence < 1:
            raise RuntimeError("every entry should be compared, and sound")

    def loop() -> None:
        found = []
        with torch.no_grad():
            for parameter in model.parameters():
                flat = parameter.view(-1)
                for place in range(len(flat)):
                    flat[place] += 1e-5
                    ahead = F.cross_entropy(model(x), y)
                    flat[place] -= 2e-5
                    found.append(float(ahead - F.cross_entropy(model(x), y)) / 2e-5)
                    flat[place] += 1e-5

    return dict(
        zip(
            NAMES,
            (ours, lambda: ours(len(x)), lambda: torch.autograd.gradcheck(loss, leaves, eps=1e-5), loop),
            strict=True,
        )
    )


def timed(way: Callable[[], object]) -> float:
    started = time.perf_counter()
    way()
    return 1000 * (time.perf_counter() - started)


def main() -> int:
    """Measure every way in turn, `--rounds` times over, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each way is measured")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    torch.set_num_threads(1)
    print(
        f"1,715 numbers, 1 thread, {options.rounds} rounds, medians\n{'':<10}{'samples':>8}  {'way':<26}{'ms':>8}"
        f"{'times ours':>12}{'lowest':>8}{'highest':>9}"
    )
    for activation in (nn.ReLU, nn.Tanh):
        for samples in (4, 16, 32):
            x, y = torch.randn(samples, 20, dtype=torch.float64), torch.randint(0, 5, (samples,))
            each = ways(network(activation), x, y)
            each[NAMES[0]]()  # what is loaded at first use
            rounds = [{name: timed(way) for name, way in each.items()} for _ in range(options.rounds)]
            for name in NAMES:
                middle = statistics.median(seen[name] for seen in rounds)
                ratios = [seen[name] / seen[NAMES[0]] for seen in rounds]
                print(
                    f"{activation.__name__:<10}{samples:>8}  {name:<26}{middle:>8.1f}"
                    f"{statistics.median(ratios):>12.1f}{min(ratios):>8.1f}{max(ratios):>9.1f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
