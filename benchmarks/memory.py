"""Memory: what a training step is forecast to take, what its tensors take, and what the process takes.

The process is measured as the C library behaves by itself ("process"), and where it gives freed blocks back at once
("gives back"); each case runs in processes of its own. A table, no verdict: what a process takes depends on the
machine's libraries. Linux only, since elsewhere the peak of a process cannot be set back.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn

from trainwright.parts import losses, models
from trainwright.records import DataShape
from trainwright.report.model_text import bytes_text
from trainwright.training.activations import checkpointing
from trainwright.vitals.forecast import forecast
from trainwright.vitals.memory import give_back_freed_memory, measure_peak
from trainwright.vitals.step_plan import Batch, StepPlan, without_data

CLASSES, TOKENS, MIB = 10, 200, 2**20

IMAGE = DataShape(input_shape=(3, 32, 32), outputs=CLASSES, task="classification")
NETWORKS: dict[str, tuple[str, DataShape, dict[str, float | str | bool]]] = {
    "mlp": ("mlp", DataShape(input_shape=(256,), outputs=CLASSES, task="classification"), {"width": 512, "depth": 8}),
    "cnn": ("cnn", IMAGE, {"width": 16, "depth": 3}),
    "residual": ("resnet", IMAGE, {"width": 16, "depth": 2, "stages": 3}),
    "transformer": (
        "transformer",
        DataShape(input_shape=(64,), outputs=TOKENS, task="classification", vocabulary=TOKENS),
        {"width": 128, "layers": 4, "heads": 4},
    ),
}
SIZES = {"mlp": (512, 4096), "cnn": (32, 128), "residual": (32, 128), "transformer": (16, 96)}


def network(name: str) -> nn.Module:
    kind, shape, options = NETWORKS[name]
    return models.build(kind, shape, options)


def data(name: str, count: int) -> Batch:
    shape = NETWORKS[name][1]
    if shape.vocabulary is not None:
        return torch.randint(0, TOKENS, (count, *shape.input_shape)), torch.randint(
            0, TOKENS, (count, *shape.input_shape)
        )
    return torch.randn(count, *shape.input_shape), torch.randint(0, CLASSES, (count,))


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def step_of(model: nn.Module, plan: StepPlan, optimizer: torch.optim.Optimizer, batch: Batch) -> Callable[[], None]:
    """Return a training step that leaves no gradient behind."""

    def step() -> None:
        output, loss = plan.forward(model, *batch)
        loss.backward()
        del output, loss
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def process_peak(work: Callable[[], object]) -> int:
    """Return the most bytes of memory that this process takes while `work` runs, beyond what it takes now."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not serve the work unseen
    now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is taken now
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - now


def measure(name: str, size: int, recompute: bool) -> dict[str, int]:
    """Return the figures of one case, in bytes: forecast and measured tensors, and the growth of the process."""
    plan = StepPlan(loss=losses.cross_entropy, optimizer=adamw, recompute=checkpointing if recompute else None)
    expected = forecast(network(name), plan, data(name, 1), size)
    model = network(name)
    optimizer = adamw(model)
    with checkpointing(model) if recompute else nullcontext():
        step_of(model, plan, optimizer, data(name, 4))()  # the state, and what the libraries load at first use
        grown = process_peak(lambda: [step() for step in [step_of(model, plan, optimizer, data(name, size))] * 2])
        peak = measure_peak(step_of(model, plan, optimizer, data(name, size)))
    there = expected.parameters + expected.buffers + expected.optimizer_state
    return {"forecast": expected.total, "tensors": peak, "added": expected.total - there, "process": grown}


def absurd() -> str:
    """Return what a model that no machine can hold is forecast to take, and what the forecast itself took."""
    shape = DataShape(input_shape=(64,), outputs=CLASSES, task="classification")
    batch = torch.zeros(1, 64), torch.zeros(1, dtype=torch.long)
    plan = StepPlan(loss=losses.cross_entropy, optimizer=adamw)
    seen: list[int] = []

    def look() -> None:
        model = without_data(lambda: models.build("mlp", shape, {"width": 65_536, "depth": 1000}))
        seen.append(forecast(model, plan, batch, 64).total)

    forecast(network("mlp"), plan, data("mlp", 1), 2)  # what torch imports on the way
    grown = process_peak(look)
    return f"mlp of 1,000 layers of 65,536 units: {bytes_text(seen[0])}, forecast with {bytes_text(grown)} of memory"


def print_case(name: str, size: int, recompute: str) -> None:
    command = [sys.executable, __file__, "--case", name, str(size), recompute]
    plain, giving = (
        json.loads(subprocess.run([*command, *more], check=True, capture_output=True, text=True).stdout)
        for more in ([], ["--give-back"])
    )
    expected, peak, beyond, process = (plain[key] / MIB for key in ("forecast", "tensors", "added", "process"))
    given = giving["process"] / MIB
    line = f"{name:<13}{size:>6}  {'again' if recompute == 'yes' else 'kept':<12}{expected:>10.1f}{peak:>10.1f}"
    line += f"{expected / peak:>7.2f}{beyond:>10.1f}{process:>10.1f}{given:>12.1f}{beyond / given:>7.2f}"
    print(line, flush=True)


def main() -> int:
    """Measure every case in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=3, metavar=("NETWORK", "SIZE", "RECOMPUTE"), help="measure one, print JSON")
    parser.add_argument("--give-back", action="store_true", help="with --case: give freed memory back at once")
    parser.add_argument("--absurd", action="store_true", help="forecast a model that no machine can hold, and no more")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.case:
        name, size, recompute = options.case
        if options.give_back:
            give_back_freed_memory()
        print(json.dumps(measure(name, int(size), recompute == "yes")))
        return 0
    if options.absurd:
        print(absurd())
        return 0
    print("a training step with AdamW, 1 thread; MiB; 'beyond': without parameters and optimizer state")
    head = f"{'network':<13}{'batch':>6}  {'activations':<12}{'forecast':>10}{'tensors':>10}{'ratio':>7}"
    print(f"{head}{'beyond':>10}{'process':>10}{'gives back':>12}{'ratio':>7}")
    for name, sizes in SIZES.items():
        for size in sizes:
            for recompute in ("no", "yes"):
                print_case(name, size, recompute)
    subprocess.run([sys.executable, __file__, "--absurd"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
