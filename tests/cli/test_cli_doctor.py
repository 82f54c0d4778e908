from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from cli_answers import Ask, assert_plain, assert_refused, strict_json, write

from trainwright.records import RunInfo, StepRecord, TargetStats, to_plain

HEALTHY = [(step, 2.3 * math.exp(-step / 30) + 0.1) for step in range(100)]


def table(path: Path, rows: list[tuple[int, float]] = HEALTHY, header: str = "step,loss") -> Path:
    return write(path, header + "\n" + "".join(f"{step},{loss}\n" for step, loss in rows))


def test_a_healthy_curve_is_status_0_and_what_was_taken_and_not_judged_is_said(place: Path, ask: Ask) -> None:
    table(place / "log.csv")
    answer = ask("doctor", "log.csv")
    assert answer.status == 0
    assert answer.err == ""
    assert_plain(answer.out)
    words = " ".join(answer.out.split())
    for said in (
        "took 'loss' for the training loss",
        "took 'step' for the step",
        "no findings: healthy as far as the curves show",
        "looked for and not found: non-finite-loss, learning-rate-too-high",
        "not judged, because no validation loss was logged",
        "not judged, because the learning rate was not logged",
        "not judged, because a log holds only curves",
    ):
        assert said in words


def test_a_loss_that_became_nan_is_status_3_with_the_step(place: Path, ask: Ask) -> None:
    table(place / "log.csv", [*HEALTHY[:60], *[(step, math.nan) for step in range(60, 70)]])
    answer = ask("doctor", "log.csv")
    assert answer.status == 3
    assert "error[TW803]: the loss is not finite" in answer.out
    assert "at step 60" in answer.out
    document = ask("doctor", "log.csv", "--json", "-").document
    assert [finding["code"] for finding in document["findings"]] == ["TW803"]
    assert document["findings"][0]["step"] == 60


def test_a_loss_that_grew_is_blamed_on_the_rate_that_the_log_holds(place: Path, ask: Ask) -> None:
    folder = place / "lightning_logs" / "version_0"
    write(folder / "hparams.yaml", "width: 8\nlr: 0.5\n")
    rows = [(step, 2.0 * 1.2**step) for step in range(40)]
    table(folder / "metrics.csv", rows, "step,train_loss")
    answer = ask("doctor", "lightning_logs")
    assert answer.status == 3
    assert "error[TW601]: the learning rate is too high: training diverged" in answer.out
    assert "hparams.yaml:2" in answer.out
    assert "lower the learning rate tenfold: 0.5 to 0.05" in answer.out


def test_a_warning_fails_only_where_strict_was_asked_for(place: Path, ask: Ask) -> None:
    rows = "".join(f"{step},{2 - step / 100},0.6931{step % 1}471\n" for step in range(50))
    write(place / "log.csv", "step,loss,val_loss\n" + rows)
    answer = ask("doctor", "log.csv")
    assert answer.status == 0
    assert "warning[TW505]: the model that is evaluated never changes" in answer.out
    assert ask("doctor", "log.csv", "--strict").status == 3
    table(place / "well.csv")
    assert ask("doctor", "well.csv", "--strict").status == 0


def test_the_document_holds_columns_notes_and_what_was_not_judged(place: Path, ask: Ask) -> None:
    table(place / "log.csv")
    answer = ask("doctor", "log.csv", "--json", "-")
    [run] = answer.document["runs"]
    assert run["columns"] == {"step": "step", "train_loss": "loss"}
    assert (run["points"], run["last_step"], run["source"]) == (100, 99, "log.csv")
    assert "non-finite-loss" in run["healthy"]
    assert run["not_judged"]["overfitting"] == "no validation loss was logged"
    assert "took 'loss' for the training loss" in run["notes"]
    assert "no findings" in answer.err
    ask("doctor", "log.csv", "--json", "answer.json")
    assert strict_json((place / "answer.json").read_text(encoding="utf-8")) == answer.document


def test_columns_may_be_said(place: Path, ask: Ask) -> None:
    table(place / "log.csv", header="a,b")
    assert_refused(ask("doctor", "log.csv"), 1, "no column of log.csv is a loss", "--columns", place=place)
    assert ask("doctor", "log.csv", "--columns", "train_loss=b,step=a").status == 0
    assert ask("doctor", "log.csv", "--columns", "train_loss=b", "--columns", "step=a").status == 0
    assert_refused(ask("doctor", "log.csv", "--columns", "loss=c"), 2, "no column 'c'", place=place)
    assert_refused(ask("doctor", "log.csv", "--columns", "los=b"), 2, "'los=b' says of no column", place=place)


