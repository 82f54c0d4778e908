from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data import batches as module
from trainwright.data.arrays import from_arrays
from trainwright.data.batches import Batches, batches_of
from trainwright.data.dataset import Split
from trainwright.data.samplers import (
    balancing_weights,
    class_counts,
    cumulative_weights,
    drawn,
    epoch_order,
    occurrences,
)
from trainwright.errors import DataError, UsageError

CHI_SQUARED_999 = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47}
"""The 99.9 % points of the chi-squared distribution by degrees of freedom."""


def numbered(count: int) -> Split:
    x = torch.arange(count, dtype=torch.float32).unsqueeze(1)
    return Split(x=x, y=torch.arange(count), name="train", digest="")


def rows_of(batches: Batches, epoch: int) -> list[int]:
    return torch.cat([y for _, y in batches.epoch(epoch)]).tolist()


def test_draws_are_in_proportion_to_the_weights() -> None:
    weights = torch.tensor([1.0, 0.0, 2.0, 5.0, 0.0, 2.0])
    batches = Batches(numbered(6), batch_size=4, seed=3, sample_weights=weights)
    counts = torch.bincount(
        torch.tensor([row for epoch in range(2000) for row in rows_of(batches, epoch)]), minlength=6
    )
    assert counts.sum() == 12_000
    assert counts[[1, 4]].tolist() == [0, 0]
    expected = weights / weights.sum() * 12_000
    kept = expected > 0
    assert float(((counts - expected)[kept] ** 2 / expected[kept]).sum()) < CHI_SQUARED_999[3]


def test_weighted_epochs_are_a_function_of_seed_and_epoch() -> None:
    weights = torch.rand(50, dtype=torch.float64)
    first = Batches(numbered(50), batch_size=8, seed=1, sample_weights=weights)
    again = Batches(numbered(50), batch_size=8, seed=1, sample_weights=weights * 2.0**-900)  # proportions count
    epochs = [rows_of(first, epoch) for epoch in range(3)]
    torch.rand(9)
    first.take(3)
    assert [rows_of(again, epoch) for epoch in range(3)] == epochs
    assert epochs[0] != epochs[1]
    assert rows_of(Batches(numbered(50), batch_size=8, seed=2, sample_weights=weights), 0) != epochs[0]
    assert all(len(epoch) == 50 for epoch in epochs)


def test_weighted_batches_keep_their_sizes_and_hold_whole_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torch.rand(33)
    batches = Batches(numbered(33), batch_size=4, seed=1, sample_weights=weights)
    seen = list(batches.epoch(5))
    assert [len(y) for _, y in seen] == [4] * 7 + [5]
    assert all(torch.equal(x[:, 0].long(), y) for x, y in seen)
    monkeypatch.setattr(module, "_GATHER_BYTES", 0)
    one_by_one = Batches(numbered(33), batch_size=4, seed=1, sample_weights=weights)
    assert [y.tolist() for _, y in one_by_one.epoch(5)] == [y.tolist() for _, y in seen]


def test_evaluation_and_the_reference_sample_know_no_weights() -> None:
    weights = torch.zeros(20)
    weights[7] = 1
    weighted, plain = (Batches(numbered(20), batch_size=4, seed=0, sample_weights=w) for w in (weights, None))
    assert set(rows_of(weighted, 0)) == {7}
    assert torch.cat([y for _, y in weighted.in_order()]).tolist() == list(range(20))
    assert weighted.take(6)[1].tolist() == plain.take(6)[1].tolist()


