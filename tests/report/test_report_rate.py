"""The finder's answer as text, in the terminal and on the page of a run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from trainwright.records import Chart, Event, LearningRate, RatePoint, RunInfo
from trainwright.report.html import render_html
from trainwright.report.rate_plot import rate_section, rate_svg
from trainwright.report.rate_text import rate_line, render_rate

RATES = [10 ** (-7 + place / 2) for place in range(19)]
FOUND = LearningRate(
    suggestion=1e-2,
    interval=(6e-3, 2e-2),
    curve=tuple(
        RatePoint(rate=rate, loss=math.inf if rate > 3 else 0.1 + 0.1 * math.log10(rate / 1e-2) ** 2) for rate in RATES
    ),
    reason="",
    method="array",
    optimizer="adamw",
    judged_by="the loss of 60 samples held out",
    loss_at_start=2.3,
    steps=300,
    planned_steps=300,
    repeats=3,
)
NONE = replace(FOUND, suggestion=None, interval=None, reason="the loss is flat")


def test_the_text_says_rate_interval_and_what_they_rest_on() -> None:
    text = render_rate(FOUND, width=80)
    assert text.startswith("learning rate 0.01 for adamw")
    assert "interval: 0.006 to 0.02, where all 3 repeats put it" in text
    assert "19 rates were tried for 300 steps of 300 planned steps each" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_longer_run_is_said_to_want_a_lower_rate_than_was_best_in_the_trials() -> None:
    text = render_rate(replace(FOUND, planned_steps=1200, tried_best=0.03), width=80)
    assert "0.03 is best for so many; a run 4 times as long wants a lower one" in text
    assert "wants a lower one" not in render_rate(replace(FOUND, tried_best=0.01), width=80)


def test_the_mark_stands_under_the_lowest_place_of_the_curve() -> None:
    lines = render_rate(FOUND, width=80).splitlines()
    marks = next(line for line in lines if "▴" in line)
    tick = next(line for line in lines if "1e-2" in line)
    assert abs(marks.index("▴") - tick.index("1e-2")) <= 1
    assert "─▴─" in marks


def test_no_answer_says_why_and_marks_nothing() -> None:
    text = render_rate(NONE, width=80)
    assert text.startswith("no answer: the loss is flat")
    assert "▴" not in text
    assert rate_line(NONE) == "no learning rate was found: the loss is flat"


@pytest.mark.parametrize("found", [FOUND, NONE])
def test_a_written_answer_is_read_back_the_same(found: LearningRate) -> None:
    assert LearningRate.of(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


@pytest.mark.parametrize("found", [FOUND, NONE])
def test_the_picture_is_well_formed_and_told_in_words(found: LearningRate) -> None:
    picture = rate_svg(found)
    ElementTree.fromstring(picture)
    assert ("Suggested: 0.01" in picture) == found.ok


def test_the_page_of_a_run_shows_it_where_the_finder_was_asked() -> None:
    asked = Event(step=0, name="learning-rate", detail={"text": "learning rate <0.01>", **FOUND.to_json()})
    chart = Chart(info=RunInfo(), events=[asked])
    page = render_html(RunInfo(), None, chart, [])
    assert "Learning rate" in page
    assert "&lt;0.01&gt;" in page
    assert rate_section(Chart(info=RunInfo())) == ""


def test_a_damaged_event_leaves_the_page_without_it() -> None:
    broken = Event(step=0, name="learning-rate", detail={"text": "x", "curve": [{"rate": "fast"}]})
    assert rate_section(Chart(info=RunInfo(), events=[broken])) == ""
