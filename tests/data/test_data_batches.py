from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data import batches as module
from trainwright.data.batches import Batches, batches_of, is_pair
from trainwright.data.dataset import Split
from trainwright.errors import DataError, UsageError


def numbered(count: int) -> Split:
    x = torch.arange(count, dtype=torch.float32).unsqueeze(1)
    return Split(x=x, y=torch.arange(count), name="train", digest="")


def ids(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


@given(count=st.integers(1, 80), batch_size=st.integers(1, 90), seed=st.integers(0, 99), epoch=st.integers(0, 50))
@settings(deadline=None)
def test_an_epoch_holds_each_sample_once(count: int, batch_size: int, seed: int, epoch: int) -> None:
    batches = Batches(numbered(count), batch_size=batch_size, seed=seed)
    seen = list(batches.epoch(epoch))
    assert sorted(torch.cat([y for _, y in seen]).tolist()) == list(range(count))
    assert all(torch.equal(x[:, 0].long(), y) for x, y in seen)
    assert len(seen) == batches.steps_per_epoch
    assert batches.samples == count


@given(count=st.integers(2, 80), batch_size=st.integers(2, 90))
@settings(deadline=None)
def test_no_batch_is_a_single_sample(count: int, batch_size: int) -> None:
    sizes = [len(y) for _, y in Batches(numbered(count), batch_size=batch_size, seed=0).epoch(0)]
    assert min(sizes) > 1
    assert set(sizes[:-1]) <= {batch_size}
    assert sizes[-1] <= batch_size + 1


def test_a_batch_size_of_one_is_kept() -> None:
    assert [len(y) for _, y in Batches(numbered(3), batch_size=1, seed=0).epoch(0)] == [1, 1, 1]


def test_the_order_does_not_depend_on_what_happened_in_between() -> None:
    batches = Batches(numbered(20), batch_size=6, seed=5)
    plain = [ids(list(batches.epoch(epoch))) for epoch in range(3)]
    disturbed = []
    for epoch in (0, 1, 2):
        torch.rand(3)
        list(batches.in_order())
        batches.take(4)
        disturbed.append(ids(list(batches.epoch(epoch))))
    assert plain == disturbed
    assert plain[0] != plain[1]
    assert ids(list(batches.epoch(1))) == plain[1]


def test_batches_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    batches = Batches(numbered(20), batch_size=6, seed=5)
    list(batches.epoch(0))
    list(batches.in_order())
    batches.take(4)
    assert torch.equal(state, torch.get_rng_state())


def test_gathering_at_once_or_by_batch_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = ids(list(Batches(numbered(33), batch_size=4, seed=1).epoch(2)))
    monkeypatch.setattr(module, "_GATHER_BYTES", 0)
    monkeypatch.setattr(module, "_RESIDENT_BYTES", 0)
    assert ids(list(Batches(numbered(33), batch_size=4, seed=1).epoch(2))) == gathered


def test_evaluation_keeps_the_order_of_the_source() -> None:
    batches = Batches(numbered(700), batch_size=8, seed=0)
    assert [len(y) for _, y in batches.in_order()] == [512, 188]
    assert torch.cat([y for _, y in batches.in_order(100)]).tolist() == list(range(700))


def test_evaluation_batches_of_large_samples_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVALUATION_BYTES", 40)
    assert len(next(Batches(numbered(700), batch_size=3, seed=0).in_order())[1]) == 10


def test_a_model_that_works_in_place_cannot_change_the_data() -> None:
    split = numbered(10)
    batches = Batches(split, batch_size=5, seed=0)
    for x, _ in [*batches.epoch(0), *batches.in_order(), batches.take(3)]:
        x.fill_(-1)
    assert torch.equal(split.x, numbered(10).x)
    assert torch.equal(next(batches.in_order())[0], numbered(10).x)


def test_the_reference_sample_is_random_and_always_the_same() -> None:
    batches = Batches(numbered(100), batch_size=5, seed=0)
    first = batches.take(10)[1].tolist()
    assert batches.take(10)[1].tolist() == first
    assert first != list(range(10))
    assert batches.take(20)[1].tolist()[:10] == first
    assert len(batches.take(1000)[1]) == 100


@pytest.mark.parametrize("batch_size", [0, -3])
def test_an_empty_batch_is_refused(batch_size: int) -> None:
    with pytest.raises(UsageError, match="at least one sample"):
        Batches(numbered(3), batch_size=batch_size, seed=0)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        Batches(numbered(0), batch_size=2, seed=0)


def test_a_pair_is_used_as_given() -> None:
    tokens, y = torch.arange(12).reshape(4, 3), torch.rand(4)
    x, target = batches_of((tokens, y), batch_size=2, seed=0).take(4)
    assert x.dtype == torch.int64
    assert target.shape == (4,)
    double = batches_of((torch.rand(4, 2, dtype=torch.float64), y), batch_size=2, seed=0)
    assert double.take(1)[0].dtype == torch.float64


def test_numpy_and_lists_become_what_models_expect() -> None:
    x, y = batches_of((np.eye(4), np.arange(4)), batch_size=2, seed=0).take(4)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    x, y = batches_of([[[0.0, 1.0], [2.0, 3.0]], [0, 1]], batch_size=2, seed=0).take(4)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


def test_two_batches_in_a_list_are_not_taken_for_a_pair() -> None:
    two = [(torch.zeros(3, 2), torch.zeros(3)), (torch.ones(2, 2), torch.ones(2))]
    stream = batches_of(two, batch_size=8, seed=0)
    assert (stream.samples, stream.steps_per_epoch) == (5, 2)


def test_lists_of_single_numbers_are_a_pair_not_two_batches() -> None:
    numbers = [torch.tensor(1.0), torch.tensor(2.0)]
    assert is_pair((numbers, numbers))
    assert is_pair(([np.float32(1), np.float32(2)], [0, 1]))
    x, y = batches_of((numbers, [torch.tensor(0), torch.tensor(1)]), batch_size=2, seed=0).take(2)
    assert sorted(zip(x.tolist(), y.tolist(), strict=True)) == [(1.0, 0), (2.0, 1)]
    assert not is_pair([(torch.zeros(1), torch.zeros(1))] * 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(3, 1), torch.zeros(2)), "differ in length"),
        ((torch.zeros(0, 1), torch.zeros(0)), "empty"),
        ((torch.zeros(3, 0), torch.zeros(3)), "empty"),
        (("a", "b"), "tensor of numbers"),
        ((torch.tensor(1.0), torch.tensor(1.0)), "single number"),
        (7, "neither a pair"),
    ],
)
def test_what_is_no_data_is_refused(data: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batches_of(data, batch_size=2, seed=0)
