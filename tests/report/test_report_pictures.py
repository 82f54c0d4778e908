"""The pictures of sick and healed runs: each is drawn from the numbers that are kept, and can be read as it stands."""

from __future__ import annotations

import importlib
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from trainwright.doctor.kinds import CATALOGUE, find_kind
from trainwright.report.curves import Curve
from trainwright.report.pair_labels import Frame, place_label
from trainwright.report.pair_plot import Certain, Twin, pair_svg
from trainwright.report.wrapping import display_width

ROOT = Path(__file__).resolve().parents[2]
with pytest.MonkeyPatch.context() as patch:  # the folders docs and ward are no packages that are installed
    patch.syspath_prepend(ROOT)
    drawing, pictures, showing = (
        importlib.import_module(f"docs.{name}") for name in ("drawing", "pictures", "showing")
    )
PICTURES = drawing.read()
DRAWN = {code: picture for code, picture in PICTURES.items() if "none" not in picture}
WITHOUT: dict[str, str] = {}
"""Codes that no measured curve can show, each with its reason."""
EACH = pytest.mark.parametrize("code", sorted(DRAWN))


def curve(*values: float) -> Curve:
    return Curve(steps=tuple(range(len(values))), values=values, total=len(values))


def drawn(sick: Curve, healed: Curve, step: int | None = None, title: str = "a title") -> ElementTree.Element:
    certain = None if step is None else Certain(code="TW301", severity="error", step=step)
    return ElementTree.fromstring(
        pair_svg(title, "training loss", Twin(name="sick", each=sick), Twin(name="healed", each=healed), certain)
    )


def words(picture: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in picture.iter() if element.tag.endswith("}text")]


def test_every_code_has_a_picture_or_a_reason_why_it_has_none() -> None:
    assert {kind.code for kind in CATALOGUE.values()} == {*DRAWN, *WITHOUT}
    assert not {*DRAWN} & {*WITHOUT}
    assert set(PICTURES) <= set(CATALOGUE)


@EACH
def test_the_numbers_are_those_of_their_checksum_and_the_picture_is_drawn_of_them(code: str) -> None:
    assert drawing.checksum(DRAWN[code]) == DRAWN[code]["checksum"]
    file = drawing.FOLDER / f"{code}.svg"
    assert file.read_text(encoding="utf-8") == drawing.svg(find_kind(code), DRAWN[code])
    assert file.stat().st_size < 8_000


@EACH
def test_no_word_of_a_picture_leaves_it(code: str) -> None:
    picture = ElementTree.fromstring((drawing.FOLDER / f"{code}.svg").read_text(encoding="utf-8"))
    width = float(picture.get("width", 0))
    for element in picture.iter():
        if element.tag.endswith("}text"):
            long = display_width(element.text or "") * (8.6 if element.get("class") == "title" else 7.9)
            share = {"end": 1.0, "middle": 0.5}.get(element.get("text-anchor", ""), 0.0)
            left = float(element.get("x", 0)) - share * long
            assert left >= -2, element.text
            assert left + long <= width + 2, element.text


def test_each_picture_names_a_program_that_there_is_and_that_shows_its_kind() -> None:
    known = {program.name: program for program in pictures.programs(ROOT / "ward" / "fitting")}
    for code, picture in PICTURES.items():
        if "shows" not in picture:
            program = known[picture["program"]]
            assert find_kind(code).kind in (program.kind, *program.also)
            assert picture["task"] in program.tasks


def test_a_program_that_shows_a_kind_is_named_after_it_and_what_is_kept_says_what_it_declares() -> None:
    files = {path.stem for path in showing.FOLDER.glob("*.py")}
    assert files == {picture["program"] for picture in PICTURES.values() if "shows" in picture}
    for code, picture in PICTURES.items():
        if "shows" in picture:
            shown = showing.shown_of(find_kind(code).kind)
            assert shown.program.kind == find_kind(code).kind
            assert (picture["program"], picture["quantity"]) == (shown.program.name, shown.up)
            assert (picture["by"], picture["shows"]) == (shown.across, shown.shows)
            assert picture["named"] in (shown.program.kind, *shown.program.also) or not shown.named
            assert 1 <= shown.program.changed_lines <= 4


def test_the_caption_names_the_program_and_what_draws_it_again() -> None:
    for code, picture in PICTURES.items():
        text = drawing.section(find_kind(code), picture)
        folder = "shown" if "shows" in picture else "ward/fitting"
        assert f"{folder}/{picture['program']}.py" in text
        assert f"python -m docs.pictures {code}" in text
        assert (f"pictures/{code}.svg" in text) == ("none" not in picture)
    assert drawing.section(find_kind("TW301"), None) == ""