def test_without_weights_the_order_is_the_permutation_it_always_was() -> None:
    assert epoch_order(3, 1, 6, None).tolist() == [5, 0, 1, 4, 3, 2]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(5), r"one number for each sample(.|\n)*\(5,\) for 6"),
        (torch.ones(6, 1), "one number for each sample"),
        (torch.tensor([1.0, 1, -1, 1, 1, 1]), "weight 2 is -1"),
        (torch.tensor([1.0, float("nan"), 1, 1, 1, 1]), "weight 1 is nan"),
        (torch.tensor([float("inf"), 1, 1, 1, 1, 1]), "weight 0 is inf"),
        (torch.zeros(6), "all weights are 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Batches(numbered(6), batch_size=2, seed=0, sample_weights=weights)


def test_weights_cannot_reach_into_a_loader() -> None:
    pairs = [(torch.zeros(3, 2), torch.zeros(3)), (torch.ones(2, 2), torch.ones(2))]
    with pytest.raises(UsageError, match="WeightedRandomSampler"):
        batches_of(pairs, batch_size=2, seed=0, sample_weights=torch.ones(5))
    pair = batches_of(
        (torch.eye(4), torch.arange(4)), batch_size=2, seed=0, sample_weights=torch.tensor([0.0, 0, 1, 0])
    )
    assert {row for _, y in pair.epoch(0) for row in y.tolist()} == {2}


@given(
    weights=st.lists(st.one_of(st.just(0.0), st.floats(1e-30, 1e30)), min_size=1, max_size=20),
    draw=st.floats(0, 1, exclude_max=True),
    exactly=st.one_of(st.none(), st.integers(0, 18)),
)
@settings(deadline=None)
def test_no_draw_falls_on_a_sample_of_weight_zero_or_beyond_the_last(
    weights: list[float], draw: float, exactly: int | None
) -> None:
    if not any(weights):
        return
    cumulative = cumulative_weights(torch.tensor(weights, dtype=torch.float64), len(weights))
    if exactly is not None and exactly < len(weights) and cumulative[exactly] < 1:
        draw = float(cumulative[exactly])  # a draw on the very edge between two samples
    place = int(drawn(cumulative, torch.tensor([draw], dtype=torch.float64)))
    assert place < len(weights)
    assert weights[place] > 0
    assert float(cumulative[-1]) == 1.0


@given(values=st.lists(st.integers(0, 6), max_size=40))
@settings(deadline=None)
def test_occurrences_count_what_came_before(values: list[int]) -> None:
    counted = [values[:place].count(value) for place, value in enumerate(values)]
    assert occurrences(torch.tensor(values, dtype=torch.int64)).tolist() == counted


@given(labels=st.lists(st.integers(-3, 5), min_size=1, max_size=60))
@settings(deadline=None)
def test_balancing_makes_every_class_equally_likely(labels: list[int]) -> None:
    y = torch.tensor(labels)
    weights = balancing_weights(y)
    totals = [float(weights[y == label].sum()) for label in set(labels)]
    np.testing.assert_allclose(totals, len(labels) / len(totals), rtol=1e-12)
    assert weights.dtype == torch.float64


def test_a_rare_class_is_drawn_as_often_as_a_frequent_one() -> None:
    y = torch.tensor([0] * 990 + [1] * 10)
    split = Split(x=torch.zeros(1000, 1), y=y, name="train", digest="")
    batches = Batches(split, batch_size=100, seed=0, sample_weights=balancing_weights(y))
    counts = torch.bincount(torch.cat([y for epoch in range(10) for _, y in batches.epoch(epoch)]))
    assert abs(int(counts[1]) - 5000) < 4 * 50  # four standard deviations of a fair coin


@pytest.mark.parametrize("y", [torch.rand(5), torch.zeros(5, 2), torch.zeros(5, 2, dtype=torch.int64)])
def test_only_classes_can_be_balanced(y: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="by classes only"):
        balancing_weights(y)


def test_classes_labels_and_tokens_are_counted() -> None:
    assert class_counts(torch.tensor([0, 2, 2, 0, 2])) == (2, 0, 3)
    assert class_counts(torch.tensor([[0], [1]]), 4) == (1, 1, 0, 0)
    assert class_counts(torch.tensor([True, False, True])) == (1, 2)
    assert class_counts(torch.tensor([[1.0, 0, 1], [1, 0, 0]])) == (2, 0, 1)
    assert class_counts(torch.tensor([[0, 1, -100], [1, 1, -100]]), 3) == (1, 3, 0)
    data = from_arrays((torch.zeros(4, 1), [0, 1, 1, 3]), validation=(torch.zeros(1, 1), [2]))
    assert class_counts(data) == (1, 2, 0, 1)


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (torch.tensor([0, 3]), 3, "y holds 3; the classes are 0 to 2"),
        (torch.tensor([0, -1]), None, "y holds -1"),
    ],
)
def test_what_is_no_class_is_not_counted(y: torch.Tensor, classes: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        class_counts(y, classes)


def test_quantities_are_not_counted() -> None:
    with pytest.raises(UsageError, match="no classes that could be counted"):
        class_counts(torch.rand(3, 1))
    with pytest.raises(UsageError, match="a regression has no classes"):
        class_counts(from_arrays((torch.zeros(3, 1), torch.rand(3))))
