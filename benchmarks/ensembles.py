"""Finishing on Fashion-MNIST: what ensembles, snapshots, averages, soups and a distilled network gain, win or lose.

Two things are measured, and they are not one.

What is promised is the set-up of the papers on deep ensembles (Lakshminarayanan et al. 2017; Fort et al. 2019): five
networks of other seeds, each trained to the end of its schedule, their last weights, no calibration; the NLL on test of
the mean of their probabilities against the mean NLL of the members, both as they are. A part of that gain is that
members trained to the end are too sure of themselves, and their mean is less so: the further the training goes, the
larger the share.

What `finish` does is harder on ensembles: each member is taken at its best epoch on validation, where it is hardly too
sure, and everything is compared after a temperature, which gives a single network for nothing what calibration it
lacked. Each repeat trains one small CNN by `fit`, and `finish` makes all else of it. The table says what is left: that
is what a user has of it. Exit status: 0 the ensemble gains over its mean member, as in the papers, what it must; 1 it
does not; 2 wrong usage, or no data.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import trainwright as tw
from trainwright.data.batches import Batches
from trainwright.data.dataset import Dataset, Split
from trainwright.data.files import ROOT_VARIABLE
from trainwright.ensembles.network import Network
from trainwright.ensembles.pool import Pool, pool_of
from trainwright.ensembles.seeds import Rows, train_rows
from trainwright.parts.losses import cross_entropy
from trainwright.parts.outputs import Form
from trainwright.randomness import isolated
from trainwright.stacked.member import Member
from trainwright.stacked.probe import choose
from trainwright.stages.setup import load_data

MEMBERS = 5
ACCURACY = 0.005
"""What an ensemble of five must gain in accuracy over its mean member ..."""
NLL = 0.15
"""... and the share of the NLL, as it is, that it must take off: one of four takes a quarter on CIFAR-10."""
VALIDATION = 5_000
"""Validation samples: an accuracy is then known to half a percent, and its difference between networks much better."""
METHODS = ("seeds", "snapshots", "ema", "polyak", "swa", "soup", "distil")
Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Data:
    """The parts of the data, as tensors."""

    train: Pair
    validation: Pair
    test: Pair


def cnn() -> nn.Module:
    """A small CNN: 53,578 parameters."""
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 7 * 7, 32), nn.ReLU(), nn.Linear(32, 10))


def mlp() -> nn.Module:
    """A small MLP: 50,890 parameters."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    try:
        data = read(options)
    except tw.TrainwrightError as problem:
        print(f"error: {problem}\nset {ROOT_VARIABLE}=DIR, or pass --data-root DIR", file=sys.stderr)
        return 2
    parts = ", ".join(f"{len(part[0]):,} {name}" for name, part in vars(data).items())
    print(f"Fashion-MNIST: {parts}; {options.epochs} epochs", flush=True)
    if not (options.quick or options.published):
        cost(data)
        order(data, options.repeats)
    found = [published(data, options, seed) for seed in range(options.repeats)]
    accuracy, share = (statistics.fmean(values) for values in zip(*found, strict=True))
    if not options.published:
        used = [repeat(data, options, seed) for seed in range(options.repeats)]
        for name in ("scores", "compared"):
            gains = [[getattr(one[row], name) for row in ("ensemble", "mean")] for one in used]
            more = statistics.fmean(whole.accuracy - mean.accuracy for whole, mean in gains)
            less = statistics.fmean(whole.nll / mean.nll - 1 for whole, mean in gains)
            told = "as they are" if name == "scores" else "after a temperature each"
            gained = f"accuracy {100 * more:+.2f} %, NLL {100 * less:+.1f} %"
            print(f"in finish, members at their best epochs, {told}: {gained}")
    passed = accuracy >= ACCURACY and share >= NLL
    print(f"\nensemble of {MEMBERS} over its mean member, last weights, on test, {options.repeats} repeats: "
          f"accuracy {100 * accuracy:+.2f} % "
          f"(at least {100 * ACCURACY:+.2f} %), NLL {-100 * share:+.1f} % (at most {-100 * NLL:+.0f} %): "
          f"{'pass' if passed else 'FAIL'}")  # fmt: skip
    return 0 if passed else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What finishing gains on Fashion-MNIST, and what it costs.")
    parser.add_argument("--data-root", metavar="DIR", help=f"where the data sets lie; else ${ROOT_VARIABLE}")
    parser.add_argument("--repeats", metavar="N", type=int, default=1, help="whole repeats, with seeds 0 to N - 1")
    parser.add_argument("--samples", metavar="N", type=int, default=6_000, help="training samples")
    parser.add_argument("--epochs", metavar="N", type=int, default=12, help="epochs of every training")
    parser.add_argument("--quick", action="store_true", help="leave the cost of an array and the order of batches out")
    parser.add_argument("--published", action="store_true", help="measure what is promised alone, without finish")
    parser.add_argument("--threads", metavar="N", type=int, default=1)
    return parser.parse_args(arguments)


def read(options: argparse.Namespace) -> Data:
    recipe = tw.Recipe.of({"data": {"source": "fashion-mnist", "validation": 1 / 6}})
    dataset: Dataset = load_data(recipe, options.data_root)
    assert dataset.validation is not None
    assert dataset.test is not None
    some = slice(options.samples)
    return Data(
        train=(dataset.train.x[some], dataset.train.y[some]),
        validation=(dataset.validation.x[:VALIDATION], dataset.validation.y[:VALIDATION]),
        test=(dataset.test.x, dataset.test.y),
    )


