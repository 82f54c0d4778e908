"""The report of a finished model, as text and as a page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from trainwright.records import from_plain, to_plain
from trainwright.records.ensemble import Bin, Cost, EnsembleInfo, Gain, Gains, MemberFacts, MethodRow, Scores, Threshold
from trainwright.report.finish_facts import verdict_word
from trainwright.report.finish_html import render_finish_html
from trainwright.report.finish_text import render_finish

COST = Cost(networks=1, training_steps=100, seconds=0.001, size=4000)
SCORES = Scores(samples=200, accuracy=0.9, nll=0.4, ece=0.05, brier=0.15)


def gains(test_gain: Gain | None = None) -> Gains:
    better = Scores(samples=200, accuracy=0.93, nll=0.3, ece=0.02, brier=0.1)
    rows = (
        MethodRow(method="single best", cost=COST, scores=SCORES, verdict="baseline", test=SCORES),
        MethodRow(method="mean member", cost=COST, scores=SCORES),
        MethodRow(
            method="ensemble of 3",
            cost=Cost(networks=3, training_steps=300, seconds=0.003, size=12_000),
            scores=better,
            gain=Gain(value=0.1, low=0.05, high=0.15),
            verdict="gained",
            test=better,
            test_gain=test_gain,
        ),
        MethodRow(
            method="SWA", cost=COST, scores=SCORES, verdict="lost", note="why",
            gain=Gain(value=-0.1, low=-0.2, high=0.0),
        ),
    )  # fmt: skip
    return Gains(
        rows=rows, criterion="nll", baseline="single best", chosen="ensemble of 3", folds=5, validation_samples=200,
        test_samples=100,
    )  # fmt: skip


def info(name: str = "wine", **changes: object) -> EnsembleInfo:
    bins = (
        Bin(low=0.0, high=0.5, count=0, confidence=None, accuracy=None),
        Bin(low=0.5, high=1.0, count=200, confidence=0.9, accuracy=0.8),
    )
    members = tuple(MemberFacts(name=f"seed {place}", share=1 / 3, steps=100) for place in range(3))
    facts = {"task": "classification", "average": "probabilities", "gains": gains(), "members": members, "bins": bins}
    return EnsembleInfo(name=name, **{**facts, **changes})  # type: ignore[arg-type]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag not in ("meta", "link", "br", "rect", "line", "path", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "path"):
            assert self.open.pop() == tag


def test_the_text_says_what_was_chosen_what_it_cost_and_what_lost() -> None:
    text = render_finish(info(), width=150)
    assert "ensemble of 3 gains +0.1 NLL over the best single network" in text
    for words in ("93.00 %", "chosen", "lost", "12kB", "+0.05 to +0.15", "90 % sure, 80 % right, 200", "SWA: why"):
        assert words in text
    assert "\x1b" not in text
    assert "\x1b" in render_finish(info(), color=True, width=150)


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Gain(value=0.08, low=0.01, high=0.2), "and +0.08 on test"),
        (Gain(value=0.01, low=-0.1, high=0.2), "may be noise"),
        (Gain(value=-0.1, low=-0.2, high=-0.01), "a loss"),
    ],
)
def test_what_test_says_against_it_is_told(gain: Gain, words: str) -> None:
    assert words in render_finish(info(gains=gains(gain)), width=400)


def test_where_nothing_gained_it_says_so() -> None:
    nothing = Gains(**{**vars(gains()), "chosen": "single best"})
    assert "nothing gained beyond noise" in render_finish(info(gains=nothing), width=200)


def test_the_page_is_whole_and_harmless() -> None:
    bad = '<script>alert(1)</script>"&'
    threshold = Threshold(costs=(1.0, 5.0), exact=0.1667, value=0.2, expected=0.1, halved=0.3)
    html = render_finish_html(info(bad, notes=(bad,), threshold=threshold, temperature=1.5, bins_before=info().bins))
    page = Page()
    page.feed(html)
    assert page.open == []
    assert page.scripts == 0
    assert "<script" not in html
    assert "What gained and what lost" in html
    assert "without its temperature" in html


def test_values_have_a_table_of_their_own() -> None:
    scores = Scores(samples=50, rmse=1234.5, nll=2.0)
    rows = (MethodRow(method="single best", cost=COST, scores=scores, verdict="baseline"),)
    told = Gains(
        rows=rows, criterion="rmse", baseline="single best", chosen="single best", folds=1, validation_samples=50
    )
    text = render_finish(info(gains=told, task="regression", bins=(), noise=(0.5,)), width=150)
    assert "RMSE" in text
    assert "accuracy" not in text
    assert "reliability" not in text
    assert "RMSE" in render_finish_html(info(gains=told, task="regression", bins=()))


def test_the_record_comes_back_from_json_as_it_was() -> None:
    before = info(threshold=Threshold(costs=(1.0, 5.0), exact=0.2, value=0.2, expected=0.1, halved=math.pi))
    assert from_plain(EnsembleInfo, json.loads(json.dumps(to_plain(before)))) == before


def test_a_gain_that_may_be_noise_is_not_called_a_loss() -> None:
    table = gains()
    row = next(row for row in table.rows if row.verdict == "lost")
    assert verdict_word(replace(row, gain=Gain(value=0.009, low=-0.007, high=0.028)), table) == "not beyond noise"
    assert verdict_word(replace(row, gain=Gain(value=-0.009, low=-0.028, high=0.007)), table) == "lost"
