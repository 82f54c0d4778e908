"""SARIF and annotations of GitHub Actions, from the commands that find faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_answers import SICK, SICK_LINE, Ask, strict_json, write

from trainwright.cli.findings_file import leave_findings, repository
from trainwright.errors import RunError
from trainwright.records import Finding, Location, to_plain


def test_train_writes_sarif_and_annotations_at_the_line_of_the_recipe(ask: Ask, place: Path) -> None:
    write(place / "sick.toml", SICK)
    answer = ask("train", "sick.toml", "--folder", "run", "--sarif", "out/found.sarif", "--github")
    results = strict_json((place / "out" / "found.sarif").read_text())["runs"][0]["results"]
    worst = results[0]
    location = worst["locations"][0]["physicalLocation"]
    assert (location["artifactLocation"]["uri"], location["region"]["startLine"]) == ("sick.toml", SICK_LINE)
    assert f"::error file=sick.toml,line={SICK_LINE},title={worst['ruleId']} " in answer.err
    assert answer.status == 3


def test_healthy_runs_leave_an_empty_log_and_no_annotations(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_findings({"findings": []}, place / "found.sarif", github=True)
    assert strict_json((place / "found.sarif").read_text())["runs"][0]["results"] == []
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_written_is_told_without_a_traceback(place: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        leave_findings({"findings": []}, place, github=False)


def test_paths_are_counted_from_the_checkout_where_there_is_one(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(place.parent))
    finding = Finding(code="TW301", kind="softmax-before-cross-entropy", severity="error", title="t",
                      where=Location(file=str(place / "a.py"), line=1))  # fmt: skip
    leave_findings({"findings": [to_plain(finding)]}, None, github=True)
    assert capsys.readouterr().err.startswith(f"::error file={place.name}/a.py,line=1,title=TW301 t::")
    assert repository("/elsewhere") == "/elsewhere"
