"""Planted faults of data, each beside its fixed twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from checks_cases import Case
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, TensorDataset, get_worker_info

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of

Pair = tuple[torch.Tensor, torch.Tensor]
FEATURES, CLASSES = 6, 4


def blobs(count: int = 400, *, seed: int = 0) -> Pair:
    """Return standardised points of four classes around different centres, float32 `(count, 6)`, and their ids."""
    with isolated(seed):
        y = torch.randint(CLASSES, (count,))
        x = torch.randn(count, FEATURES) + 2 * nn.functional.one_hot(y, FEATURES)
    return (x - x.mean(0)) / x.std(0), y


def held_out(count: int = 200) -> Pair:
    """Return other points of the same classes."""
    x, y = blobs(count, seed=1)
    return x + 0.01, y  # not standardised by statistics of its own


def subject(data: Any, validation: Any = None, *, features: int = FEATURES, classes: int = CLASSES) -> Subject:
    """Return a small network beside the data."""
    with isolated(0):
        model = nn.Sequential(nn.Flatten(), nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, classes))
    return subject_of(model, "cross_entropy", data, validation=validation)


def loader(data: Pair | Dataset[Any], **options: Any) -> DataLoader[Any]:
    """Return a loader of batches of 32."""
    dataset = data if isinstance(data, Dataset) else TensorDataset(*data)
    return DataLoader(dataset, **{"batch_size": 32, **options})


def _with(change: Callable[[torch.Tensor], torch.Tensor]) -> Subject:
    x, y = blobs()
    return subject((change(x), y))


def _missing(x: torch.Tensor) -> torch.Tensor:
    x[17, 3] = torch.nan
    return x


def _mostly_constant(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[:, :2], torch.ones(len(x), 38)], 1)


def _flattened(change: Callable[[torch.Tensor], torch.Tensor]) -> Subject:
    x, y = blobs()
    wide = change(x)
    return subject((wide, y), features=wide[0].numel())


def _bytes(dtype: torch.dtype, scale: float) -> Subject:
    with isolated(3):
        x = torch.randint(0, 256, (200, 1, 4, 4)).to(dtype) * scale
        y = torch.randint(CLASSES, (200,))
    return subject((x, y), features=16)


def _rare(share: float) -> Subject:
    x, y = blobs(1000)
    with isolated(2):
        kept = (y != 0) | (torch.rand(len(y)) < share)
    return subject((x[kept], y[kept]))


def _contradicted(others: int) -> Subject:
    x, y = blobs()
    again = (y[:40] + others) % CLASSES
    return subject((torch.cat([x, x[:40]]), torch.cat([y, again])))


def _sorted(shuffle: bool) -> Subject:
    x, y = blobs()
    order = y.argsort(stable=True)
    return subject(loader((x[order], y[order]), shuffle=shuffle))


def _long_first_class(shuffle: bool) -> Subject:
    x, _ = blobs(6000)
    return subject(loader((x, torch.arange(6000) // 3000), shuffle=shuffle))


class Order(Sampler[int]):
    """An order drawn at random: anew for every pass, or for every pass the same."""

    def __init__(self, count: int, *, anew: bool) -> None:
        self.count, self.anew = count, anew

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        own = torch.Generator().manual_seed(0)
        yield from torch.randperm(self.count, generator=None if self.anew else own).tolist()


def _ordered(anew: bool) -> Subject:
    data = blobs()
    return subject(loader(data, sampler=Order(len(data[0]), anew=anew)))


def _overlapping(copies: int) -> Subject:
    train, (x, y) = blobs(), held_out()
    x[:copies], y[:copies] = train[0][:copies], train[1][:copies]
    return subject(train, (x, y))


def _rescaled(change: Callable[[torch.Tensor], torch.Tensor]) -> Subject:
    x, y = held_out()
    return subject(blobs(), (change(x), y))


def _own_statistics(x: torch.Tensor) -> torch.Tensor:
    x = x.double() * 1.1 + 0.1
    return ((x - x.mean(0)) / x.std(0)).float()


class Drawn(Dataset[Pair]):
    """Points with noise from a generator: one of its own, numpy's global one, torch's, or none."""

    def __init__(self, source: str, data: Pair | None = None) -> None:
        self.source, self.data = source, data or blobs(96)
        self.own = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.data[0])

    def __getitem__(self, place: int) -> Pair:
        x, y = self.data[0][place], self.data[1][place]
        if self.source == "own":
            return x + torch.from_numpy(self.own.normal(size=FEATURES).astype(np.float32)), y
        if self.source == "numpy":
            return x + torch.from_numpy(np.random.normal(size=FEATURES).astype(np.float32)), y
        if self.source == "flip":
            return x * (1 if np.random.random() < 0.5 else -1), y
        return (x + torch.randn(FEATURES), y) if self.source == "torch" else (x, y)


def same_seed(worker: int) -> None:
    """Seed numpy alike in every worker: the fault."""
    np.random.seed(7)


def reseeded(worker: int) -> None:
    """Seed the generator of the data set from what torch gives this worker alone."""
    info = get_worker_info()
    assert info is not None
    info.dataset.own = np.random.default_rng(info.seed)  # pyright: ignore[reportAttributeAccessIssue]


class Stream(IterableDataset[Pair]):
    """Points one after the other; shared among the workers, or all of them from each."""

    def __init__(self, *, shared: bool) -> None:
        self.shared, self.data = shared, blobs(128)

    def __iter__(self) -> Iterator[Pair]:
        info = get_worker_info() if self.shared else None
        first, step = (info.id, info.num_workers) if info is not None else (0, 1)
        for place in range(first, len(self.data[0]), step):
            yield self.data[0][place], self.data[1][place]


def _workers(dataset: Dataset[Any], **options: Any) -> Subject:
    return subject(loader(dataset, num_workers=2, **options))


def _validation(source: str, **options: Any) -> Subject:
    return subject(blobs(), loader(Drawn(source, held_out()), **options))


CASES: list[Case] = [
    Case(
        name="a missing value",
        check="inputs",
        kind="non-finite-input",
        sick=lambda: _with(_missing),
        fixed=lambda: _with(lambda x: x),
    ),
    Case(
        name="a feature in the thousands beside others near one",
        check="inputs",
        kind="inputs-not-normalised",
        sick=lambda: _with(lambda x: x * torch.tensor([1e5, 1, 1, 1, 1, 1])),
        fixed=lambda: _with(lambda x: x),
    ),
    Case(
        name="bytes as they are",
        check="inputs",
        kind="inputs-not-normalised",
        sick=lambda: _bytes(torch.float32, 1.0),
        fixed=lambda: _bytes(torch.float32, 1 / 255),
    ),
    Case(
        name="bytes divided by 255 twice",
        check="inputs",
        kind="inputs-not-normalised",
        sick=lambda: _bytes(torch.float32, 1 / 255**2),
        fixed=lambda: _bytes(torch.float32, 1 / 255),
    ),
    Case(
        name="nearly all features constant",
        check="inputs",
        kind="constant-features",
        sick=lambda: _flattened(_mostly_constant),
        fixed=lambda: _flattened(lambda x: x.repeat(1, 6)),
    ),
    Case(
        name="every sample the same",
        check="inputs",
        kind="constant-features",
        sick=lambda: _with(lambda x: x[:1].repeat(len(x), 1)),
        fixed=lambda: _with(lambda x: x),
    ),
    Case(
        name="a class thirty times as rare as others",
        check="labels",
        kind="class-imbalance",
        sick=lambda: _rare(0.03),
        fixed=lambda: _rare(0.5),
    ),
    Case(
        name="a tenth of the samples again with another label",
        check="labels",
        kind="labels-unrelated-to-inputs",
        sick=lambda: _contradicted(1),
        fixed=lambda: _contradicted(0),
    ),
    Case(
        name="classes one after the other",
        check="data-order",
        kind="data-not-shuffled",
        sick=lambda: _sorted(False),
        fixed=lambda: _sorted(True),
    ),
    Case(
        name="a first class longer than what is read",
        check="data-order",
        kind="data-not-shuffled",
        sick=lambda: _long_first_class(False),
        fixed=lambda: _long_first_class(True),
    ),
    Case(
        name="a sampler with one order for all epochs",
        check="data-order",
        kind="data-not-shuffled",
        sick=lambda: _ordered(False),
        fixed=lambda: _ordered(True),
    ),
    Case(
        name="a tenth of validation from training",
        check="validation-overlap",
        kind="validation-overlaps-training",
        sick=lambda: _overlapping(20),
        fixed=lambda: _overlapping(0),
    ),
    Case(
        name="one sample of validation from training",
        check="validation-overlap",
        kind="validation-overlaps-training",
        sick=lambda: _overlapping(1),
        fixed=lambda: _overlapping(0),
    ),
    Case(
        name="validation 255 times as large",
        check="validation-preprocessing",
        kind="validation-preprocessed-differently",
        sick=lambda: _rescaled(lambda x: 255 * x),
        fixed=lambda: _rescaled(lambda x: x),
    ),
    Case(
        name="validation in units of its own",
        check="validation-preprocessing",
        kind="validation-preprocessed-differently",
        sick=lambda: _rescaled(lambda x: x * 20 + 100),
        fixed=lambda: _rescaled(lambda x: x),
    ),
    Case(
        name="validation standardised by its own statistics",
        check="validation-preprocessing",
        kind="validation-preprocessed-differently",
        sick=lambda: _rescaled(_own_statistics),
        fixed=lambda: _rescaled(lambda x: x * 1.1 + 0.1),
    ),
    Case(
        name="noise added to validation at every read",
        check="validation-reads",
        kind="validation-reads-differ",
        sick=lambda: _validation("torch"),
        fixed=lambda: _validation("none"),
    ),
    Case(
        name="noise on shuffled validation from a generator of the data set",
        check="validation-reads",
        kind="validation-reads-differ",
        sick=lambda: _validation("own", shuffle=True),
        fixed=lambda: _validation("none", shuffle=True),
    ),
    Case(
        name="workers with copies of one generator",
        check="worker-randomness",
        kind="duplicate-worker-randomness",
        sick=lambda: _workers(Drawn("own")),
        fixed=lambda: _workers(Drawn("own"), worker_init_fn=reseeded),
    ),
    Case(
        name="workers that flip alike, by one seed for numpy",
        check="worker-randomness",
        kind="duplicate-worker-randomness",
        sick=lambda: _workers(Drawn("flip"), worker_init_fn=same_seed),
        fixed=lambda: _workers(Drawn("flip")),
    ),
    Case(
        name="workers that all read the whole stream",
        check="worker-randomness",
        kind="samples-read-twice",
        sick=lambda: _workers(Stream(shared=False)),
        fixed=lambda: _workers(Stream(shared=True)),
    ),
]
