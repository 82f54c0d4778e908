from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, TensorDataset

from trainwright.data import streams
from trainwright.data.batches import StreamBatches, batches_of
from trainwright.errors import DataError

Pair = tuple[torch.Tensor, torch.Tensor]


def dataset(count: int = 20) -> TensorDataset:
    return TensorDataset(torch.arange(count, dtype=torch.float32).unsqueeze(1), torch.arange(count))


def ids(batches: Iterator[Pair]) -> list[int]:
    return torch.cat([y for _, y in batches]).tolist()


class Augmented(torch.utils.data.Dataset[Pair]):
    """Draws from the global generator for every sample, as random crops do."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Pair:
        return torch.rand(2) + np.random.rand(), torch.tensor(index)


@pytest.mark.parametrize("own_generator", [False, True])
def test_a_shuffling_loader_repeats_its_epochs_exactly(own_generator: bool) -> None:
    own = torch.Generator() if own_generator else None
    batches = batches_of(DataLoader(dataset(), batch_size=6, shuffle=True, generator=own), batch_size=99, seed=3)
    first = [ids(batches.epoch(epoch)) for epoch in range(3)]
    torch.rand(5)
    list(batches.in_order())
    assert [ids(batches.epoch(epoch)) for epoch in (2, 0, 1)] == [first[2], first[0], first[1]]
    assert first[0] != first[1]
    assert sorted(first[0]) == list(range(20))
    other = batches_of(DataLoader(dataset(), batch_size=6, shuffle=True, generator=own), batch_size=99, seed=4)
    assert ids(other.epoch(0)) != first[0]


def test_the_consumers_randomness_does_not_reach_the_loader() -> None:
    batches = StreamBatches(DataLoader(Augmented(), batch_size=4, shuffle=True), seed=1)
    quiet = [x for x, _ in batches.epoch(0)]
    noisy = []
    for x, _ in batches.epoch(0):
        noisy.append(x)
        torch.manual_seed(0)
        np.random.rand(3)
    assert all(torch.equal(one, other) for one, other in zip(quiet, noisy, strict=True))


def test_the_callers_generators_are_left_alone() -> None:
    np.random.seed(3)
    torch_state = torch.get_rng_state()
    batches = StreamBatches(DataLoader(Augmented(), batch_size=4, shuffle=True), seed=1)
    list(batches.epoch(0))
    batches.take(5)
    list(batches.in_order())
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.random.rand() == np.random.RandomState(3).rand()


@pytest.mark.parametrize(("drop_last", "samples", "steps"), [(False, 20, 4), (True, 18, 3)])
def test_a_loader_is_asked_for_its_length(drop_last: bool, samples: int, steps: int) -> None:
    batches = StreamBatches(DataLoader(dataset(), batch_size=6, drop_last=drop_last), seed=0)
    assert (batches.samples, batches.steps_per_epoch, batches.batch_size) == (samples, steps, 6)
    assert sum(len(y) for _, y in batches.epoch(0)) == samples


class Chunks:
    """A re-iterable that does not know its length."""

    def __iter__(self) -> Iterator[Pair]:
        for size in (4, 4, 3):
            yield torch.zeros(size, 2), torch.zeros(size)


class Stream(IterableDataset[Pair]):
    def __iter__(self) -> Iterator[Pair]:
        return iter([(torch.zeros(2), torch.tensor(0))] * 7)


def test_what_does_not_know_its_length_is_counted() -> None:
    batches = StreamBatches(Chunks(), seed=0)
    assert (batches.samples, batches.steps_per_epoch, batches.batch_size) == (11, 3, 4)
    streamed = StreamBatches(DataLoader(Stream(), batch_size=4), seed=0)
    assert (streamed.samples, streamed.steps_per_epoch) == (7, 2)


def test_the_reference_sample_is_the_same_at_every_call() -> None:
    batches = StreamBatches(DataLoader(dataset(), batch_size=6, shuffle=True), seed=0)
    first = batches.take(8)[1].tolist()
    assert len(first) == 8
    assert batches.take(8)[1].tolist() == first
    assert len(batches.take(100)[1]) == 20


@pytest.mark.parametrize(
    "once", [(pair for pair in [(torch.zeros(1), torch.zeros(1))]), iter([]), zip([1], [2], strict=True)]
)
def test_a_one_shot_iterator_is_refused(once: object) -> None:
    with pytest.raises(DataError, match="once only"):
        StreamBatches(once, seed=0)


@pytest.mark.parametrize(
    ("item", "evidence"),
    [
        ({"x": 1}, "dict"),
        ((torch.zeros(2),), "tuple of Tensor"),
        ((torch.zeros(2), "a"), "tuple of Tensor, str"),
        ((torch.zeros(2, 1), torch.zeros(3)), r"shape \(2, 1\), y \(3,\)"),
        ((torch.tensor(0.0), torch.tensor(0.0)), "shape"),
        (torch.zeros(2, 2), "Tensor"),
    ],
)
def test_what_is_no_pair_is_named_with_its_place(item: object, evidence: str) -> None:
    good = (torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(DataError, match=f"batch 2(.|\n)*{evidence}"):
        StreamBatches([good, good, item, good], seed=0)


def test_empty_data_and_single_samples_are_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        StreamBatches([], seed=0)
    with pytest.raises(DataError, match="wrap it: DataLoader"):
        batches_of(dataset(), batch_size=2, seed=0)


class Opened(DataLoader[Any]):
    """Counts how many passes were begun."""

    passes = 0

    def __iter__(self) -> Any:
        type(self).passes += 1
        return super().__iter__()


def test_a_batch_sampler_and_a_list_are_counted_without_a_pass() -> None:
    sampler = BatchSampler(range(20), 6, False)
    batches = StreamBatches(Opened(dataset(), batch_sampler=sampler), seed=0)
    assert (batches.samples, batches.steps_per_epoch, batches.batch_size, batches.smallest) == (20, 4, 6, 2)
    assert Opened.passes == 0
    listed = StreamBatches([(torch.zeros(3, 1), torch.zeros(3)), (torch.zeros(1, 1), torch.zeros(1))], seed=0)
    assert (listed.samples, listed.steps_per_epoch, listed.batch_size, listed.smallest) == (4, 2, 3, 1)


@pytest.mark.parametrize(("drop_last", "smallest"), [(False, 2), (True, 6)])
def test_the_smallest_batch_of_a_loader_is_known(drop_last: bool, smallest: int) -> None:
    assert StreamBatches(DataLoader(dataset(), batch_size=6, drop_last=drop_last), seed=0).smallest == smallest
    assert StreamBatches(DataLoader(dataset(5), batch_size=6), seed=0).smallest == 5


class Endless:
    """Batches without an end, which may claim one."""

    def __iter__(self) -> Iterator[Pair]:
        return ((torch.zeros(2, 1), torch.zeros(2)) for _ in itertools.count())


class Claiming(Endless):
    def __len__(self) -> int:
        return 2


def test_what_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ENDLESS_BATCHES", 30)
    with pytest.raises(DataError, match=r"do not end(.|\n)*30 batches(.|\n)*__len__"):
        StreamBatches(Endless(), seed=0)
    monkeypatch.setattr(streams, "ENDLESS_SECONDS", 0.0)
    with pytest.raises(DataError, match="gave 1 batches"):
        StreamBatches(Endless(), seed=0)
    with pytest.raises(DataError, match=r"more batches than they say(.|\n)*is 2, and 129"):
        StreamBatches(Claiming(), seed=0)


class Once:
    """Can be read once, and does not look so."""

    def __init__(self) -> None:
        self.rest = iter([(torch.zeros(2, 1), torch.zeros(2))] * 3)

    def __iter__(self) -> Iterator[Pair]:
        return self.rest


def test_what_can_be_read_once_only_is_told_when_a_pass_gives_nothing() -> None:
    batches = StreamBatches(Once(), seed=0)
    assert batches.steps_per_epoch == 3
    for read in (lambda: list(batches.epoch(0)), lambda: batches.take(2)):
        with pytest.raises(DataError, match="read once only"):
            read()


class Failing:
    """Cannot be read beyond its second batch."""

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[Pair]:
        yield from [(torch.zeros(2, 1), torch.zeros(2))] * 2
        raise OSError("disk gone\nand more")


def test_what_a_loader_raises_is_told_with_its_batch_and_kept_as_the_cause() -> None:
    with pytest.raises(DataError, match="at batch 2: OSError: disk gone") as caught:
        StreamBatches(Failing(), seed=0)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ((torch.zeros(2, 1, dtype=torch.float64), torch.zeros(2)), "inputs(.|\n)*float64 in batch 1, float32"),
        ((torch.zeros(2, 1), torch.zeros(2).long()), "targets(.|\n)*int64 in batch 1, float32"),
        ((torch.zeros(2, 1, device="meta"), torch.zeros(2)), "x of batch 1 has a shape and no numbers"),
        ((torch.zeros(2, 1).to_sparse(), torch.zeros(2)), "x of batch 1 is no dense tensor"),
        ((torch.zeros(0, 1), torch.zeros(0)), "there are no samples(.|\n)*batch 1"),
    ],
    ids=["inputs", "targets", "meta", "sparse", "empty"],
)
def test_a_batch_that_cannot_follow_the_first_is_named(second: Pair, words: str) -> None:
    with pytest.raises(DataError, match=words):
        list(StreamBatches([(torch.zeros(2, 1), torch.zeros(2)), second], seed=0).epoch(0))


def test_arrays_of_float64_become_float32_and_tensors_stay() -> None:
    x = np.zeros((2, 1))
    assert next(StreamBatches([(x, np.zeros(2, dtype=np.int64))], seed=0).epoch(0))[0].dtype == torch.float32
    assert next(StreamBatches([(torch.from_numpy(x), torch.zeros(2))], seed=0).epoch(0))[0].dtype == torch.float64


@pytest.mark.filterwarnings("ignore:a data worker died")
@pytest.mark.parametrize(
    "sign",
    [
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
        ConnectionResetError(104, "reset by peer"),
    ],
    ids=["torch", "pipe"],
)
def test_data_workers_that_die_again_and_again_are_named(sign: Exception) -> None:
    class Dying:
        alive = True

        def __iter__(self) -> Iterator[Any]:
            yield torch.zeros(2, 3), torch.zeros(2)
            if not self.alive:
                raise sign

    data = Dying()
    stream = StreamBatches(data, seed=0)
    data.alive = False
    with pytest.raises(DataError, match="a data worker died 4 times, and its pass cannot go on") as told:
        list(stream.epoch(0))
    assert "at batch 1" in told.value.evidence
    assert "num_workers=0" in told.value.remedy
    with pytest.raises(DataError, match="a data worker died, and its pass cannot go on"):
        StreamBatches(data, seed=0)
