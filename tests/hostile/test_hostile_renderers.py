"""Names in what the other commands show: a finished model, a network, a gradient check, a schedule, predictions."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_ask import ask, assert_plain, write_recipe
from test_hostile_names import ORDER, STRINGS, assert_harmless_page, poisoned

from trainwright.records.gradcheck import GradientCheck, ParameterCheck, SweepPoint
from trainwright.report.finish_html import render_finish_html
from trainwright.report.finish_text import render_finish
from trainwright.report.gradcheck_text import render_gradcheck, sweep_html
from trainwright.report.model_text import render_summary
from trainwright.report.schedule_text import render_schedule

sys.path.append(str(Path(__file__).parent.parent / "report"))
import report_runs  # pyright: ignore[reportMissingImports]
import test_report_finish  # pyright: ignore[reportMissingImports]
import test_report_model_text  # pyright: ignore[reportMissingImports]

PLACES = pytest.mark.parametrize("place", range(len(STRINGS)))


def assert_words(words: str) -> None:
    assert_plain(words)
    assert not ORDER.search(words)


@PLACES
def test_no_name_gets_out_of_a_finished_models_words_or_page(place: int) -> None:
    text = STRINGS[place]
    info = poisoned(test_report_finish.info(), text)
    findings = poisoned(report_runs.diverged().findings, text)
    assert_words(render_finish(info, findings))
    assert_harmless_page(render_finish_html(info, findings))


@PLACES
def test_no_name_gets_out_of_a_network_or_a_schedule(place: int) -> None:
    text = STRINGS[place]
    rows = [test_report_model_text.row(f"0.{text}", kind=text), test_report_model_text.row(text, used=False)]
    assert_words(render_summary(replace(test_report_model_text.summary(*rows), kind=text)))
    assert_words(render_schedule([0.1] * 20 + [0.01] * 20, marks=[(20, text)]))


@PLACES
def test_no_name_gets_out_of_a_gradient_check(place: int) -> None:
    text = STRINGS[place]
    sweep = tuple(SweepPoint(h=10.0**-power, relative_error=10.0 ** (power - 9)) for power in range(2, 8))
    one = ParameterCheck(
        name=text, shape=(2, 3), relative_error=0.5, band="wrong", entry=(1, 2), analytic=1.0, numeric=2.0, entries=6,
        total=6,
    )  # fmt: skip
    made = GradientCheck(
        parameters={text: one}, h=1e-5, loss=1.0, samples=2, method="exact", notes=(text,),
        left_out={text: text}, sweep=sweep,
    )  # fmt: skip
    assert_words(render_gradcheck(made))
    assert_harmless_page(sweep_html(made).replace("<title>", "", 1))  # the drawing has one of its own


LABELS = ("::error file=a.py::owned", "<script>alert(1)</script>", "\u202egnp.exe", "[bold]x[/]", "##[error]owned")


@pytest.mark.parametrize("label", [LABELS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in LABELS[1:])])
def test_no_name_of_a_table_gets_out_of_any_command(tmp_path: Path, label: str) -> None:
    rows = [f'{row},{row % 7},"{label if row < 20 else "y"}"' for row in range(40)]
    (tmp_path / "t.csv").write_text("\n".join([f'"{label}1",b,"{label}"', *rows]) + "\n", encoding="utf-8")
    recipe = write_recipe(tmp_path, "t.csv", threads=1, epochs=8)
    written = recipe.read_text(encoding="utf-8")
    recipe.write_text(written.replace("[train]", f"target = {json.dumps(label)}\n[train]"), encoding="utf-8")
    commands = (
        ["new", "t.csv", "--target", label, "-o", "new.toml"],
        ["train", recipe, "--folder", "run"],
        ["predict", "run", "t.csv"],
        ["summary", recipe],
        ["runs", "show", "run"],
        ["export", "run", "--output", "out"],
    )
    for command in commands:
        answer = ask(*command, cwd=tmp_path)
        assert answer.status in (0, 3), (command, answer)
        assert_words(answer.out + answer.err)
    for page in tmp_path.rglob("*.html"):
        assert_harmless_page(page.read_text(encoding="utf-8"))
    for card in tmp_path.rglob("*.json"):
        json.loads(card.read_text(encoding="utf-8"))
