from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.report.schedule_text import render_schedule
from trainwright.report.wrapping import display_width

STEPS = 1000
FALLING = [1.0 - step / (STEPS - 1) for step in range(STEPS)]
COSINE = [0.05 * (1 + math.cos(math.pi * (step + 0.5) / STEPS)) for step in range(STEPS)]
DROPS = [0.1 ** (1 + sum(step >= drop for drop in (300, 600, 900))) for step in range(STEPS)]
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def plots(text: str) -> list[list[str]]:
    """Return the braille rows of each plot, without their labels."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if "┤" in line:
            found[-1].append(line.split("┤")[1])
        elif found[-1]:
            found.append([])
    return [rows for rows in found if rows]


def dots(rows: list[str]) -> list[set[int]]:
    """Return, for each column of dots from the left, the heights from the top at which there is one."""
    columns: list[set[int]] = [set() for _ in range(2 * len(rows[0]))]
    for line, row in enumerate(rows):
        for place, character in enumerate(row):
            for x, bits in enumerate(_BITS):
                columns[2 * place + x] |= {
                    4 * line + y for y, bit in enumerate(bits) if (ord(character) - 0x2800) & bit
                }
    return columns


def labels(text: str) -> list[str]:
    return [line.split("┤")[0].strip() for line in text.splitlines() if "┤" in line and line.split("┤")[0].strip()]


def table(text: str) -> list[list[str]]:
    """Return the cells of the table's rows: step, (epoch), of the run, rate, (momentum), words."""
    return [re.split(r" {2,}", line.strip()) for line in text.rsplit("\n\n", 1)[1].splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_curve_has_a_dot_where_the_rate_is(width: int) -> None:
    rows = plots(render_schedule(COSINE, width=width))[0]
    columns = dots(rows)
    tall = 4 * len(rows) - 1
    for x, heights in enumerate(columns):
        rate = COSINE[round(x / (len(columns) - 1) * (STEPS - 1))]
        wanted = (1 - rate / max(COSINE)) * tall
        assert min(abs(height - wanted) for height in heights) <= 1, x


def test_the_curve_begins_at_the_top_and_ends_at_zero() -> None:
    text = render_schedule(FALLING)
    columns = dots(plots(text)[0])
    assert 0 in columns[0]
    assert 31 in columns[-1]
    assert labels(text) == ["1", "0"]


def test_a_rate_that_falls_by_a_little_does_not_look_like_one_that_falls_to_nothing() -> None:
    text = render_schedule([1.0 - 0.1 * value for value in FALLING[::-1]])
    assert labels(text) == ["1", "0"]
    assert max(max(heights) for heights in dots(plots(text)[0])) <= 4


def test_drops_by_tens_stand_on_a_logarithmic_axis_with_equal_steps() -> None:
    text = render_schedule(DROPS)
    assert "logarithmic axis" in text.splitlines()[0]
    assert labels(text) == ["0.1", "0.0001"]
    columns = dots(plots(text)[0])
    places = [columns[round(share * (len(columns) - 1))] for share in (0.15, 0.45, 0.75, 0.95)]
    assert places == [{0}, {10}, {21}, {31}]


@pytest.mark.parametrize("rates", [COSINE, FALLING, [0.1] * STEPS, [0.1, 0.01] * 500])
def test_what_is_low_for_a_few_steps_alone_keeps_its_shape_on_a_linear_axis(rates: list[float]) -> None:
    assert "logarithmic" not in render_schedule(rates)


def test_the_table_holds_the_telling_places_with_their_true_numbers() -> None:
    text = render_schedule(
        DROPS, steps_per_epoch=10, marks=[(50, "warmup ends"), (300, "drop"), (600, "drop"), (900, "drop")]
    )
    assert table(text) == [
        ["step", "epoch", "of the run", "rate"],
        ["0", "0.00", "0 %", "0.1", "first"],
        ["50", "5.00", "5 %", "0.1", "warmup ends"],
        ["250", "25.00", "25 %", "0.1", "a quarter"],
        ["300", "30.00", "30 %", "0.01", "drop"],
        ["500", "50.00", "50 %", "0.01", "half"],
        ["600", "60.00", "60 %", "0.001", "drop"],
        ["750", "75.00", "75 %", "0.001", "three quarters"],
        ["900", "90.00", "90 %", "0.0001", "drop"],
        ["999", "99.90", "99.9 %", "0.0001", "last"],
    ]


def test_without_epochs_there_is_no_column_of_them_and_places_that_meet_share_a_row() -> None:
    rows = table(render_schedule(FALLING, marks=[(500, "drop"), (999, "drop")]))
    assert rows[0] == ["step", "of the run", "rate"]
    assert ["500", "50 %", "0.4995", "drop, half"] in rows
    assert rows[-1][-1] == "drop, last"


def test_marks_stand_under_the_curve_where_they_happen() -> None:
    marks = [(0, "start"), (500, "half way"), (501, "same place"), (530, "crowded")]
    lines = render_schedule(DROPS, marks=marks, width=80).splitlines()
    lane = next(line for line in lines if "▴" in line)
    ground = next(line for line in lines if "└" in line)
    first, columns = ground.index("└") + 1, ground.count("─")
    assert [place - first for place, sign in enumerate(lane) if sign == "▴"] == [
        round(step / 999 * (columns - 1)) for step in (0, 500, 530)
    ]
    assert lane[first:].startswith("▴start ")
    assert lane.endswith("▴crowded")
    assert "half way" not in lane  # no room before the next one; the table says it
    assert "same place" not in lane


def test_marks_outside_the_run_get_no_row() -> None:
    assert all("never" not in row for row in table(render_schedule(FALLING, marks=[(1000, "never"), (-1, "never")])))


def test_a_momentum_that_moves_is_drawn_below_and_stands_in_the_table() -> None:
    momentum = [0.95 - 0.1 * (1 - abs(2 * value - 1)) for value in FALLING]
    text = render_schedule(FALLING, momentum=momentum)
    rate, below = plots(text)
    assert (len(rate), len(below)) == (8, 4)
    assert labels(text)[2:] == ["0.95", "0.85"]
    columns = dots(below)
    assert 0 in columns[0]
    assert 0 in columns[-1]
    assert 15 in columns[len(columns) // 2]
    rows = table(text)
    assert rows[0][-1] == "momentum"
    assert [row[3] for row in rows[1:]] == [f"{momentum[step]:.4g}" for step in (0, 250, 500, 750, 999)]


@pytest.mark.parametrize("momentum", [None, [0.9] * STEPS, [math.nan] * STEPS])
def test_a_momentum_that_stays_is_not_drawn(momentum: list[float] | None) -> None:
    text = render_schedule(FALLING, momentum=momentum)
    assert len(plots(text)) == 1
    assert "momentum" not in text


def test_what_is_no_number_leaves_a_gap_and_is_called_by_its_name() -> None:
    rates = [math.nan if 400 <= step < 600 else 0.1 for step in range(STEPS)]
    text = render_schedule(rates)
    columns = dots(plots(text)[0])
    assert not any(columns[round(0.43 * len(columns)) : round(0.57 * len(columns))])
    assert all(columns[: round(0.37 * len(columns))])
    assert ["500", "50 %", "NaN", "half"] in table(text)


@pytest.mark.parametrize("rates", [[math.nan, math.inf], [math.nan] * 100])
def test_a_schedule_without_any_number_says_so(rates: list[float]) -> None:
    assert "no finite value" in render_schedule(rates)


def test_no_steps_have_no_rates_and_one_step_has_one_row() -> None:
    assert render_schedule([]) == "  no steps, and so no rate"
    rows = table(render_schedule([0.1], steps_per_epoch=1))
    assert rows[1:] == [["0", "0.00", "0 %", "0.1", "first, last"]]


def test_colour_adds_nothing_but_colour() -> None:
    plain, painted = (render_schedule(COSINE, marks=[(5, "drop")], color=color) for color in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


def test_words_of_marks_cannot_move_the_cursor() -> None:
    text = render_schedule(FALLING, marks=[(500, "bad\x1b[2Jmark")])
    assert "\x1b" not in text
    assert "bad\\x1b[2Jmark" in text


@settings(max_examples=60, deadline=None)
@given(
    rates=st.lists(st.floats(0, 1e6) | st.floats(), max_size=300),
    width=st.integers(40, 160),
    marks=st.lists(st.tuples(st.integers(-5, 320), st.text(max_size=20)), max_size=8),
)
def test_no_line_is_wider_than_the_terminal(rates: list[float], width: int, marks: list[tuple[int, str]]) -> None:
    text = render_schedule(rates, marks=marks, steps_per_epoch=7, width=width)
    assert max(display_width(line) for line in text.splitlines()) <= width
