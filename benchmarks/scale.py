"""One training on 1, 2 and 4 processes of this machine: samples a second, the efficiency, and where a step goes.

Each process has one thread, so that more processes have more of the machine, up to its cores. The global batch stays
the same (strong scaling), or grows with the processes (weak scaling). "own" is the median time that a rank works by
itself in a step, data and forward pass; "bytes" is what a rank sends in a step for the gradients alone, in theory: of a
ring, 2 (n - 1) / n times the gradient. On fewer cores than processes the table shows what sharing a core costs.

    python benchmarks/scale.py --ranks 1 2 4 --steps 60
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH, WARM_UP = 256, 10
MODELS = {"small": (64, 128), "large": (256, 1024)}  # inputs, width
WAYS = (("ddp", "strong"), ("ddp", "weak"), ("fsdp", "strong"))


def work(model: str, strategy: str, batch: int, steps: int, output: Path) -> None:
    """Train as one of the processes that torchrun has started, or alone; rank 0 writes what it took."""
    import torch
    from torch import nn

    import trainwright as tw

    torch.set_num_threads(1)
    inputs, width = MODELS[model]
    x = torch.randn(batch * 8, inputs, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    layers = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)]
    run = tw.fit(
        nn.Sequential(*layers),
        (x, x[:, :10].argmax(1)),
        loss="cross_entropy",
        batch_size=batch,
        steps=steps,
        level="off",
        verify="off",
        strategy=strategy,
        threads=1,
    )
    if os.environ.get("RANK", "0") != "0":
        return
    events = [event.detail["seconds"] for event in run.history.events if event.name == "ranks-times"]
    own = [statistics.median(each) for each in zip(*events, strict=True)] if events else []
    seconds = [record.seconds for record in run.history.steps[WARM_UP:]]
    parameters = sum(weight.numel() for weight in run.model.parameters())
    output.write_text(json.dumps({"step": statistics.median(seconds), "own": own, "parameters": parameters}))


def measured(ranks: int, words: list[str], output: Path) -> dict[str, object]:
    """Return what one training in `ranks` processes took."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    command = [sys.executable, *launcher, __file__, "--work", *words, str(output)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads(output.read_text())


def main() -> None:
    """Measure every way, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=70)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--work", nargs=5, metavar="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        model, strategy, batch, steps, output = asked.work
        work(model, strategy, int(batch), int(steps), Path(output))
        return
    began = time.perf_counter()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{cores} cores, one thread a process, load {os.getloadavg()[0]:.1f}; {asked.steps} steps each\n")
    head = ("model", "way", "ranks", "batch", "ms/step", "samples/s", "speed-up", "efficiency", "own ms", "MB/step")
    print("".join(f"{word:>14}" if place > 1 else f"{word:<14}" for place, word in enumerate(head)))
    with tempfile.TemporaryDirectory() as folder:
        for model in asked.models:
            for strategy, way in WAYS:
                base = 0.0
                for ranks in asked.ranks:
                    batch = BATCH * (ranks if way == "weak" else 1)
                    words = [model, strategy, str(batch), str(asked.steps)]
                    found = measured(ranks, words, Path(folder) / "found.json")
                    step = float(str(found["step"]))
                    rate = batch / step
                    base = base or rate / ranks
                    own = found["own"]
                    said = f"{1e3 * max(own):.2f}" if isinstance(own, list) and own else "-"
                    sent = 4e-6 * float(str(found["parameters"])) * 2 * (ranks - 1) / ranks
                    if strategy == "fsdp":
                        sent *= 1.5  # the parameters are gathered twice, and the gradients are divided once
                    row = (model, f"{strategy} {way}", ranks, batch, f"{1e3 * step:.2f}", f"{rate:,.0f}")
                    row += (f"{rate / base:.2f}", f"{rate / base / ranks:.0%}", said, f"{sent:.2f}")
                    print("".join(f"{word!s:>14}" if place > 1 else f"{word!s:<14}" for place, word in enumerate(row)))
                    sys.stdout.flush()
    print(f"\n{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