def test_what_is_written_is_read_back_the_same() -> None:
    assert drawing.written(PICTURES) == (drawing.FOLDER / "pictures.json").read_text(encoding="utf-8")


def test_both_runs_and_the_certain_step_are_named() -> None:
    told = words(drawn(curve(1.0, 1.0, 1.0), curve(1.0, 0.5, 0.2), step=1))
    assert {*drawing.TWINS, "TW301", "training loss", "optimizer step", "a title"} <= set(told)


def test_another_quantity_goes_across_in_its_own_numbers_and_points_are_not_joined() -> None:
    rates = Curve(steps=(1e-3, 1e-1, 10.0), values=(1.0, 0.5, 2.0), total=3)
    sick, healed = Twin(name="sick", each=rates), Twin(name="healed", each=rates)
    text = pair_svg("t", "loss", sick, healed, None, by="rate, logarithmic", dots=True)
    picture = ElementTree.fromstring(text)
    assert {"rate, logarithmic", "0.1"} <= set(words(picture))
    assert len([element for element in picture.iter() if element.tag.endswith("}circle")]) == 6
    assert "sick: 3 points from 0.5 to 2." in text
    assert "loss by rate, logarithmic." in text


def test_what_is_counted_has_no_fractions_on_its_axis() -> None:
    sick, healed = (Twin(name=name, each=curve(1.0, 2.0, 3.0)) for name in ("sick", "healed"))
    told = words(ElementTree.fromstring(pair_svg("t", "loss", sick, healed, None, by="epoch")))
    assert {"epoch", "1", "2"} <= set(told)
    assert not {"0.5", "1.5"} & set(told)


def test_where_the_numbers_end_a_cross_says_so() -> None:
    told = words(drawn(curve(1.0, 2.0, math.nan, math.nan), curve(1.0, 0.5, 0.2, 0.1)))
    assert "sick: no number from here" in told
    assert "sick" not in told  # it has no right end to be named at
    assert "sick: no number from here" not in words(drawn(curve(1.0, math.nan, 2.0), curve(1.0, 0.5, 0.2)))


def test_runs_without_any_number_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        drawn(curve(math.nan), curve(math.nan))


def test_a_long_title_takes_a_second_line_and_the_drawing_moves_down() -> None:
    short, long = (drawn(curve(1.0, 2.0), curve(1.0, 0.5), title="a title" * count) for count in (1, 12))
    assert float(long.get("height", 0)) > float(short.get("height", 0))
    text = ElementTree.tostring(drawn(curve(1.0, 2.0), curve(1.0, 0.5), title="<b> & more")).decode()
    assert "&lt;b&gt; &amp; more" in text


def test_a_label_avoids_the_curve_and_stays_in_its_frame() -> None:
    frame = Frame(left=0, right=200, top=0, bottom=100)
    rising = [(50.0, 50.0), (200.0, 10.0)]
    (x, y), anchor = place_label("TW301", 50, 50, frame, [rising])
    assert (anchor, x, y) == ("start", 60, 71)  # below, for the curve goes up
    (_, y), anchor = place_label("TW301", 195, 5, frame, [])
    assert anchor == "end"
    assert 0 <= y <= 100


def test_colours_are_there_for_day_and_night() -> None:
    text = pair_svg("t", "loss", Twin(name="sick", each=curve(1.0)), Twin(name="healed", each=curve(2.0)), None)
    assert "prefers-color-scheme: dark" in text
    assert re.search(r"\.sick \{ stroke: #D55E00 \}", text)


def test_curves_are_told_apart_by_their_level_their_spread_and_where_they_end() -> None:
    flat = [(step, 1.0) for step in range(100)]
    assert pictures.apart(flat, flat) == 0
    assert pictures.apart(flat, [(step, 1.0 / (1 + step)) for step, _ in flat]) > pictures.APART
    assert pictures.apart(flat, [(step, 1.0 + 0.5 * (-1) ** step) for step, _ in flat]) > pictures.APART
    assert pictures.apart(flat, [(step, 1.0 if step < 10 else math.nan) for step, _ in flat]) == 1
    assert pictures.apart(flat, flat[:2]) == 0  # two points are no curve


def test_few_points_are_kept_and_each_extreme_among_them() -> None:
    points = [(step, 1000.0 if step == 333 else 1.0 + step % 7) for step in range(1000)]
    kept = pictures.thinned(points, 10, log=True)
    assert len(kept["each"][0]) <= pictures.EACH
    assert len(kept["mean"][0]) <= pictures.MEAN
    assert max(kept["each"][1]) == 1000
    assert pictures.thinned([(0, math.nan), (1, 2.0)], 0, log=False) == {"each": [[0, 1], [None, 2.0]]}
