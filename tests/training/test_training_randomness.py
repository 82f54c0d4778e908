from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainwright.randomness import derive, generator, isolated, permutation, sample_generator, seed_step


@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 10**6), count=st.integers(1, 300))
def test_an_order_is_a_permutation_and_a_function_of_seed_and_epoch(seed: int, epoch: int, count: int) -> None:
    order = permutation(seed, epoch, count)
    assert sorted(order.tolist()) == list(range(count))
    torch.rand(3)
    assert torch.equal(permutation(seed, epoch, count), order)


def test_orders_differ_between_epochs_and_between_seeds() -> None:
    orders = {tuple(permutation(seed, epoch, 50).tolist()) for seed in range(8) for epoch in range(8)}
    assert len(orders) == 64


def test_every_sample_comes_first_in_its_share_of_the_epochs() -> None:
    firsts = np.bincount([int(permutation(0, epoch, 10)[0]) for epoch in range(2000)], minlength=10)
    # Two hundred each; the standard deviation of such a count is 13.4.
    assert np.abs(firsts - 200).max() < 5 * 13.4


def test_no_two_places_of_a_grid_share_a_seed() -> None:
    places = [
        *itertools.product(range(30), ("order", "step", "sample"), range(60)),
        *itertools.product(range(30), ("sample",), range(20), range(20)),
    ]
    seeds = {derive(seed, *place) for seed, *place in places}
    assert len(seeds) == len(places)


def test_a_number_and_its_text_are_two_places() -> None:
    assert len({derive(0, 1), derive(0, "1"), derive(1), derive(0, "int:1"), derive(0, 1, 1), derive(0, 11)}) == 6


@given(seed=st.integers(), place=st.lists(st.text() | st.integers(), max_size=4))
def test_a_derived_seed_is_one_that_torch_takes(seed: int, place: list[str | int]) -> None:
    value = derive(seed, *place)
    assert 0 <= value < 2**63
    torch.Generator().manual_seed(value)


def test_neighbouring_seeds_are_unrelated() -> None:
    bits = [bin(derive(seed) ^ derive(seed + 1)).count("1") for seed in range(200)]
    # Half of 63 bits differ, with a standard deviation of 4 for one pair and 0.28 for the mean of 200.
    assert np.mean(bits) == pytest.approx(31.5, abs=1.5)


def test_streams_of_neighbouring_places_are_uncorrelated() -> None:
    draws = torch.stack([torch.randn(4000, generator=generator(0, "x", place)) for place in range(6)])
    off_diagonal = torch.corrcoef(draws) - torch.eye(6)
    assert off_diagonal.abs().max() < 5 / 4000**0.5


def test_the_randomness_of_a_sample_is_its_own() -> None:
    draws = {
        float(torch.rand((), generator=sample_generator(seed, epoch, index)))
        for seed, epoch, index in itertools.product(range(3), range(3), range(20))
    }
    assert len(draws) == 180
    again = [float(torch.rand((), generator=sample_generator(1, 2, 3))) for _ in range(2)]
    assert again[0] == again[1]


def states() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(keys).tobytes(), tuple(rest), torch.get_rng_state().numpy().tobytes()


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_isolated_puts_all_three_generators_back() -> None:
    before = states()
    with isolated():
        draw()
    assert states() == before
    with isolated(3, "place"):
        draw()
    assert states() == before


def test_isolated_puts_the_generators_back_after_an_error() -> None:
    def interrupted() -> None:
        with isolated(3):
            draw()
            raise KeyboardInterrupt

    before = states()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert states() == before


def test_isolated_with_a_seed_starts_all_three_from_the_place() -> None:
    def drawn(*place: str | int) -> tuple[float, float, float]:
        with isolated(0, *place):
            return draw()

    draw()
    first = drawn("a", 1)
    draw()
    assert drawn("a", 1) == first
    assert all(one != other for one, other in zip(first, drawn("a", 2), strict=True))


def test_isolated_without_a_seed_goes_on_from_where_the_generators_stand() -> None:
    with isolated():
        inside = draw()
    with isolated():
        assert draw() == inside
    with isolated(5):
        outside = draw()
    assert outside != inside


def test_nesting_restores_each_level() -> None:
    with isolated(1):
        first = draw()
        with isolated(2):
            draw()
        second = draw()
    with isolated(1):
        assert (draw(), draw()) == (first, second)


def test_a_step_has_its_dropout_mask_whatever_ran_before() -> None:
    dropout = nn.Dropout(0.5)
    with isolated():
        masks = []
        for before in (0, 5, 1000):
            torch.rand(before)
            seed_step(7, 42)
            masks.append(dropout(torch.ones(200)))
        assert torch.equal(masks[0], masks[1])
        assert torch.equal(masks[0], masks[2])
        seed_step(7, 43)
        assert not torch.equal(dropout(torch.ones(200)), masks[0])
        seed_step(8, 42)
        assert not torch.equal(dropout(torch.ones(200)), masks[0])
