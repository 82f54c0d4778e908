"""Text: trains a decoder of nanoGPT's small recipe by this library and by nanoGPT's own loop, and compares both.

Four layers, four heads, width 128, context 64, 2,000 steps on 12 windows each, on the characters of tiny Shakespeare;
the last tenth of the text validates. Both run in turn, each in a process of its own with as many threads, as often as
asked. A table, no verdict on time: one that failed a test would fail on a busy machine.

    python benchmarks/text.py --data input.txt --nanogpt DIR     # a checkout of github.com/karpathy/nanoGPT

Exit status: 0 every loss of ours is at most the target; 1 one is not; 2 wrong usage, or something could not be run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from trainwright import Recipe
from trainwright.data.load import load
from trainwright.data.text import TextBatches
from trainwright.records import StepRecord
from trainwright.stages.train import train

TARGET = 1.80
CONTEXT, BATCH, LAYERS, HEADS, WIDTH = 64, 12, 4, 4, 128
NANOGPT_FLAGS = (
    "--device=cpu --compile=False --eval_iters=20 --log_interval=100 --dropout=0.0 --dataset=benchmark "
    f"--block_size={CONTEXT} --batch_size={BATCH} --n_layer={LAYERS} --n_head={HEADS} --n_embd={WIDTH}"
).split()
NANOGPT_FILES = ("train.py", "model.py", "configurator.py", "config/train_shakespeare_char.py")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One training: loss on the whole validation split, median seconds of a step, and what its process took."""

    loss: float
    step_seconds: float
    seconds: float
    cpu_seconds: float


def recipe(data: Path, steps: int, seed: int, threads: int) -> Recipe:
    """Return our recipe: nanoGPT's sizes, our numbers for what is learned how fast."""
    return Recipe.of(
        {
            "data": {"source": str(data.resolve()), "context": CONTEXT, "validation": 0.1, "test": 0.0},
            "model": {"name": "transformer", "layers": LAYERS, "heads": HEADS, "width": WIDTH, "dropout": 0.0},
            "optimizer": {"name": "adamw", "lr": 3e-3, "beta2": 0.99, "weight_decay": 0.1},
            "schedule": {"name": "linear", "warmup": 0.05},
            "train": {"steps": steps, "batch_size": BATCH, "seed": seed, "threads": threads},
        }
    )


class Clock:
    """An observer that keeps the time from one step's record to the next."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def observe(self, record: Any) -> None:
        """Take the time of a step."""
        if isinstance(record, StepRecord):
            self.marks.append(time.perf_counter())

    def finish(self, outcome: Any) -> None:
        """Nothing is left to do."""

    @property
    def step_seconds(self) -> float:
        """The median of a step, with all that lies between two of them."""
        return statistics.median(np.diff(self.marks).tolist())


def train_ours(options: argparse.Namespace) -> dict[str, float]:
    """Train by this library, in this process."""
    clock = Clock()
    run = train(recipe(options.data, options.steps, options.seed, options.threads), watchers=[clock])
    return {"loss": run.outcome.best["validation"]["loss"], "step_seconds": clock.step_seconds}


def ours(options: argparse.Namespace, seed: int) -> Result:
    """Train by this library, in a process of its own."""
    arguments = ["--data", options.data, "--steps", options.steps, "--threads", options.threads, "--seed", seed]
    command = [sys.executable, __file__, *map(str, arguments)]
    output, seconds, cpu_seconds = timed(command, options.threads, None)
    return Result(**json.loads(output.splitlines()[-1]), seconds=seconds, cpu_seconds=cpu_seconds)


def nanogpt(options: argparse.Namespace, seed: int) -> Result:
    """Train by nanoGPT's own loop, in a copy of the files that it needs; its seed is its own, the same every time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in NANOGPT_FILES:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(options.nanogpt / file, folder / file)
        write_nanogpt_data(options.data, folder / "data" / "benchmark")
        steps = [f"--max_iters={options.steps}", f"--lr_decay_iters={options.steps}", "--out_dir=out"]
        command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *NANOGPT_FLAGS, *steps]
        output, seconds, cpu_seconds = timed(command, options.threads, folder)
        found = re.findall(r"^iter (\d+): .* time ([\d.]+)ms", output, re.MULTILINE)
        times = [float(milliseconds) / 1e3 for step, milliseconds in found if int(step) > 0]
        return Result(
            loss=nanogpt_loss(folder, options.data),
            step_seconds=statistics.median(times),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
        )


