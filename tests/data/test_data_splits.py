from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.splits import split_rows
from trainwright.errors import DataError, UsageError

fractions = st.sampled_from([0.0, 0.1, 0.15, 0.3, 0.45])
seeds = st.integers(0, 2**40)


@given(count=st.integers(3, 300), validation=fractions, test=fractions, seed=seeds)
@settings(deadline=None)
def test_the_parts_are_a_partition_of_the_rows(count: int, validation: float, test: float, seed: int) -> None:
    parts = split_rows(count, validation=validation, test=test, seed=seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == list(range(count))
    assert len(parts.train) >= 1
    assert (len(parts.validation) > 0) == (validation > 0)
    assert (len(parts.test) > 0) == (test > 0)
    for part in (parts.train, parts.validation, parts.test):
        assert (np.diff(part) > 0).all()


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8), validation=fractions, test=fractions, seed=seeds)
@settings(deadline=None)
def test_every_class_is_divided_in_proportion(sizes: list[int], validation: float, test: float, seed: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)) * 7 - 3, sizes))
    wanted = 1 + (validation > 0) + (test > 0)
    if max(sizes) < wanted:
        with pytest.raises(DataError, match="too few rows"):
            split_rows(len(labels), labels=labels, validation=validation, test=test, seed=seed)
        return
    parts = split_rows(len(labels), labels=labels, validation=validation, test=test, seed=seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == list(range(len(labels)))
    for label in np.unique(labels):
        size = int((labels == label).sum())
        held = {name: int((labels[getattr(parts, name)] == label).sum()) for name in ("train", "validation", "test")}
        if size < wanted:
            assert held == {"train": size, "validation": 0, "test": 0}
            continue
        for name, fraction in (("validation", validation), ("test", test)):
            assert (held[name] > 0) == (fraction > 0)
            assert abs(held[name] - size * fraction) <= 1.5
        assert held["train"] >= 1


@given(count=st.integers(3, 100), seed=seeds)
@settings(deadline=None)
def test_the_division_is_a_function_of_its_arguments(count: int, seed: int) -> None:
    labels = np.arange(count) % 2
    once = split_rows(count, labels=labels, validation=0.2, test=0.2, seed=seed) if count > 4 else None
    again = split_rows(count, labels=labels, validation=0.2, test=0.2, seed=seed) if count > 4 else None
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(once, name, ()), getattr(again, name, ()))


def test_another_seed_divides_differently() -> None:
    first, second = (split_rows(100, validation=0.2, test=0.2, seed=seed) for seed in (0, 1))
    assert list(first.test) != list(second.test)


def test_many_small_classes_do_not_shift_the_shares() -> None:
    labels = np.repeat(np.arange(100), 10)
    parts = split_rows(1000, labels=labels, validation=0.15, test=0.15, seed=0)
    assert abs(len(parts.validation) - 150) <= 1
    assert abs(len(parts.test) - 150) <= 1


def test_the_test_rows_do_not_depend_on_the_validation_share() -> None:
    few, many = (split_rows(200, validation=share, test=0.2, seed=3) for share in (0.1, 0.4))
    np.testing.assert_array_equal(few.test, many.test)


def test_the_division_of_a_known_seed_never_changes() -> None:
    # A recorded division: a different one would make old runs irreproducible.
    parts = split_rows(12, labels=np.arange(12) % 2, validation=0.25, test=0.25, seed=7)
    assert (parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()) == RECORDED


RECORDED = ([1, 2, 3, 7, 9, 10], [4, 5, 8], [0, 6, 11])


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.1), (1.0, 0.0), (0.5, 0.5), (0.2, float("nan"))])
def test_senseless_fractions_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UsageError, match="fraction"):
        split_rows(10, validation=validation, test=test)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_rows_than_splits_are_refused(count: int) -> None:
    with pytest.raises(DataError, match="too few rows"):
        split_rows(count, validation=0.1, test=0.1)
