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

from trainwright.randomness import derive, generator, isolated, permutation, sample_uniforms, seed_step


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


MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    """SplitMix64's output function, in Python's unbounded integers."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_the_twin_is_splitmix64() -> None:
    # The first outputs from seed 1234567, as published with the generator's reference implementation.
    outputs = [splitmix64((1234567 + place * 0x9E3779B97F4A7C15) & MASK) for place in (1, 2, 3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 10**6),
    indices=st.lists(st.integers(0, 2**62), min_size=1, max_size=4),
    count=st.integers(1, 5),
)
def test_sample_uniforms_are_splitmix64_started_at_a_hash_of_the_place(
    seed: int, epoch: int, indices: list[int], count: int
) -> None:
    key = derive(seed, "sample", "noise", epoch)
    gamma = 0x9E3779B97F4A7C15
    starts = [splitmix64((key + index * gamma) & MASK) for index in indices]
    expected = [[(splitmix64((s + j * gamma) & MASK) >> 11) / 2**53 for j in range(1, count + 1)] for s in starts]
    uniforms = sample_uniforms(seed, epoch, torch.tensor(indices), count, "noise")
    assert uniforms.dtype == torch.float64
    assert uniforms.tolist() == expected


def kolmogorov(uniforms: torch.Tensor) -> float:
    """The Kolmogorov-Smirnov distance from U(0, 1), times the root of the sample size: 1.95 has probability 0.001."""
    ordered = uniforms.flatten().sort().values
    grid = torch.arange(len(ordered) + 1, dtype=torch.float64) / len(ordered)
    distance = torch.maximum((ordered - grid[:-1]).abs().max(), (ordered - grid[1:]).abs().max())
    return float(distance) * len(ordered) ** 0.5


def test_sample_uniforms_are_uniform_over_samples_over_columns_and_over_epochs() -> None:
    block = sample_uniforms(3, 5, torch.arange(50_000), 4, "shift")
    assert float(block.min()) >= 0.0
    assert float(block.max()) < 1.0
    assert all(kolmogorov(column) < 1.95 for column in block.unbind(1))
    assert kolmogorov(sample_uniforms(3, 5, torch.tensor([17]), 50_000, "shift")) < 1.95
    one = torch.tensor([17])
    assert kolmogorov(torch.cat([sample_uniforms(3, epoch, one, 2, "shift") for epoch in range(5_000)])) < 1.95
    # The low bits as well as the high ones: what is left of u * 2**20 after its whole part is uniform, too.
    assert kolmogorov((block * 2**20) % 1) < 1.95


def test_sample_uniforms_of_different_places_are_uncorrelated() -> None:
    indices = torch.arange(40_000)
    base = sample_uniforms(0, 0, indices, 4, "shift")
    others = {
        "column": base[:, 1],
        "neighbour": base[:, 0].roll(1),
        "epoch": sample_uniforms(0, 1, indices, 1, "shift")[:, 0],
        "seed": sample_uniforms(1, 0, indices, 1, "shift")[:, 0],
        "purpose": sample_uniforms(0, 0, indices, 1, "scale")[:, 0],
        "far column": base[:, 3],
        "shifted column": base[:, 1].roll(-1),
    }
    for name, other in others.items():
        for left, right in ((base[:, 0], other), ((base[:, 0] - 0.5).abs(), (other - 0.5).abs())):
            correlation = float(torch.corrcoef(torch.stack([left, right]))[0, 1])
            assert abs(correlation) < 4.5 / 40_000**0.5, name  # of standard deviation 1 / sqrt(n) where there is none


def test_no_two_samples_epochs_seeds_or_purposes_share_a_number() -> None:
    drawn = [
        sample_uniforms(seed, epoch, torch.arange(100), 3, purpose)
        for seed, epoch, purpose in itertools.product(range(4), range(4), ("flip", "shift"))
    ]
    assert len(torch.cat(drawn).unique()) == 4 * 4 * 2 * 100 * 3


@given(
    order=st.permutations(range(12)), parts=st.lists(st.integers(0, 12), max_size=3), first=st.integers(-(2**40), 2**40)
)
def test_the_numbers_of_a_sample_do_not_depend_on_its_batch(order: list[int], parts: list[int], first: int) -> None:
    indices = torch.arange(first, first + 12)
    whole = sample_uniforms(7, 3, indices, 4, "erase")
    shuffled = indices[list(order)]
    cuts = [0, *sorted(parts), 12]
    batches = [shuffled[start:stop] for start, stop in itertools.pairwise(cuts)]
    parted = torch.cat([sample_uniforms(7, 3, batch, 4, "erase") for batch in batches])
    assert torch.equal(parted, whole[list(order)])


def test_asking_for_more_numbers_keeps_the_first_ones() -> None:
    indices = torch.tensor([4, 0, 9])
    assert torch.equal(sample_uniforms(1, 2, indices, 9, "mix")[:, :5], sample_uniforms(1, 2, indices, 5, "mix"))


def test_sample_uniforms_leave_the_global_generators_alone() -> None:
    before = states()
    sample_uniforms(0, 0, torch.arange(5), 2, "flip")
    assert states() == before


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
