from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_answers import (
    QUICK,
    SICK,
    SICK_LINE,
    Ask,
    assert_plain,
    assert_refused,
    kept_runs,
    process,
    strict_json,
    write,
)

from trainwright.stages.recipe import Recipe
from trainwright.stages.train import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, made once and only copied from."""
    folder = tmp_path_factory.mktemp("trained")
    train(Recipe.read(write(folder / "well.toml", QUICK)), folder=folder / "well")
    train(Recipe.read(write(folder / "sick.toml", SICK)), folder=folder / "sick")
    return folder


@pytest.fixture
def runs(trained: Path, place: Path) -> Path:
    """A folder with a healthy, a sick, an unfinished and a damaged run, beside what is none."""
    for name in ("well", "sick"):
        shutil.copytree(trained / name, place / "runs" / name)
    shutil.copytree(trained / "well", place / "runs" / "going-on")
    edit(place / "runs" / "going-on", lambda head: [head.pop(name) for name in ("outcome", "findings", "digest")])
    shutil.copytree(trained / "well", place / "runs" / "torn")
    cut(place / "runs" / "torn" / "run.json", 0.5)
    write(place / "runs" / "notes" / "notes.txt", "no run")
    write(place / "runs" / "file.txt", "no folder")
    return place / "runs"


def edit(run: Path, change: Any) -> None:
    head = json.loads((run / "run.json").read_text(encoding="utf-8"))
    change(head)
    (run / "run.json").write_text(json.dumps(head), encoding="utf-8")


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("command", [["runs"], ["runs", "list"], ["runs", "list", "runs"]])
def test_the_list_holds_healthy_sick_unfinished_and_damaged_runs(command: list[str], runs: Path, ask: Ask) -> None:
    answer = ask(*command)
    assert answer.status == 0
    assert answer.err == ""
    assert_plain(answer.out)
    rows = {line.split()[0]: line for line in answer.out.splitlines() if line.startswith("runs/")}
    assert list(rows) == ["runs/going-on", "runs/sick", "runs/torn", "runs/well"]
    assert "not finished" in rows["runs/going-on"]
    assert "1 error" in rows["runs/sick"]
    assert "unreadable" in rows["runs/torn"]
    assert "finished" in rows["runs/well"]
    assert "test accuracy 0." in rows["runs/well"]
    assert "no findings" in rows["runs/well"]


def test_the_list_is_json_too(runs: Path, ask: Ask) -> None:
    answer = ask("runs", "--json", "-")
    assert answer.status == 0
    assert answer.document["schema"] == 1
    assert answer.document["findings"] == []
    listed = {Path(run["folder"]).name: run for run in answer.document["runs"]}
    assert list(listed) == ["going-on", "sick", "torn", "well"]
    assert listed["going-on"]["outcome"] is None
    assert listed["sick"]["findings"][0]["code"] == "TW601"
    assert "damaged" in listed["torn"]["error"]
    assert listed["well"]["best"]["test"]["accuracy"] > 0
    assert ask("runs", "list", "--json", "-").document == answer.document


def test_json_before_the_command_of_runs_is_told_where_to_go(runs: Path, ask: Ask) -> None:
    answer = ask("runs", "--json", "-", "list")
    assert answer.status == 2
    assert "put it after: runs list" in answer.err


def test_a_folder_without_runs_is_said_to_hold_none(place: Path, ask: Ask) -> None:
    (place / "runs").mkdir()
    assert ask("runs").out == "no runs in runs; make one with: trainwright train RECIPE\n"
    assert ask("runs", "--json", "-").document["runs"] == []


def test_the_folder_of_one_run_lists_that_run(runs: Path, ask: Ask) -> None:
    assert [run["name"] for run in ask("runs", "list", "runs/well", "--json", "-").document["runs"]] == ["iris"]


def test_a_shown_run_tells_outcome_digest_and_best(runs: Path, ask: Ask) -> None:
    answer = ask("runs", "show", "runs/well", "--json", "-")
    assert answer.status == 0
    document = answer.document
    head = json.loads((runs / "well" / "run.json").read_text(encoding="utf-8"))
    assert document["digest"] == head["digest"]
    assert document["outcome"]["status"] == "finished"
    assert {split: list(values) for split, values in document["best"].items()} == {
        split: ["loss", "accuracy"] for split in ("train", "validation", "test")
    }
    words = ask("runs", "show", "runs/well").out
    assert head["digest"] in words
    assert_plain(words)


@pytest.mark.parametrize("command", [["runs", "show"], ["report"]])
def test_an_error_finding_in_a_stored_run_is_status_3(command: list[str], runs: Path, ask: Ask) -> None:
    answer = ask(*command, "runs/sick")
    assert answer.status == 3
    assert "error[TW601]" in answer.out
    assert f"sick.toml:{SICK_LINE}" in answer.out
    assert ask(*command, "runs/sick", "--json", "-").document["findings"][0]["severity"] == "error"
    assert ask(*command, "runs/well").status == 0


def test_a_run_that_diverged_is_not_healthy_whatever_the_doctor_found(runs: Path, ask: Ask) -> None:
    def diverge(head: dict[str, Any]) -> None:
        head["outcome"] |= {"status": "diverged", "reason": "the loss was not finite"}

    edit(runs / "well", diverge)
    assert ask("runs", "show", "runs/well").status == 3
    assert ask("report", "runs/well").status == 3


def test_an_unfinished_run_is_shown_and_judged_as_far_as_it_went(runs: Path, ask: Ask) -> None:
    shown = ask("runs", "show", "runs/going-on", "--json", "-")
    assert shown.status == 0
    assert (shown.document["outcome"], shown.document["digest"], shown.document["best"]) == (None, None, {})
    report = ask("report", "runs/going-on", "--json", "-")
    assert report.status == 0
    assert (runs / "going-on" / "report.html").is_file()


def test_a_report_is_a_page_and_a_text(runs: Path, ask: Ask) -> None:
    answer = ask("report", "runs/well")
    assert answer.status == 0
    assert_plain(answer.out)
    assert "page: runs/well/report.html" in answer.out
    page = (runs / "well" / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    document = ask("report", "runs/well", "--html", "page.html", "--json", "-").document
    assert document["page"] == "page.html"
    assert Path("page.html").read_text(encoding="utf-8") == page
    assert document["healthy"]
    assert set(document) >= {"schema", "findings", "outcome", "best", "digest", "folder", "not_judged", "notes"}


@pytest.mark.parametrize("page", ["runs", "runs/well/run.json/page.html", "no/such/folder/page.html"])
def test_a_page_that_cannot_be_written_is_an_error(page: str, runs: Path, ask: Ask) -> None:
    answer = ask("report", "runs/well", "--html", page)
    assert answer.status == 1
    assert f"the page {page} cannot be written" in answer.err
    assert "--html FILE" in answer.err


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_torn_head_is_told_as_damage(share: float, runs: Path, ask: Ask) -> None:
    cut(runs / "well" / "run.json", share)
    for command in (["runs", "show"], ["report"]):
        answer = ask(*command, "runs/well")
        assert answer.status == 1
        assert "the run in runs/well is damaged" in answer.err
        assert "Traceback" not in answer.err
        assert ask(*command, "runs/well", "--json", "-").document["error"]["evidence"]


@pytest.mark.parametrize(
    "head", ["[]", "3", "null", '"x"', "{}", '{"schema": 1}', '{"schema": "1", "info": {}}', '{"schema": 1, "info": 3}']
)
def test_a_head_of_another_shape_is_told_as_damage(head: str, runs: Path, ask: Ask) -> None:
    (runs / "well" / "run.json").write_text(head, encoding="utf-8")
    for command in (["runs", "show"], ["report"]):
        answer = ask(*command, "runs/well")
        assert answer.status == 1
        assert "the run in runs/well is damaged" in answer.err
    assert "runs/well" in ask("runs").out


@pytest.mark.parametrize("facts", [3, [], "x", {"splits": [], "notes": 3}, {"splits": {"train": 4}, "notes": [1]}])
def test_facts_of_another_shape_do_not_keep_the_report_from_being_written(facts: Any, runs: Path, ask: Ask) -> None:
    edit(runs / "well", lambda head: head.update(data=facts, versions=facts))
    assert ask("report", "runs/well").status == 0


@pytest.mark.parametrize("name", ["metrics.jsonl", "events.jsonl"])
def test_torn_or_missing_curves_are_noted_and_read_around(name: str, runs: Path, ask: Ask) -> None:
    cut(runs / "well" / name, 0.7)
    with open(runs / "well" / name, "ab") as file:
        file.write(b'\n{"record": "step"}\n\xff\x00\n[]\n')
    answer = ask("runs", "show", "runs/well", "--json", "-")
    assert answer.status == 0
    assert any(name in note for note in answer.document["notes"])
    assert f"of {name} could not be read" in ask("report", "runs/well").out
    (runs / "well" / name).unlink()
    assert f"note: {name} is missing" in ask("runs", "show", "runs/well").out
    assert ask("report", "runs/well").status == 0


def test_a_run_of_a_newer_version_is_refused_with_the_remedy(runs: Path, ask: Ask) -> None:
    edit(runs / "well", lambda head: head.update(schema=99))
    for command in (["runs", "show"], ["report"]):
        answer = ask(*command, "runs/well")
        assert answer.status == 1
        assert "written by a newer trainwright" in answer.err
        assert "update trainwright" in answer.err
    assert "unreadable" in ask("runs").out


def test_a_misspelt_run_is_told_with_the_nearest(runs: Path, ask: Ask) -> None:
    answer = ask("runs", "show", "runs/wel")
    assert answer.status == 1
    assert "there is no run folder runs/wel" in answer.err
    assert "did you mean 'well'?" in answer.err


def test_reading_a_run_changes_nothing_in_it(runs: Path, ask: Ask) -> None:
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    ask("runs")
    ask("runs", "show", "runs/well")
    ask("report", "runs/well", "--html", "page.html")
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


def test_what_the_readers_encoding_lacks_is_shown_escaped(runs: Path, place: Path) -> None:
    for encoding in ("ascii", "cp1252"):
        answer = process("runs", "show", "runs/well", cwd=place, PYTHONIOENCODING=encoding)
        assert answer.status == 0
        assert answer.err == ""
        assert "iris: \\u2713 finished" in answer.out


def test_hostile_words_in_a_stored_run_reach_neither_terminal_nor_page(runs: Path, ask: Ask) -> None:
    hostile = "\x1b[31m\u202e<script>alert(1)</script>\u009b:100:"

    def poison(head: dict[str, Any]) -> None:
        head["info"] |= {"name": hostile, "model": hostile, "loss": hostile, "optimizer": hostile}
        head["digest"] = hostile
        head["outcome"]["reason"] = hostile
        head["data"] |= {"notes": [hostile], "fingerprint": hostile}
        finding = head["findings"][0]
        finding |= {"title": hostile, "because": hostile, "code": hostile, "where": {"file": hostile, "line": 1}}
        finding["evidence"][0] |= {"name": hostile, "value": hostile}
        finding["remedies"][0] |= {"text": hostile, "change": {hostile: hostile}}

    edit(runs / "sick", poison)
    edit(runs / "going-on", lambda head: head.update(schema=hostile))
    for command in (["runs"], ["runs", "show", "runs/sick"], ["report", "runs/sick"]):
        answer = ask(*command)
        assert answer.status in (0, 3)
        assert_plain(answer.out + answer.err)
        assert ":100:" in answer.out or command == ["runs"]
    page = (runs / "sick" / "report.html").read_text(encoding="utf-8")
    assert not {"\x1b", "\u202e", "\u009b"} & set(page)
    assert "<script" not in page
    strict_json(ask("runs", "show", "runs/sick", "--json", "-").out)


def test_a_run_folder_with_a_hostile_name_is_told_harmlessly(runs: Path, ask: Ask) -> None:
    (runs / "well").rename(runs / "\x1b[31mwell\n<b>")
    listed = ask("runs")
    assert "\\x1b[31mwell\\n<b>" in listed.out
    assert_plain(listed.out)
    assert_plain(ask("report", "runs/\x1b[31mwell\n<b>").out)
    assert_refused(ask("runs", "show", "\x1b[31m"), 1, "\\x1b[31m", place=runs / "notes")
    assert kept_runs(runs / "notes") == []
