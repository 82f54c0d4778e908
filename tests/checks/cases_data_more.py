"""Planted faults that only a look at all of the data shows, each beside its fixed twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from cases_data import CLASSES, Pair, blobs, held_out, loader, subject
from checks_cases import Case
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of


def late(value: float, *, batched: bool = True) -> Subject:
    """Return a subject with one value far behind what the checks look at first."""
    x, y = blobs(1200)
    x[1111, 4] = value
    return subject(loader((x, y)) if batched else (x, y))


def quantities(value: float, *, place: int = 5, batched: bool = False, count: int = 1200) -> Subject:
    """Return a regression one of whose targets has a value."""
    x, _ = blobs(count)
    y = x[:, :1] * 0.5
    y[place] = value
    with isolated(0):
        model = nn.Linear(x.shape[1], 1)
    return subject_of(model, "mse", loader((x, y)) if batched else (x, y))


class Items(Dataset[Pair]):
    """Points of which one cannot be read, has another type, or is none."""

    def __init__(self, fault: str = "", data: Pair | None = None) -> None:
        self.fault, self.data = fault, data or blobs(640)

    def __len__(self) -> int:
        return len(self.data[0])

    def __getitem__(self, place: int) -> Any:
        x, y = self.data[0][place], self.data[1][place]
        if place == 500 and self.fault == "raises":
            raise OSError("sample_500.png is truncated")
        return (x.double() if place >= 512 and self.fault == "type" else x), y


class Batched:
    """Batches of an own loader: one after the other, once only, ever fewer, or with an empty one in the middle."""

    def __init__(self, fault: str = "", *, told: bool = True) -> None:
        x, y = blobs(640)
        self.batches = list(zip(x.split(32), y.split(32), strict=True))
        self.fault, self.once, self.told = fault, iter(self.batches), told

    def __len__(self) -> int:
        if not self.told:
            raise TypeError("nobody knows")
        return len(self.batches)

    def __iter__(self) -> Iterator[Pair]:
        if self.fault == "once":
            return self.once
        batches = list(self.batches)
        if self.fault == "empty":
            batches[12] = (batches[12][0][:0], batches[12][1][:0])
        return iter(batches)


class Streamed(IterableDataset[Pair]):
    """Points of which nobody knows how many there are."""

    def __init__(self, value: float) -> None:
        self.data = blobs(1200)
        self.data[0][1111, 4] = value

    def __iter__(self) -> Iterator[Pair]:
        yield from zip(*self.data, strict=True)


def normalised(count: int) -> Subject:
    """Return a network with batch normalisation beside a list of batches of 32, of which the last holds the rest."""
    x, y = blobs(count)
    with isolated(0):
        model = nn.Sequential(nn.Linear(x.shape[1], 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))
    return subject_of(model, "cross_entropy", list(zip(x.split(32), y.split(32), strict=True)))


def copied(copies: int, *, labels: int = 0, batched: bool = False) -> Subject:
    """Return points of which the first come again, with their labels moved on by some."""
    x, y = blobs()
    x, y = torch.cat([x, x[:copies]]), torch.cat([y, (y[:copies] + labels) % CLASSES])
    return subject(loader((x, y), shuffle=True) if batched else (x, y))


def _case(name: str, check: str, kind: str, sick: Any, fixed: Any) -> Case:
    return Case(name=name, check=check, kind=kind, sick=sick, fixed=fixed)


NAN, INF = float("nan"), float("inf")
UNREADABLE = "data-unreadable"
CASES: list[Case] = [
    _case("NaN late in a loader", "inputs", "non-finite-input", lambda: late(NAN), lambda: late(0.0)),
    _case(
        "infinity late in data in memory",
        "inputs",
        "non-finite-input",
        lambda: late(INF, batched=False),
        lambda: late(0.0, batched=False),
    ),
    _case(
        "NaN late in a stream of unknown length",
        "inputs",
        "non-finite-input",
        lambda: subject(loader(Streamed(NAN))),
        lambda: subject(loader(Streamed(0.0))),
    ),
    _case(
        "one target is NaN", "targets-finite", "non-finite-targets", lambda: quantities(NAN), lambda: quantities(0.0)
    ),
    _case(
        "one target late in a loader is infinite",
        "targets-finite",
        "non-finite-targets",
        lambda: quantities(INF, place=1190, batched=True),
        lambda: quantities(0.0, place=1190, batched=True),
    ),
    _case(
        "a sample in the middle cannot be read",
        "data-readable",
        UNREADABLE,
        lambda: subject(loader(Items("raises"))),
        lambda: subject(loader(Items())),
    ),
    _case(
        "validation of which a sample cannot be read",
        "data-readable",
        UNREADABLE,
        lambda: subject(blobs(), loader(Items("raises", held_out(640)))),
        lambda: subject(blobs(), loader(Items("", held_out(640)))),
    ),
    _case(
        "batches of different types",
        "data-readable",
        UNREADABLE,
        lambda: subject(loader(Items("type"))),
        lambda: subject(loader(Items())),
    ),
    _case(
        "a batch without samples in the middle",
        "data-readable",
        UNREADABLE,
        lambda: subject(Batched("empty", told=False)),
        lambda: subject(Batched(told=False)),
    ),
    _case(
        "a loader that can be read once",
        "data-readable",
        UNREADABLE,
        lambda: subject(Batched("once", told=False)),
        lambda: subject(Batched(told=False)),
    ),
    _case(
        "a last batch of one sample, and batch normalisation",
        "data-readable",
        "batch-norm-tiny-batch",
        lambda: normalised(97),
        lambda: normalised(98),
    ),
    _case(
        "a twentieth of the samples again",
        "duplicates",
        "duplicate-samples",
        lambda: copied(20),
        lambda: copied(0),
    ),
    _case(
        "a tenth of the samples of a loader again, with other labels",
        "duplicates",
        "duplicate-samples",
        lambda: copied(40, labels=1, batched=True),
        lambda: copied(0, batched=True),
    ),
]