def write_nanogpt_data(text: Path, folder: Path) -> None:
    """Write what nanoGPT's prepare.py makes of a text."""
    characters = sorted(set(content := text.read_text(encoding="utf-8")))
    ids = {character: place for place, character in enumerate(characters)}
    tokens = np.array([ids[character] for character in content], dtype=np.uint16)
    folder.mkdir(parents=True)
    divide = int(len(tokens) * 0.9)
    tokens[:divide].tofile(folder / "train.bin")
    tokens[divide:].tofile(folder / "val.bin")
    meta = {"vocab_size": len(characters), "itos": dict(enumerate(characters)), "stoi": ids}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))


def nanogpt_loss(folder: Path, data: Path) -> float:
    """Return the loss of the checkpoint that nanoGPT kept, its best, on the whole validation split."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nanogpt_model"] = module
    spec.loader.exec_module(module)
    kept = torch.load(folder / "out" / "ckpt.pt", map_location="cpu", weights_only=True)
    model = module.GPT(module.GPTConfig(**kept["model_args"]))
    model.load_state_dict(kept["model"])
    model.eval()
    split = load(str(data.resolve()), context=CONTEXT, validation=0.1, test=0.0).validation
    assert split is not None
    total = 0.0
    with torch.no_grad():
        for x, y in TextBatches(split, batch_size=BATCH, seed=0).in_order():
            logits, _ = model(x, y)  # without targets it gives the last place alone
            total += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
    return total / split.y.numel()


def timed(command: Sequence[str], threads: int, folder: Path | None) -> tuple[str, float, float]:
    """Run a command; return its output and the seconds it took, by the clock and of the processor."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, seconds, used


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare training on a text with nanoGPT's own loop.")
    parser.add_argument("--data", type=Path, required=True, help="the text, such as tiny Shakespeare's input.txt")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT; without, ours is measured alone")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is trained; ours with seeds 0, 1, ...")
    parser.add_argument("--steps", type=int, default=2000, help="optimizer steps of each training")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)  # train ours in this process, and print as JSON
    options = parser.parse_args(arguments)
    if min(options.rounds, options.steps, options.threads) < 1:
        parser.error("--rounds, --steps and --threads must be at least 1")
    if not options.data.is_file():
        parser.error(f"--data {options.data} is no file")
    missing = [file for file in NANOGPT_FILES if options.nanogpt and not (options.nanogpt / file).is_file()]
    if missing:
        parser.error(f"--nanogpt {options.nanogpt} has no {missing[0]}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    options = parse(arguments)
    if options.seed is not None:
        print(json.dumps(train_ours(options)))
        return 0
    ways: dict[str, Callable[[argparse.Namespace, int], Result]] = {"ours": ours}
    if options.nanogpt:
        ways = {"nanoGPT": nanogpt, **ways}
    results: dict[str, list[Result]] = {name: [] for name in ways}
    print(f"{'':<10}{'round':>6}{'validation loss':>17}{'ms a step':>11}{'seconds':>9}{'CPU seconds':>13}")
    for number in range(options.rounds):
        for name, way in ways.items():
            try:
                result = way(options, number)
            except RuntimeError as problem:
                print(f"error: {name} could not be run: {problem}", file=sys.stderr)
                return 2
            results[name].append(result)
            line = f"{name:<10}{number:>6}{result.loss:>17.4f}{result.step_seconds * 1e3:>11.1f}"
            print(f"{line}{result.seconds:>9.0f}{result.cpu_seconds:>13.0f}", flush=True)
    if len(ways) == 2:
        for what in ("step_seconds", "seconds", "cpu_seconds"):
            medians = [statistics.median(getattr(result, what) for result in results[name]) for name in ways]
            print(f"median {what.replace('_', ' ')}, ours to nanoGPT's: {medians[1] / medians[0]:.2f}")
    worst = max(result.loss for result in results["ours"])
    print(f"ours: {worst:.4f} at most, target {TARGET:.2f}")
    return 0 if worst <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