def test_several_logs_are_listed_and_each_is_diagnosed(place: Path, ask: Ask) -> None:
    table(place / "logs" / "a" / "log.csv")
    table(place / "logs" / "b" / "log.csv", [(step, 2.0 * 1.2**step) for step in range(40)])
    write(place / "logs" / "data.csv", "width,height\n1,2\n")
    write(place / "logs" / "torn.jsonl", "")
    answer = ask("doctor", "logs")
    assert answer.status == 3
    assert "4 logs:" in answer.out
    assert "logs/a/log.csv: no findings" in answer.out
    assert "logs/b/log.csv: 1 error" in answer.out
    assert "logs/data.csv: left out, its columns are 'width', 'height'" in answer.out
    document = ask("doctor", "logs", "--json", "-").document
    assert [run["source"] for run in document["runs"]] == ["logs/a/log.csv", "logs/b/log.csv"]
    assert [left["source"] for left in document["left_out"]] == ["logs/data.csv", "logs/torn.jsonl"]


def test_a_run_folder_of_our_own_is_judged_by_all_rules(place: Path, ask: Ask) -> None:
    records = [StepRecord(step=step, epoch=0, loss=loss, rate=0.1, samples=8) for step, loss in HEALTHY]
    targets = TargetStats(samples=8, minimum=0, maximum=9, integral=True, distinct=10)
    head = {"schema": 1, "info": to_plain(RunInfo(task="classification", outputs=10, targets=targets))}
    write(place / "runs" / "one" / "run.json", json.dumps(head))
    lines = [json.dumps({"record": "step", **to_plain(record)}) + "\n" for record in records]
    write(place / "runs" / "one" / "metrics.jsonl", "".join(lines))
    write(place / "runs" / "one" / "tensorboard" / "events.out.tfevents.1", b"left alone")
    document = ask("doctor", "runs", "--json", "-").document
    [run] = document["runs"]
    assert run["form"] == "a run folder"
    assert "underfitting" in run["healthy"]
    assert "dead-relu" in run["not_judged"]
    assert run["columns"] == {}
    assert ask("doctor", "runs/one").status == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"step,loss\n", "no line of it holds a number"),
        (bytes(range(256)) * 9, "its bytes are no text"),
        (b":W&B\xe1\xbe\x00junk", "ends within a record"),
        (b"{}", "holds no record with a number"),
    ],
)
def test_what_cannot_be_read_is_status_1_and_says_why(content: bytes, words: str, place: Path, ask: Ask) -> None:
    write(place / "log.bin", content)
    answer = ask("doctor", "log.bin")
    assert_refused(answer, 1, "log.bin cannot be read", words, place=place)
    assert ask("doctor", "log.bin", "--json", "-").document["error"]["what"]


def test_what_is_not_there_and_a_folder_without_a_log_are_status_1(place: Path, ask: Ask) -> None:
    assert_refused(ask("doctor", "nowhere"), 1, "there is no log nowhere", place=place)
    (place / "empty").mkdir()
    assert_refused(ask("doctor", "empty"), 1, "there is no log in empty", "it is empty", place=place)
    table(place / "logs" / "a.csv", header="a,b")
    table(place / "logs" / "b.csv", header="a,b")
    assert_refused(ask("doctor", "logs"), 1, "none of the 2 logs in logs can be judged", place=place)


def test_a_log_that_may_not_be_read_is_status_1(place: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    table(place / "log.csv")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    answer = ask("doctor", "log.csv")
    assert answer.status == 1
    assert "Permission denied" in answer.err
    monkeypatch.setattr(os, "listdir", refuse)
    answer = ask("doctor", ".")
    assert answer.status == 1
    assert "Permission denied" in answer.err


def test_a_log_too_short_to_judge_is_no_health(place: Path, ask: Ask) -> None:
    write(place / "log.csv", "epoch,val_accuracy\n1,0.5\n")
    answer = ask("doctor", "log.csv")
    assert answer.status == 1
    assert "nothing could be judged" in answer.out


def test_hostile_words_in_a_log_do_not_reach_the_terminal(place: Path, ask: Ask) -> None:
    hostile = "loss\x1b[31m\u202e"
    table(place / "log\x1b[1m.csv", header=f"step,{hostile}")
    answer = ask("doctor", "log\x1b[1m.csv")
    assert answer.status == 0
    assert_plain(answer.out)
    rows = "".join(json.dumps({hostile: loss}) + "\n" for _, loss in HEALTHY)
    write(place / "log.jsonl", rows)
    assert_plain(ask("doctor", "log.jsonl").out)


def test_reading_a_log_changes_nothing(place: Path, ask: Ask) -> None:
    path = table(place / "log.csv")
    before = path.read_bytes(), sorted(place.iterdir())
    ask("doctor", ".")
    assert (path.read_bytes(), sorted(place.iterdir())) == before
