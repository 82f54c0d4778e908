"""What scaling out would cost: the tables of docs/scaling.md, from constants measured here and a simulation.

    python benchmarks/plan.py            # prints the tables; about a minute
    python benchmarks/plan.py --write    # and puts them into docs/scaling.md

What is measured on this machine, what is simulated and what is taken from data sheets is said with every number.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing

from plan_events import Search, simulate_search, straggling
from trainwright.records import Plan
from trainwright.records.study import Trial
from trainwright.search.arena import State
from trainwright.search.course import search
from trainwright.search.space import checked, log_uniform

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
DEVICES = (8, 64, 256, 1024)
STOPS = 3
"""Rungs of a chunk, the last stop included."""
LINKS = {"NVLink 4": 450.0, "InfiniBand 400G": 50.0, "Ethernet 25G": 3.1}
"""Gigabytes a second and direction, from data sheets."""
SIZES = {"118 k": 1.18e5, "11 M": 1.1e7, "124 M": 1.24e8, "1.3 B": 1.3e9, "7 B": 7e9, "70 B": 7e10}
DEVICE_GB = 80.0


class Instant:
    """An arena that trains nothing, so that only the store is measured."""

    def start(self, trials: Sequence[Trial]) -> None:
        """Begin."""

    def advance(self, numbers: Sequence[int], steps: int) -> Mapping[int, float]:
        """Return scores that mean nothing."""
        return {number: number * 0.618 % 1 for number in numbers}

    def why(self, number: int) -> str:
        """Return nothing."""
        return ""

    def drop(self, numbers: Collection[int]) -> None:
        """Forget."""

    def state(self) -> State:
        """Return nothing."""
        return State()

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        """Begin."""


def store_seconds(store: str | None, trials: int = 2560) -> float:
    """Return the seconds of the store for one stop of a chunk of 64, measured over a whole search."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(sampler="sobol", budget=81, trials=trials, rounds=3, chunk=64, seed=0)
        url = None if store is None else store.format(folder=folder)
        started = time.perf_counter()
        search(Instant(), plan, checked({"lr": log_uniform(1e-4, 1e-1)}), folder=Path(folder) / "s", store=url)
        return (time.perf_counter() - started) / (trials / 64) / (STOPS + 1)


def _reduce(rank: int, port: int, results: Any) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    values = torch.ones(2**22)
    for _ in range(2):
        torch.distributed.all_reduce(values)
    started = time.perf_counter()
    for _ in range(5):
        torch.distributed.all_reduce(values)
    if rank == 0:
        results.put(5 * values.nbytes / (time.perf_counter() - started) / 1e9)
    torch.distributed.destroy_process_group()


def gloo_rate(port: int = 29731) -> float:
    """Return the gigabytes a second that two processes here all-reduce by gloo."""
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(_reduce, args=(port, results), nprocs=2)
    return results.get()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def search_table(hold: float) -> str:
    """Return how searches of 100,000 trials go on more and more devices."""
    rows = []
    for seconds in (10.0, 600.0):
        for chunk in (64, 8):
            for devices in DEVICES:
                share = chunk / 64
                one = Search(
                    devices=devices, trials=100_000, rounds=3, chunk=chunk, seconds=seconds * share, spread=0.3,
                    stops=STOPS, hold=hold * (0.25 + 0.75 * share),
                )  # fmt: skip
                found = simulate_search(one)
                hours = f"{found.seconds / 3600:.2f}"
                shares = [f"{100 * value:.0f} %" for value in (found.busy, found.waiting, found.idle, found.store)]
                rows.append([f"{seconds:g} s", f"{chunk}", f"{devices:,}", hours, *shares])
    head = ["64 trials take", "in a chunk", "devices", "hours", "work", "queue", "idle", "store in use"]
    return table(head, rows)


def straggler_table() -> str:
    """Return the share of time that devices work where each step waits for the slowest."""
    cases = {
        "2 % spread": (0.02, 0.0, 0.0),
        "5 % spread": (0.05, 0.0, 0.0),
        "2 % spread, 1 step in 1,000 takes twice as long": (0.02, 1e-3, 1.0),
    }
    rows = [
        [name, *(f"{100 * straggling(devices, *case):.0f} %" for devices in DEVICES)] for name, case in cases.items()
    ]
    return table(["step times of one device", *(f"{devices:,} devices" for devices in DEVICES)], rows)


def strategy_table() -> str:
    """Return what a model takes and sends: fp32 weights and gradients, Adam's two moments, N devices."""
    rows = []
    for name, parameters in SIZES.items():
        state = 16 * parameters / 1e9
        ddp, fsdp = 2 * 4 * parameters / 1e9, 3 * 4 * parameters / 1e9
        fits = state < 0.5 * DEVICE_GB
        fewest = 1 if fits else 2 ** max(1, int(torch.tensor(state / (0.5 * DEVICE_GB)).log2().ceil()))
        strategy = "one device; trials side by side" if parameters < 1e7 else "ddp" if fits else f"fsdp from {fewest}"
        times = [f"{1000 * (ddp if fits else fsdp) / rate:,.1f} ms" for rate in LINKS.values()]
        rows.append([name, f"{state:,.2f} GB", strategy, f"{ddp:,.3f} GB", f"{fsdp:,.3f} GB", *times])
    head = ["parameters", "state", "strategy", "ddp sends", "fsdp sends", *(f"over {name}" for name in LINKS)]
    return table(head, rows)


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    hold, sql, gloo = store_seconds(None), store_seconds("sqlite:///{folder}/s.db"), gloo_rate()
    constants = table(
        ["measured here, on 2 cores", "value"],
        [
            ["a stop of a chunk of 64, folder", f"{1000 * hold:.1f} ms"],
            ["a stop of a chunk of 64, SQLite", f"{1000 * sql:.1f} ms"],
            ["all-reduce of 16 MiB, 2 processes, gloo", f"{gloo:.2f} GB/s"],
        ],
    )
    tables = {
        "constants": constants,
        "search": search_table(hold),
        "stragglers": straggler_table(),
        "strategy": strategy_table(),
    }
    for name, text in tables.items():
        print(f"\n{name}\n\n{text}")
    if asked.write:
        page = PAGE.read_text(encoding="utf-8")
        for name, text in tables.items():
            begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
            before, _, rest = page.partition(begin)
            page = f"{before}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}"
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
