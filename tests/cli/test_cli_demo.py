from __future__ import annotations

from pathlib import Path

from cli_answers import Ask, assert_plain, strict_json

from trainwright.stages.demo import PLANTED
from trainwright.stages.recipe import Recipe


def test_the_demo_tells_its_story_with_real_runs(ask: Ask, place: Path) -> None:
    answer = ask("demo", "--json", "answer.json")
    assert answer.status == 0, answer.err
    assert answer.err == ""
    assert_plain(answer.out)
    document = strict_json((place / "answer.json").read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert document["findings"] == []
    runs = document["runs"]
    assert list(runs) == ["well", "sick", "healed"]
    accuracy = {name: run["best"]["test"]["accuracy"] for name, run in runs.items()}
    assert accuracy["well"] >= 0.97
    assert accuracy["healed"] >= 0.97
    assert accuracy["healed"] > accuracy["sick"]
    assert runs["healed"]["findings"] == []

    home = place / "runs" / "demo-001"
    blamed = runs["sick"]["findings"][0]
    assert blamed["code"] == "TW601"
    line = (home / "sick.toml").read_text(encoding="utf-8").splitlines()[blamed["where"]["line"] - 1]
    assert line == f"lr = {PLANTED['optimizer.lr']}"
    patch = next(remedy["change"] for remedy in blamed["remedies"] if remedy["change"])
    assert Recipe.read(home / "healed.toml").plain() == Recipe.read(home / "sick.toml").changed(patch).plain()

    applied = answer.out.index(f"The remedy of {blamed['code']}, applied: ")
    for name, value in patch.items():  # what is applied was proposed before
        assert f"{name} = {value}" in answer.out[:applied]

    assert Path(document["report"]).is_file()
    assert document["report"] == str(home / "2-sick" / "report.html")
    assert document["report"] in answer.out
    assert any(row["method"] == "ensemble of 5" for row in document["finish"]["gains"]["rows"])
    assert (home / "4-finished" / "report.html").is_file()
    for words in ("What it was worth", "what gained and what lost", "sick", "healed", "trainwright explain TW601"):
        assert words in answer.out
    listed = ask("runs", "list", home, "--json", "-").document["runs"]
    assert [Path(run["folder"]).name for run in listed] == ["1-well", "2-sick", "3-healed"]
