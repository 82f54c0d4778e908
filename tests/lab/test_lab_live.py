"""Simulations that train while one looks: parts, cancelling, and nothing left behind in between."""

from __future__ import annotations

import itertools

import pytest
import torch
from lab_runs import plain, result_of

from trainwright.lab.registry import CATALOGUE
from trainwright.lab.values import resolve

LIVE = [name for name, simulation in CATALOGUE.items() if simulation.live is not None]
SHORT = {"training-lottery": {"steps": 100}, "early-stopping": {"steps": 120}}


def test_the_simulations_that_stream_are_known() -> None:
    assert set(LIVE) == set(SHORT)


@pytest.mark.parametrize("name", LIVE)
def test_parts_come_in_order_and_the_last_is_what_a_run_gives(name: str) -> None:
    simulation = CATALOGUE[name]
    assert simulation.live is not None
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    parts = []
    for part in simulation.live(resolve(simulation, SHORT[name]), lambda: False):
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == threads
        parts.append(part)
    assert len(parts) >= 3
    assert [part.progress for part in parts] == sorted(part.progress for part in parts)
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert plain(parts[-1]) == plain(result_of(name, SHORT[name]))


@pytest.mark.parametrize("name", LIVE)
def test_a_cancelled_training_gives_one_more_part_that_says_so_and_ends(name: str) -> None:
    simulation = CATALOGUE[name]
    assert simulation.live is not None
    asked = itertools.count()
    seen = list(simulation.live(resolve(simulation, SHORT[name]), lambda: next(asked) >= 1))
    assert len(seen) == 2
    assert seen[-1].done
    assert "stopped" in seen[-1].verdict.text


@pytest.mark.parametrize("name", LIVE)
def test_random_numbers_drawn_between_two_parts_change_nothing(name: str) -> None:
    simulation = CATALOGUE[name]
    assert simulation.live is not None
    *_, last = (part for part in simulation.live(resolve(simulation, SHORT[name]), lambda: False) if len(torch.rand(5)))
    assert plain(last) == plain(result_of(name, SHORT[name]))
