"""The gradient check beside torch.autograd.gradcheck and a plain loop over entries, on a network of 1,715 numbers.

All check every entry of the same float64 network, from the same samples, in turn, round after round in one process. 4
samples are what `gradcheck` takes by itself; the more there are, the more of the time is arithmetic, which grows for us
as for the others. A ratio is taken within a round, so that what slows the round down slows all of it. Milliseconds are
of the processor, in one thread, not of the clock on the wall, of which others on the machine take what they like. A
table, no verdict: a timing that failed a test would fail on a busy machine.
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

from trainwright.checks.gradcheck import gradcheck

NAMES = ("trainwright", "torch.autograd.gradcheck", "plain loop")
SAMPLES = (4, 16, 32)


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

    def ours() -> None:
        check = gradcheck(model, "cross_entropy", (x, y), samples=len(x))
        if not check.ok or check.confidence < 1 or check.samples != len(x):
            raise RuntimeError("every entry should be compared from every sample, and sound")

    def torchs() -> None:
        torch.autograd.gradcheck(loss, leaves, eps=1e-5, fast_mode=False)

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

    return dict(zip(NAMES, (ours, torchs, loop), strict=True))


def timed(way: Callable[[], object]) -> float:
    """Return the milliseconds that a way takes: the mean of as many times as fill a fifth of a second."""
    started, times = time.process_time(), 0
    while times == 0 or time.process_time() - started < 0.2:
        way()
        times += 1
    return 1000 * (time.process_time() - started) / times


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
        for samples in SAMPLES:
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
