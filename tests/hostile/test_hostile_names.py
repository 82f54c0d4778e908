"""Names from data, recipes and user code in every renderer: shown, and obeyed by nothing that shows them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hostile_ask import ask, assert_plain, write_recipe
from playwright.sync_api import Browser

from trainwright.records.study_reading import StudyReading
from trainwright.report.annotations import github_annotations
from trainwright.report.checks_text import render_checks, render_verification
from trainwright.report.html import render_html
from trainwright.report.log_text import render_log
from trainwright.report.sarif import sarif_document
from trainwright.report.study_html import render_study_html
from trainwright.report.study_json import study_json
from trainwright.report.study_text import render_study
from trainwright.report.text import render_findings, render_headlines, render_run
from trainwright.report.watch_text import render_watch
from trainwright.serving.writing import inert, writing

sys.path.append(str(Path(__file__).parent.parent / "report"))
import report_runs  # pyright: ignore[reportMissingImports]
import report_studies  # pyright: ignore[reportMissingImports]

STRINGS = (
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31m\x90q\x9c",
    "\u202egnp.exe\u2066\u2069\u200b\ufeff",
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</title></style></svg><svg onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "[bold red]markup[/] :smile: [link=https://example.org]x[/link]",
    "{{7*7}} ${7*7} %(x)s {0}",
    "\r\n::error file=a.py,line=1::owned",
    "##[error]owned ##vso[task.setvariable]x",
    "x::error::owned\n::set-output name=a::b",
    '", "level": "none", "x": "\u2028\u2029\\',
    "=cmd|' /C calc'!A0",
    "a\nb\tc\rd\x00e\x7f\x85",
    "\ud800 lone",
    "\U000e0041\U000e0042 tags",
)
ORDER = re.compile(r"^\s*(::[\w-]+.*::|##\[|##vso)", re.MULTILINE)
KEPT = {"code", "kind", "severity", "status", "scale", "split", "task", "sampler", "confidence", "level", "metric"}
"""Fields that the program itself fills, from a closed set."""


def poisoned(value: Any, text: str) -> Any:
    """Return a record with `text` in every field that can come from outside."""
    if isinstance(value, str):
        return text
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init and field.name not in KEPT]
        changes = {name: poisoned(getattr(value, name), text) for name in fields}
        return dataclasses.replace(value, **changes)
    if isinstance(value, Mapping):
        return {
            f"{key}{text}" if isinstance(key, str) and "." in key else key: poisoned(each, text)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(poisoned(each, text) for each in value)
    return value


class Tags(HTMLParser):
    """What a browser would make of a page: its elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]


def assert_harmless_page(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert not tags.tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert all(link.startswith(("#", "data:,")) for link in tags.links)
    assert_plain(page.replace("\t", ""))
    assert page.count("<title>") == 1


def words_of(text: str) -> list[str]:
    """Everything that a person reads, in words, of a run in which every name is `text`."""
    made = poisoned(report_runs.diverged(), text)
    parts = (made.info, made.outcome, made.chart, made.findings)
    return [
        render_run(*parts),
        render_findings(made.findings),
        render_headlines(made.findings),
        render_log(made.chart, made.findings, remarks=[text], healthy=[text], not_judged={text: text}),
        render_checks(made.checks),
        render_verification(made.checks, made.findings),
    ]


@pytest.mark.parametrize("place", range(len(STRINGS)))
def test_no_name_gets_out_of_the_words_the_page_or_the_lines_for_programs(place: int) -> None:
    text = STRINGS[place]
    for words in words_of(text):
        assert_plain(words)
        assert not ORDER.search(words)
    made = poisoned(report_runs.diverged(), text)
    page = render_html(
        made.info, made.outcome, made.chart, made.findings, recipe=text, facts={"a" + text: text}, checks=made.checks
    )
    assert_harmless_page(page)
    lines = github_annotations(made.findings, folder="/nowhere").splitlines()
    assert len(lines) == len(made.findings)
    assert all(re.match(r"::(error|warning|notice) ", line) and line.count("::") >= 2 for line in lines)
    assert_plain("".join(lines))
    document = sarif_document(made.findings, version="1", folder="/nowhere")
    assert json.loads(json.dumps(document, allow_nan=False).encode("utf-8")) is not None
    assert {result["level"] for result in document["runs"][0]["results"]} <= {"error", "warning", "note"}


@pytest.mark.parametrize("place", range(0, len(STRINGS), 3))
def test_no_name_gets_out_of_a_studys_words_or_page(place: int) -> None:
    info = poisoned(report_studies.searched(), STRINGS[place])
    reading = StudyReading(
        name=STRINGS[place], info=info, findings=poisoned(report_runs.diverged().findings, STRINGS[place])
    )
    assert_plain(render_study(reading))
    assert_harmless_page(render_study_html(reading))
    assert json.loads(json.dumps(study_json(reading), allow_nan=False)) is not None


def test_a_browser_runs_nothing_of_a_page_of_hostile_names(browser: Browser, tmp_path: Path) -> None:
    made = poisoned(report_runs.diverged(), "".join(STRINGS[3:7]))
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    target = tmp_path / "report.html"
    target.write_text(
        render_html(made.info, made.outcome, made.chart, made.findings, recipe="".join(STRINGS[3:7])), encoding="utf-8"
    )
    page.goto(target.as_uri())
    assert page.title() != "owned"
    assert page.locator("script, img, iframe, [onerror], [onload]").count() == 0
    assert [url for url in asked if not url.startswith(("file:", "data:,"))] == []
    page.close()


@pytest.mark.parametrize("text", ["=1+1", "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "-", "--x"])
def test_a_formula_in_predictions_is_inert(text: str, tmp_path: Path) -> None:
    assert inert(text) == f"'{text}"
    for name in ("p.csv", "p.parquet"):
        with writing(tmp_path / name, overwrite=True) as writer:
            assert writer is not None
            writer.begin(["row", text])
            writer.write([[1, text]])
    cells = list(csv.reader(io.StringIO((tmp_path / "p.csv").read_text(encoding="utf-8"), newline="")))
    assert [each for row in cells for each in row if each.startswith(("=", "+", "-", "@", "\t"))] == []
    assert pl.read_parquet(tmp_path / "p.parquet").row(0)[1] == text  # which no spreadsheet reads


@pytest.mark.parametrize("number", ["-1", "+1.5", "-.5e-3", "-1,5", "word", ""])
def test_a_number_in_predictions_stays_one(number: str) -> None:
    assert inert(number) == number


def test_what_user_code_raises_is_shown_and_obeyed_by_nothing(tmp_path: Path) -> None:
    for place, text in enumerate(STRINGS[:-2]):
        module = tmp_path / f"own{place}.py"
        module.write_text(f"def build():\n    raise ValueError({text!r})\n", encoding="utf-8")
        recipe = write_recipe(tmp_path, "iris")
        answer = ask("train", recipe, "--set", f"model.name='own{place}:build'", "--json", "a.json", cwd=tmp_path)
        assert answer.status == 1
        assert_plain(answer.err + answer.out)
        assert not ORDER.search(answer.err)
        json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


def test_a_program_that_is_watched_names_nothing_that_is_obeyed() -> None:
    for text in STRINGS:
        made = poisoned(report_runs.diverged(), text)
        judged = {"healthy": [text], "not_judged": {text: text}, "withdrawn": [(text, 3, text)]}
        assert_plain(render_watch(made.chart, made.findings, **judged))
        assert_plain(render_watch(made.chart, made.findings, brief=True, **judged))