def published(data: Data, options: argparse.Namespace, seed: int) -> tuple[float, float]:
    """Return what an ensemble of last weights gains on test over its mean member: accuracy, and a share of the NLL."""
    started = time.perf_counter()
    feed = batches(data.train, seed)
    steps = options.epochs * feed.steps_per_epoch
    rows = train_rows(members(cnn, feed, steps, seed), feed, steps)
    networks = [Network(name=str(place), model=model.eval()) for place, model in enumerate(rows.models)]
    judged = Batches(Split(x=data.test[0], y=data.test[1], name="test", digest=""), batch_size=512, seed=0)
    pool = pool_of(networks, judged, Form(task="classification"))
    whole = pool.scores(torch.full((MEMBERS,), 1 / MEMBERS, dtype=torch.float64))
    each = [pool.scores(share) for share in torch.eye(MEMBERS, dtype=torch.float64)]
    accuracy, nll = (statistics.fmean(getattr(one, name) for one in each) for name in ("accuracy", "nll"))
    assert whole.accuracy is not None
    assert whole.nll is not None
    print(f"repeat {seed}: mean member {100 * accuracy:.2f} %, NLL {nll:.4f}, ensemble {100 * whole.accuracy:.2f} %, "
          f"NLL {whole.nll:.4f}; {time.perf_counter() - started:.0f} s", flush=True)  # fmt: skip
    return whole.accuracy - accuracy, 1 - whole.nll / nll


def repeat(data: Data, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train and finish once, print the table, and return the scores of the ensemble and of its mean member."""
    print(f"\nrepeat {seed}", flush=True)
    started = time.perf_counter()
    with isolated(seed, "model"):
        model = cnn()
    run = tw.fit(model, data.train, data.validation, epochs=options.epochs, lr=3e-3, batch_size=64, seed=seed,
                 level="off", verify="off", threads=options.threads)  # fmt: skip
    print(f"  one run: {time.perf_counter() - started:.0f} s", flush=True)
    ensemble = tw.finish(run, data.validation, test=data.test, train=data.train, model=cnn, methods=METHODS,
                         seeds=MEMBERS, cycles=4, seed=seed,
                         say=lambda text: print(f"  {text}", flush=True))  # fmt: skip
    print(ensemble.report(width=150))
    print(f"  all of it: {time.perf_counter() - started:.0f} s", flush=True)
    gains = ensemble.gains
    return {"ensemble": gains.row(f"ensemble of {MEMBERS}").scores, "mean": gains.row("mean member").scores}


def cost(data: Data) -> None:
    """Print what a step of five members as one array costs, in steps of one of them alone."""
    feed = batches(data.train, 0)
    x, y = next(iter(feed.epoch(0)))
    for name, make in (("MLP", mlp), ("CNN", cnn)):
        _, choice = choose(members(make, feed, 40), x, y)
        ratio = MEMBERS * choice.step_seconds[choice.lane] / choice.step_seconds["loop"]
        print(
            f"{MEMBERS} members, {name}: {ratio:.2f} times the cost of one ({choice.lane}: {choice.reason})", flush=True
        )


def order(data: Data, repeats: int) -> None:
    """Print whether it matters that the members of an array share the order of their batches, on the MLP."""
    judged = Batches(Split(x=data.validation[0], y=data.validation[1], name="", digest=""), batch_size=512, seed=0)
    shared, own = [], []
    for seed in range(3 * repeats):
        feed = batches(data.train, seed)
        steps = 6 * feed.steps_per_epoch
        shared.append(together(train_rows(members(mlp, feed, steps, seed), feed, steps), judged))
        alone = [
            train_rows([member], batches(data.train, 1000 + 10 * seed + place), steps)
            for place, member in enumerate(members(mlp, feed, steps, seed))
        ]
        own.append(together(Rows(**{**vars(alone[0]), "models": tuple(one.models[0] for one in alone)}), judged))
    differences = [one - two for one, two in zip(shared, own, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    print(f"NLL of {MEMBERS} MLPs, {len(shared)} repeats: {statistics.fmean(shared):.4f} in one order of the batches, "
          f"{statistics.fmean(own):.4f} each in its own; difference {statistics.fmean(differences):+.4f} "
          f"with standard error {error:.4f}", flush=True)  # fmt: skip


def together(rows: Rows, judged: Batches) -> float:
    """Return the NLL of the mean of several models."""
    networks = [Network(name=str(place), model=model) for place, model in enumerate(rows.models)]
    pool: Pool = pool_of(networks, judged, Form(task="classification"))
    return pool.loss()(torch.full((len(networks),), 1 / len(networks), dtype=torch.float64))


def members(make: Callable[[], nn.Module], feed: Batches, steps: int, seed: int = 0) -> list[Member]:
    """Return members of other first weights, their rate falling in a straight line."""
    found = []
    for place in range(MEMBERS):
        with isolated(seed, "member", place):
            model = make()
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        found.append(
            Member(model=model, optimizer=optimizer, loss=cross_entropy, rate=lambda step: 1 - step / steps, seed=place)
        )
    return found


def batches(pair: Pair, seed: int) -> Batches:
    """Return the training batches."""
    return Batches(Split(x=pair[0], y=pair[1], name="train", digest=""), batch_size=64, seed=seed)


if __name__ == "__main__":
    sys.exit(main())
