"""Reading a curve of losses over rates: where the best rate is, and when there is none."""

from __future__ import annotations

import math

import pytest
import torch

from trainwright.search.finder_curve import medians, read, smoothed

RATES = [10 ** (-4 + place / 6) for place in range(19)]


def bowl(centre: float, *, rates: list[float] = RATES, floor: float = 0.1, width: float = 1.0) -> list[float]:
    return [floor * math.exp((math.log10(rate / centre) / width) ** 2) for rate in rates]


def test_the_lowest_place_of_a_bowl_is_found_between_the_rates_that_were_tried() -> None:
    reading = read(RATES, [bowl(3.7e-3)], 2.0)
    assert reading.best == pytest.approx(3.7e-3, rel=0.05)
    assert reading.best is not None
    assert reading.interval is not None
    assert reading.interval[0] < reading.best < reading.interval[1]
    assert (reading.edge, reading.reason) == (0, "")


def test_the_interval_reaches_over_the_best_rates_of_the_repeats() -> None:
    reading = read(RATES, [bowl(2e-3), bowl(4e-3), bowl(8e-3)], 2.0)
    assert reading.interval is not None
    assert reading.interval[0] < 2.2e-3
    assert reading.interval[1] > 7.5e-3
    assert reading.best == pytest.approx(4e-3, rel=0.1)


def test_a_lone_lucky_rate_among_chaotic_ones_is_not_the_best() -> None:
    losses = bowl(1e-3)
    losses[-4:] = [1.9, 0.01, 1.9, math.inf]
    best = read(RATES, [losses], 2.0).best
    assert best == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_curve_that_still_falls_at_its_end_says_at_which(sign: int) -> None:
    centre = 1e-6 if sign < 0 else 1.0
    assert read(RATES, [bowl(centre, width=2.0)], 1e9).edge == sign


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_no_answer_where_every_rate_diverges(loss: float) -> None:
    reading = read(RATES, [[loss] * len(RATES)], 2.0)
    assert reading.best is None
    assert "diverges at every rate" in reading.reason


def test_no_answer_where_the_loss_is_flat() -> None:
    reading = read(RATES, [[2.0 - 1e-4 * (place % 3) for place in range(len(RATES))]], 2.0)
    assert reading.best is None
    assert "flat" in reading.reason


def test_no_answer_where_too_few_rates_learn() -> None:
    losses = [3.0] * len(RATES)
    losses[5] = losses[6] = 0.5
    reading = read(RATES, [losses], 2.0)
    assert reading.best is None
    assert "too few rates" in reading.reason


def test_no_answer_where_the_repeats_disagree_by_more_than_a_decade() -> None:
    reading = read(RATES, [bowl(4e-4), bowl(2e-2)], 50.0)
    assert reading.best is None
    assert "disagree" in reading.reason
    assert reading.interval is not None


def test_a_broad_floor_is_no_disagreement() -> None:
    wide = [bowl(centre, width=12.0) for centre in (6e-4, 3e-2)]
    assert read(RATES, wide, 2.0).best is not None


def test_noise_on_a_broad_floor_is_no_disagreement() -> None:
    generator = torch.Generator().manual_seed(3)
    noisy = [[0.05 * math.exp(0.3 * value) for value in torch.randn(19, generator=generator).tolist()] for _ in "abc"]
    assert "disagree" not in read(RATES, noisy, 2.0).reason


def test_among_rates_that_all_solve_the_task_one_well_inside_is_taken() -> None:
    cliff = [math.inf if rate > 0.5 else 2.0 / (1 + (rate / 3e-4) ** 4) for rate in RATES]
    lucky = [0.0 if place % 2 and RATES[place] > 1e-2 else loss for place, loss in enumerate(cliff)]
    solved = [rate for rate, loss in zip(RATES, cliff, strict=True) if loss <= 0.002]
    reading = read(RATES, [cliff, lucky], 2.0, solved=0.001)
    assert reading.solved
    assert reading.interval is not None
    assert solved[0] <= reading.interval[0] <= 3 * solved[0]
    assert reading.interval[1] <= solved[-1]
    assert reading.best is not None
    assert reading.interval[0] * 2 < reading.best <= reading.interval[0] * 10.01
    assert not read(RATES, [cliff, lucky], 2.0).solved


def test_of_a_task_that_is_not_solved_nothing_is_read_otherwise() -> None:
    noisy = [bowl(2e-3), bowl(4e-3), bowl(8e-3)]
    assert read(RATES, noisy, 2.0, solved=0.001) == read(RATES, noisy, 2.0)


def test_repeats_that_differ_by_next_to_nothing_do_not_disagree() -> None:
    falling = [[0.004 + 0.01 * (1e-3 / rate) for rate in RATES], bowl(4e-4, floor=0.004, width=3.0)]
    rows = [[2.0 if rate < 2e-4 else loss for rate, loss in zip(RATES, row, strict=True)] for row in falling]
    assert read(RATES, rows, 2.0).best is None
    assert read(RATES, rows, 2.0, solved=0.001).best is not None


def test_losses_below_zero_are_read_too() -> None:
    lowered = [loss - 5.0 for loss in bowl(3e-3)]
    assert read(RATES, [lowered], 2.0 - 5.0).best == pytest.approx(3e-3, rel=0.2)


def test_smoothing_keeps_a_straight_line_also_at_its_ends() -> None:
    uneven = [1e-4, 1e-3, 2e-3, 3e-3, 1e-2, 1.0]
    line = [2 + 3 * math.log10(rate) for rate in uneven]
    assert smoothed(uneven, line) == pytest.approx(line, abs=1e-9)


def test_medians_leave_what_rises_as_it_is() -> None:
    assert medians([1.0, 2.0, 9.0, 3.0, 4.0]) == [1.0, 2.0, 3.0, 4.0, 4.0]
    assert medians([3.0, 1.0]) == [3.0, 1.0]
