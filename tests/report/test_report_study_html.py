"""The page of a search: well formed, harmless, small, drawn from the records, and readable on every screen."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import report_studies as studies
from playwright.sync_api import Browser
from test_report_html import Outline, parse

from trainwright.records import Axis, Plan, Round, StudyInfo, Trial
from trainwright.records.study_reading import StudyReading
from trainwright.report.study_axes import Lane, lane_ticks, lanes, scores_axis
from trainwright.report.study_html import render_study_html
from trainwright.report.study_parallel import MOST_LINES, MOST_POINTS, parallel_html, thinned
from trainwright.report.study_slices import round_shade

OVERLAPS = """
() => {
  const found = [];
  for (const plot of document.querySelectorAll('.plot')) {
    const texts = [...plot.querySelectorAll('text')].filter(each => getComputedStyle(each).display !== 'none');
    const boxes = texts.map(each => [each.textContent, each.getBoundingClientRect()]);
    boxes.forEach(([one, a], place) => {
      for (const [other, b] of boxes.slice(place + 1))
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
          found.push([one, other]);
    });
  }
  return found;
}
"""
EDGES = (
    "[...document.querySelectorAll('.plot text')].filter(each => getComputedStyle(each).display !== 'none')"
    ".map(each => [each.textContent, each.getBoundingClientRect()])"
    ".filter(([_, box]) => box.left < 0 || box.right > innerWidth).map(([text, _]) => text)"
)


def whole() -> str:
    return render_study_html(
        StudyReading(
            info=studies.searched(),
            name="digits",
            edges=studies.EDGES,
            importance=studies.IMPORTANCE,
            final=studies.FINAL,
        )
    )


def hostile() -> str:
    return render_study_html(StudyReading(info=studies.hostile(), name="<script>alert(1)</script>"))


def sections(page: Outline) -> list[str | None]:
    return [attributes.get("id") for attributes in page.named("section")]


def test_the_page_has_every_section_and_each_link_leads_to_one() -> None:
    page = parse(whole())
    wanted = "findings best final progress coordinates importance slices rounds edges grid failures trials"
    assert sections(page) == wanted.split()
    assert [attributes["href"] for attributes in page.named("a")] == [f"#{key}" for key in wanted.split()]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for picture in page.named("svg", role="img"):
        assert picture["aria-labelledby"] in ids
    assert not page.named("script")


def test_the_numbers_are_those_of_the_study() -> None:
    info, page = studies.searched(), parse(whole())
    assert info.best is not None
    assert f"best score {info.best.score:.4g}" in page.text
    assert "0.0825 ± 0.0032 (standard error): beyond the noise" in page.text
    assert "optimizer.lr: 85 % ± 20" in page.text
    for move in info.moves:
        assert move.reason in page.text
    (winner,) = page.named("path", **{"class": "line thread winner"})
    assert str(winner["d"]).count("L") == len(studies.SPACE)  # one point for each axis, and the score


def test_each_scored_trial_is_a_line_and_a_dot_on_each_axis_that_it_has() -> None:
    info, page = studies.searched(), parse(whole())
    scored = [trial for trial in info.trials if trial.status != "failed"]
    threads = [str(path["d"]) for path in page.named("path") if "thread s" in str(path.get("class"))]
    assert sum(d.count("M") for d in threads) == len(scored)
    slices = [str(path["d"]) for path in page.named("path") if re.match(r"dots (whole|part) s", str(path.get("class")))]
    assert sum(d.count("M") for d in slices) == sum(len(trial.values) for trial in scored)
    failures = [str(path["d"]) for path in page.named("path", **{"class": "failure"})]
    failed = [trial for trial in info.trials if trial.status == "failed"]
    assert sum(d.count("M") for d in failures) == sum(len(trial.values) for trial in failed)


def test_a_round_that_widened_is_a_box_beyond_the_one_before() -> None:
    info = studies.searched()
    (lane,) = [lane for lane in lanes(info) if lane.name == "optimizer.lr"]
    first, second = (one.space["optimizer.lr"] for one in info.rounds[:2])
    assert second.high > first.high
    assert lane.axis is not None
    assert (lane.axis.low, lane.axis.high, lane.axis.log) == (first.low, second.high, True)
    assert lane.place(first.high) == pytest.approx(0.75)  # three of four decades
    assert parse(whole()).text.count("widened") >= 1


def test_no_name_value_or_reason_becomes_markup() -> None:
    page = parse(hostile())
    assert not page.named("script")
    assert not page.named("img")
    assert not page.named("b")
    assert "</title><script>alert(1)</script>" in page.text
    assert "<b>out\\nof\\x07memory</b>" in page.text or "<b>out of\\x07memory</b>" in page.text


@pytest.mark.parametrize(("trials", "parameters"), [(2000, 5), (2000, 20)])
def test_a_huge_study_stays_under_a_megabyte(trials: int, parameters: int) -> None:
    info = studies.many(trials, parameters)
    document = render_study_html(StudyReading(info=info))
    assert len(document.encode()) < 1_000_000
    drawn = thinned(info, parameters)
    assert len(drawn) * parameters <= MOST_POINTS
    assert info.best in drawn
    lines = re.findall(r'class="line thread s\d" d="([^"]*)"', document)
    assert sum(d.count("M") for d in lines) == MOST_LINES
    assert f"Showing {MOST_LINES} of 2,000 trials" in document


def test_studies_with_next_to_nothing_in_them_have_a_page_too() -> None:
    empty = StudyInfo(plan=Plan(budget=10))
    begun = replace(
        empty, rounds=(Round(sampler="sobol", number=0, space={"x": Axis(scale="linear")}, first=0, chunks=(1,)),)
    )
    trial = Trial(number=0, configuration=0, round=0, chunk=0, values={"x": 0.5}, seed=0)
    for info in (
        empty,
        begun,
        replace(begun, trials=(trial,)),
        replace(begun, trials=(replace(trial, status="failed"),)),
    ):
        assert "No trial has a score yet" in parse(render_study_html(StudyReading(info=info))).text
    one = replace(trial, status="finished", score=0.0, budgets=(10,), scores=(0.0,), steps=10, rung=1)
    assert "best score 0" in parse(render_study_html(StudyReading(info=replace(begun, trials=(one,))))).text


def test_a_few_scores_that_diverged_do_not_flatten_the_others() -> None:
    trials = [
        Trial(number=n, configuration=n, round=0, chunk=0, values={}, seed=0, score=score)
        for n, score in enumerate([-1.0, *(0.1 * n for n in range(20)), 1e30])
    ]
    up = scores_axis(trials)
    assert up is not None
    assert up.cut is not None
    assert 2.0 < up.cut < 20
    assert "drawn at that edge" in up.remark
    assert scores_axis([]) is None
    wide = [replace(trial, score=10.0 ** (30 * trial.number - 300)) for trial in trials[:20]]
    up = scores_axis(wide)
    assert up is not None
    assert up.axis.log


def test_labels_of_many_choices_are_thinned_and_cut_to_the_room_there_is() -> None:
    lane = Lane(name="n", choices=tuple(f"choice number {place}" for place in range(24)))
    wide, narrow = ([part for part in lane_ticks(lane, 0) if f'"tick {style}"' in part] for style in ("wide", "narrow"))
    assert len(narrow) < len(wide) <= 24
    assert "…" in narrow[0]
    assert len({re.sub("<[^>]*>", "", part) for part in narrow}) == len(narrow)  # alike at their beginning


def test_later_rounds_are_stronger() -> None:
    assert [round_shade(place, 3) for place in range(3)] == [5, 2, 0]
    assert round_shade(0, 1) == 0


def test_colours_go_by_rank_so_that_one_bad_score_does_not_take_them_all() -> None:
    drawn = parallel_html(studies.many(80, 2))
    counts = [len(re.findall("M", d)) for d in re.findall(r'class="line thread s\d" d="([^"]*)"', drawn)]
    assert counts == [10] * 8


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page_of", [whole, hostile], ids=["searched", "hostile"])
def test_the_page_fits_every_screen_and_no_label_hides_another(
    browser: Browser, tmp_path: Path, page_of: object, scheme: str
) -> None:
    path = tmp_path / "study.html"
    path.write_text(whole() if page_of is whole else hostile(), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    for width in (1440, 1024, 700, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(EDGES) == []
        assert page.evaluate(OVERLAPS) == []
    assert [text for text in complaints if not text.startswith("data:")] == []
    page.close()
