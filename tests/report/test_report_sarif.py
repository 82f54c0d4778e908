"""Findings for other programs (SARIF, GitHub), and the report of a watched loop."""

from __future__ import annotations

import json
import linecache
from pathlib import Path

from trainwright.records import Chart, Evidence, Finding, Location, LoopFacts, OptimizerFacts, Remedy, RunInfo
from trainwright.report.annotations import github_annotations
from trainwright.report.sarif import sarif_document
from trainwright.report.source import read_source_line
from trainwright.report.watch_text import render_watch

HERE = "/home/me/project"
SOFTMAX = Finding(
    code="TW301",
    kind="softmax-before-cross-entropy",
    severity="error",
    title="softmax, then cross_entropy: 100% sure",
    where=Location(file=f"{HERE}/src/my train.py", line=41),
    step=0,
    evidence=(Evidence(name="largest error", value=float("nan"), threshold=1e-3),),
    because="it is\napplied twice",
    remedies=(Remedy(text="pass the raw logits", change={"loss.name": "cross_entropy"}),),
)
DEAD = Finding(
    code="TW401",
    kind="dead-relu",
    severity="warning",
    title="a layer is dead",
    where=Location(module="body.3", parameter="weight"),
)
CELL = Finding(code="TW103", kind="x-y", severity="note", title="a note", where=Location(file="<stdin>", line=2))
ELSEWHERE = Finding(code="TW301", kind="softmax-before-cross-entropy", severity="error", title="t",
                    where=Location(file="/other/a.py"))  # fmt: skip


def test_sarif_has_what_the_standard_and_code_scanning_require() -> None:
    log = sarif_document([DEAD, SOFTMAX, CELL, ELSEWHERE], version="1.2.3", folder=HERE, pages={"TW301": "the page"})
    log = json.loads(json.dumps(log, allow_nan=False))
    assert (log["version"], log["$schema"].endswith("sarif-2.1.0.json")) == ("2.1.0", True)
    [run] = log["runs"]
    driver, results = run["tool"]["driver"], run["results"]
    assert driver["name"] == "trainwright"
    assert [rule["id"] for rule in driver["rules"]] == ["TW103", "TW301", "TW401"]
    assert driver["rules"][1]["name"] == "SoftmaxBeforeCrossEntropy"
    assert driver["rules"][1]["help"] == {"text": "the page"}
    assert [result["level"] for result in results] == ["error", "error", "warning", "note"]
    for result in results:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["partialFingerprints"]


def test_sarif_places_are_relative_to_the_folder_where_they_lie_inside() -> None:
    run = sarif_document([SOFTMAX, ELSEWHERE, DEAD, CELL], version="1", folder=HERE)["runs"][0]
    places = [(result["locations"] or [{}])[0] for result in run["results"]]
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": f"file://{HERE}/"}}
    assert places[0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/my%20train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 41},
    }
    assert places[1]["physicalLocation"] == {"artifactLocation": {"uri": "file:///other/a.py"}}
    assert places[2] == {"logicalLocations": [{"fullyQualifiedName": "body.3.weight", "kind": "parameter"}]}
    assert places[3]["physicalLocation"]["artifactLocation"] == {"uri": "%3Cstdin%3E"}


def test_a_fault_is_known_again_when_its_line_has_moved() -> None:
    moved = Finding(**{**vars(SOFTMAX), "where": Location(file=SOFTMAX.where.file, line=52), "step": 3})
    prints = [
        sarif_document([finding], version="1", folder=HERE)["runs"][0]["results"][0]["partialFingerprints"]
        for finding in (SOFTMAX, moved, DEAD)
    ]
    assert prints[0] == prints[1] != prints[2]


def test_no_findings_are_an_empty_run() -> None:
    [run] = sarif_document([], version="1", folder=HERE)["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_annotations_are_one_line_each_worst_first_and_escaped() -> None:
    lines = github_annotations([DEAD, CELL, SOFTMAX], folder=HERE).split("\n")
    assert len(lines) == 3
    head, message = lines[0].split("::")[1:]
    assert head == "error file=src/my train.py,line=41,title=TW301 softmax%2C then cross_entropy%3A 100%25 sure"
    assert message.split("%0A")[1:3] == ["because: it is applied twice", "remedy: pass the raw logits"]
    assert lines[1].startswith("::warning title=TW401 a layer is dead::")
    assert lines[2].startswith("::notice file=<stdin>,line=2,")


def test_the_line_of_a_notebooks_cell_is_shown_though_it_lies_in_no_file() -> None:
    name = "/tmp/ipykernel_12/345.py"
    linecache.cache[name] = (20, None, ["import torch\n", "loss = f(x)\n"], name)
    try:
        line = read_source_line(Location(file=name, line=2))
        assert line is not None
        assert (line.text, line.text[line.start : line.end]) == ("loss = f(x)", "f(x)")
        assert read_source_line(Location(file=name, line=3)) is None
    finally:
        del linecache.cache[name]


def test_a_file_on_disk_is_read_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "s.py"
    file.write_text("new = 1\n")
    linecache.cache[str(file)] = (8, None, ["old = 1\n"], str(file))
    try:
        line = read_source_line(Location(file=str(file), line=1))
        assert line is not None
        assert line.text == "new = 1"
    finally:
        del linecache.cache[str(file)]


def _chart(**facts: object) -> Chart:
    loop = LoopFacts(**facts)  # type: ignore[arg-type]
    return Chart(info=RunInfo(name="train", loop=loop))


def test_the_brief_report_names_findings_and_says_what_was_healthy_and_what_not_judged() -> None:
    chart = _chart(steps=1200, backwards=1200, epochs=3, optimizers=(OptimizerFacts(name="Adam"),), unseen=("layers",))
    missing = {"overfitting": "there is no validation data", "plateau": "it was short", "dead-relu": "it was short"}
    text = render_watch(chart, [DEAD, SOFTMAX], healthy=["a", "b"], not_judged=missing, brief=True, width=200)
    assert text == (
        "trainwright: 1,200 steps, 3 epochs seen (Adam)\n"
        f"  error[TW301]: softmax, then cross_entropy: 100% sure ({HERE}/src/my train.py:41, at step 0)\n"
        "  warning[TW401]: a layer is dead (body.3.weight (parameter))\n"
        "  healthy:     2 faults looked for and not found\n"
        "  not judged:  overfitting, because there is no validation data; plateau, dead relu, because it was short\n"
        "  not seen:    layers\n"
        "▲ 1 error, 1 warning"
    )


def test_the_whole_report_shows_findings_in_full_and_names_what_was_healthy() -> None:
    text = render_watch(_chart(steps=1), [SOFTMAX], healthy=["dead-relu"], not_judged={}, width=200)
    assert "= remedy:" in text
    assert "1 fault looked for and not found: dead relu" in text


def test_where_nothing_trained_nothing_is_called_healthy() -> None:
    text = render_watch(_chart(), [], healthy=["a"], not_judged={"b": "c"})
    assert "no training was seen" in text
    assert text.endswith("\n● nothing to judge")
