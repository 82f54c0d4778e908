"""Speed: time per step of the loop that people write, of `tw.fit`, and of the libraries that are installed beside it.

All ways train the same network on the same data, in turn, round after round in one process on one thread; a ratio is
taken within a round, so that what slows a round down slows all of it. Time is the thread's own, not the clock on the
wall. Evaluations are not counted. A table, no verdict: a timing that failed a test would fail on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from pathlib import Path

import torch

import speed_peers
from speed_cases import CASES, Case
from speed_ways import Timed, by_fit, by_hand

BY_HAND = "by hand"
OURS: dict[str, Timed] = {BY_HAND: by_hand, "fit, doctor off": by_fit("off"), "fit, doctor light": by_fit("light")}


def measure(case: Case, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the time per step of each way, one for each round; a round takes about `seconds` for each."""
    ways = OURS | (speed_peers.installed() if case.peers else {})
    data = case.make(case.samples)
    torch.manual_seed(0)
    for timed in ways.values():  # the first use of everything, imports included, is not measured
        timed(case, data, 1)
    epochs = max(1, round(seconds / max(by_hand(case, data, 1), 1e-3)))
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, timed in ways.items():
            found[name].append(timed(case, data, epochs) / (epochs * case.updates))
    print(f"{case.name}: {epochs * case.updates} updates in each of {rounds} rounds, medians", flush=True)
    print(f"  {'':<24}{'us per update':>14}{'of by hand':>12}{'lowest':>9}{'highest':>9}")
    for name, times in found.items():
        ratios = [own / hand for own, hand in zip(times, found[BY_HAND], strict=True)]
        median = statistics.median(times) * 1e6
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"  {name:<24}{median:>14,.0f}{middle:>12.2f}{low:>9.2f}{high:>9.2f}", flush=True)
    return found


def main() -> int:
    """Measure each case, print its table, and write all figures where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long the loop by hand takes in a round")
    parser.add_argument("--only", default="", help="cases whose name begins so, separated by commas")
    parser.add_argument("--write", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds must be at least 1, and --seconds above 0")
    torch.set_num_threads(1)
    asked = tuple(options.only.split(","))
    figures = {
        case.name: measure(case, options.rounds, options.seconds) for case in CASES if case.name.startswith(asked)
    }
    if options.write:
        about = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        options.write.write_text(json.dumps({"about": about, "seconds_per_update": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
