"""The command `tune`: its exit status, its JSON, its lines, and two of them on one folder at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_answers import Ask, strict_json, write

RECIPE = """\
[data]
source = "iris"
[train]
epochs = 2
threads = 1
verify = "off"
[tune]
trials = 4
rounds = 1
final = {final}
[tune.space]
"optimizer.lr" = {{ log_uniform = [{low}, {high}] }}
"""


def asked(place: Path, *, low: str = "1e-3", high: str = "1e-1", final: int = 0) -> str:
    write(place / "recipe.toml", RECIPE.format(low=low, high=high, final=final))
    return "recipe.toml"


def test_a_study_answers_with_its_status_and_no_trace_of_a_traceback(place: Path, ask: Ask) -> None:
    answer = ask("tune", asked(place), "--folder", "study", "--json", "study.json")
    assert answer.status == 0, answer.err
    document = strict_json((place / "study.json").read_text())
    assert (document["status"], document["findings"], len(document["trials"])) == ("finished", [], 4)


def test_a_search_that_was_stopped_before_any_score_leaves_with_status_1(place: Path, ask: Ask) -> None:
    answer = ask("tune", asked(place), "--folder", "study", "--seconds", "0.000001", "--json", "study.json")
    assert answer.status == 1
    assert "allow more --seconds" in answer.err
    assert answer.out.count("best trials") <= 1
    assert strict_json((place / "study.json").read_text())["status"] == "stopped"


def test_trials_that_all_fail_leave_with_status_3(place: Path, ask: Ask) -> None:
    recipe = asked(place, low="1e25", high="1e30")
    answer = ask("tune", recipe, "--set", "train.clip_norm=0", "--set", "optimizer.name=sgd", "--json", "-")
    assert [finding["code"] for finding in answer.document["findings"]] == ["TW611"]
    assert answer.status == 3


@pytest.mark.parametrize(
    ("option", "words"),
    [(("--workers", "100000"), "hold each other up"), (("--trials", "1000000000"), "must be at most 100000")],
    ids=["workers", "trials"],
)
def test_numbers_beyond_all_reason_are_wrong_usage(option: tuple[str, str], words: str, place: Path, ask: Ask) -> None:
    answer = ask("tune", asked(place), *option)
    assert answer.status == 2
    assert words in answer.err
    assert not (place / "studies").exists()


def test_a_range_is_told_with_its_line(place: Path, ask: Ask) -> None:
    answer = ask("tune", asked(place, low="1e-1", high="1e-3"))
    assert answer.status == 2
    assert "recipe.toml:12: 'optimizer.lr': log_uniform: the range is upside down" in answer.err


def test_two_processes_on_one_folder_give_the_same_final_run(place: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "trainwright", "tune", asked(place, final=2), "--folder", "study"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(
            [*command, "--json", f"{name}.json"], cwd=place, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for name in ("one", "other")
    ]  # fmt: skip
    told = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(told)
    one, other = (json.loads((place / f"{name}.json").read_text())["final"] for name in ("one", "other"))
    assert one == other
    assert len(one["fresh_scores"]) == 2
    assert sorted(path.name for path in (place / "study").glob("final*")) == ["final", "final.json"]
