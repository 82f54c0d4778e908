"""Numerics: what bfloat16, activation checkpointing and torch.compile cost and gain, beside plain float32.

Every way runs in a process of its own, in turn, round after round; a ratio is taken within a round, so that what slows
the whole round down slows both sides of it. Milliseconds are those of the one processor that computes, not those in
which it works for others. A table, no verdict: a timing that failed a test would fail on a busy
machine. "tensors" is the peak of live tensors (a compiled graph's own are not seen), "process" the growth of the
process's memory, where freed memory is given back at once (see `give_back_freed_memory`; --keep for the C library's
own way). Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

import torch

from memory import MIB, adamw, data, network, process_peak
from trainwright.parts import losses
from trainwright.training.activations import checkpointing
from trainwright.training.compiling import compile_model
from trainwright.training.precision import Precision
from trainwright.vitals.memory import give_back_freed_memory, measure_peak

WAYS = ("plain float32", "bfloat16", "checkpointing", "torch.compile")
SIZES = {"transformer": 32, "cnn": 48}


def measure(name: str, way: str, steps: int) -> dict[str, float]:
    """Return milliseconds a step (the median), and the peaks of tensors and process in bytes."""
    torch.manual_seed(0)
    model = network(name)
    optimizer = adamw(model)
    precision = Precision("bf16" if way == "bfloat16" else "fp32")
    batch = data(name, SIZES[name])
    forward = compile_model(model, batch[0]).forward if way == "torch.compile" else model

    def step() -> None:
        with precision.autocast():
            output = forward(batch[0])
        loss = losses.cross_entropy(precision.full(output), batch[1])
        loss.backward()
        del output, loss
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    with checkpointing(model) if way == "checkpointing" else nullcontext():
        for _ in range(2):  # the optimizer's state, and what is compiled or loaded at first use
            step()
        process = process_peak(lambda: [step() for _ in range(2)])
        seconds = []
        for _ in range(steps):
            started = time.process_time()
            step()
            seconds.append(time.process_time() - started)
        tensors = measure_peak(step) if way != "torch.compile" else 0
    return {"milliseconds": 1000 * statistics.median(seconds), "tensors": tensors, "process": process}


def run(name: str, way: str, steps: int, keep: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", name, way, "--steps", str(steps), *(["--keep"] if keep else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def print_table(name: str, rounds: list[dict[str, dict[str, float]]]) -> None:
    head = f"{'':<16}{'ms/step':>9}{'of plain':>10}{'lowest':>8}{'highest':>9}"
    print(f"{name}, batch {SIZES[name]}\n{head}{'tensors':>10}{'of plain':>10}{'process':>10}{'of plain':>10}")
    for way in WAYS:
        line = f"{way:<16}"
        for figure, unit in (("milliseconds", 1.0), ("tensors", MIB), ("process", MIB)):
            values = [seen[way][figure] for seen in rounds]
            ratios = [seen[way][figure] / seen[WAYS[0]][figure] for seen in rounds]
            if not any(values):
                line += f"{'-':>10}{'-':>10}"
                continue
            line += (
                f"{statistics.median(values) / unit:>{9 if unit == 1.0 else 10}.1f}{statistics.median(ratios):>10.2f}"
            )
            if figure == "milliseconds":
                line += f"{min(ratios):>8.2f}{max(ratios):>9.2f}"
        print(line, flush=True)


def main() -> int:
    """Measure every way in turn, `--rounds` times over, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    parser.add_argument("--steps", type=int, default=10, help="steps of a measurement")
    parser.add_argument("--keep", action="store_true", help="let the C library keep freed memory, as it does by itself")
    parser.add_argument("--case", nargs=2, metavar=("NETWORK", "WAY"), help="measure one, print JSON")
    options = parser.parse_args()
    if options.rounds < 1 or options.steps < 1:
        parser.error("--rounds and --steps must be at least 1")
    torch.set_num_threads(1)
    if options.case:
        if not options.keep:
            give_back_freed_memory()
        name, way = options.case
        print(json.dumps(measure(name, way, options.steps)))
        return 0
    print(f"AdamW, 1 thread, {options.rounds} rounds of {options.steps} steps, medians; MiB")
    for name in SIZES:
        print_table(
            name,
            [{way: run(name, way, options.steps, options.keep) for way in WAYS} for _ in range(options.rounds)],
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
