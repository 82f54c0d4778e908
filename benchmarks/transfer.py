"""Transfer: what weights from some classes are worth on others, by how few samples of those there are.

A small CNN is pretrained on classes 0 to 4 of Fashion-MNIST, and then trained on classes 5 to 9 from 10 to 100 samples
a class: from scratch, with its body frozen, with all of it learning (earlier layers at lower rates), and freed layer by
layer. Test accuracy over the 5 000 test images of these classes, mean and range over the seeds.

Exit status: 0 the best pretrained way is ahead with the fewest samples; 1 it is not; 2 the data are missing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import trainwright as tw
from trainwright.data.files import ROOT_VARIABLE
from trainwright.data.load import load
from trainwright.errors import DataError
from trainwright.parts import models
from trainwright.randomness import isolated, permutation
from trainwright.records import DataShape

RESULTS = Path(__file__).resolve().parent / "results"
SIZES = (10, 20, 50, 100)
"""Samples a class."""
PRETRAINED_ON = 2_000
"""Samples a class of the first five, over which the body is trained for three epochs."""
STEPS = 200
BATCH = 32
RATE = 3e-3
HEAD_RATE = 3e-2
"""The rate of every method, but of a head that learns alone: chosen beforehand and for all sizes, since who has ten
samples of a class has none left to choose by."""
METHODS: Mapping[str, Mapping[str, Any]] = {
    "from scratch": {},
    "body frozen": {"start": "", "freeze": ["body"], "lr": HEAD_RATE},
    "all of it": {"start": "", "layer_decay": 0.7},
    "freed gradually": {"start": "", "unfreeze": "gradual"},
}

Pair = tuple[torch.Tensor, torch.Tensor]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(description="Tune on few samples of new classes, against training from scratch.")
    parser.add_argument("--data-root", metavar="DIR", help=f"where the data sets lie; else ${ROOT_VARIABLE}")
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="repeat with seeds 0 to N - 1")
    options = parser.parse_args(arguments)
    try:
        dataset = load("fashion-mnist", validation=0.0, data_root=options.data_root)
    except DataError as problem:
        print(f"data missing: {problem}", file=sys.stderr)
        return 2
    assert dataset.test is not None
    train, test = (dataset.train.x, dataset.train.y), (dataset.test.x, dataset.test.y)
    torch.set_num_threads(1)
    found: dict[str, dict[int, list[float]]] = {method: {size: [] for size in SIZES} for method in METHODS}
    began = time.process_time()
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as place:
            body = pretrained(first_classes(train), seed, Path(place) / "pretrained")
            for size in SIZES:
                few = last_classes(train, size, seed)
                for method, settings in METHODS.items():
                    value = tuned(few, last_classes(test), seed, settings, body)
                    found[method][size].append(value)
                    print(f"seed {seed}  {size:>3} a class  {method:<16} {value:.4f}", flush=True)
    minutes = (time.process_time() - began) / 60
    print(table(found))
    print(f"{minutes:.1f} CPU minutes")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "transfer.json").write_text(json.dumps({"accuracy": found, "cpu_minutes": minutes}, indent=1))
    fewest = {method: statistics.fmean(values[SIZES[0]]) for method, values in found.items()}
    scratch = fewest.pop("from scratch")
    return 0 if max(fewest.values()) > scratch else 1


def network(seed: int) -> nn.Module:
    """Return the small CNN of the catalogue, as `seed` draws it."""
    shape = DataShape(input_shape=(1, 28, 28), outputs=5, task="classification")
    with isolated(seed, "initialisation"):
        return models.build("cnn", shape, {"width": 8})


def pretrained(data: Pair, seed: int, folder: Path) -> Path:
    """Train on the first classes, and return the folder of the run."""
    tw.fit(
        network(seed), data, folder=folder, seed=seed, epochs=3, batch_size=64, lr=RATE, verify="off", threads=1,
        recipe={"doctor": {"level": "off"}},
    )  # fmt: skip
    return folder


def tuned(few: Pair, test: Pair, seed: int, settings: Mapping[str, Any], body: Path) -> float:
    """Return the accuracy on `test` after training on `few` in one way."""
    settings = {"lr": RATE, **settings}
    if "start" in settings:
        settings |= {"start": str(body), "start_head": "new"}
    run = tw.fit(
        network(100 + seed), few, seed=seed, steps=STEPS, batch_size=BATCH, verify="off", threads=1,
        evaluate_every_steps=STEPS, recipe={"doctor": {"level": "off"}}, **settings,
    )  # fmt: skip
    run.model.eval()
    with torch.no_grad():
        guesses = torch.cat([run.model(part).argmax(1) for part in test[0].split(500)])
    return float((guesses == test[1]).double().mean())


def first_classes(data: Pair) -> Pair:
    """Return samples of classes 0 to 4, so many of each."""
    return chosen(data, range(5), PRETRAINED_ON, seed=0)


def last_classes(data: Pair, size: int | None = None, seed: int = 0) -> Pair:
    """Return samples of classes 5 to 9, called 0 to 4: `size` of each as `seed` draws them, or all."""
    x, y = chosen(data, range(5, 10), size, seed)
    return x, y - 5


def chosen(data: Pair, classes: Sequence[int], size: int | None, seed: int) -> Pair:
    """Return `size` samples of each class, all where None."""
    order = permutation(seed, 1, len(data[0]))
    labels = data[1][order]
    rows = torch.cat([order[labels == label][:size] for label in classes])
    return data[0][rows], data[1][rows]


def table(found: Mapping[str, Mapping[int, Sequence[float]]]) -> str:
    """Return the accuracies as a table: mean, and from the worst to the best seed."""
    lines = [f"{'test accuracy':<18}" + "".join(f"{f'{size} a class':>24}" for size in SIZES)]
    for method, values in found.items():
        cells = [
            f"{statistics.fmean(values[size]):.3f} ({min(values[size]):.3f} to {max(values[size]):.3f})"
            for size in SIZES
        ]
        lines.append(f"{method:<18}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
