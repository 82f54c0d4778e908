"""Predicting and exporting from the shell: what is written, what is said, and that nothing is lost by a slip."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from cli_answers import Ask

from trainwright.errors import EXIT_FAILED, EXIT_USAGE
from trainwright.stages.recipe import Recipe
from trainwright.stages.train import train

ROWS = [(f"{place * 0.37:.2f}", "xyz"[place % 3], ["no", "yes, sir"][place > 60]) for place in range(120)]
QUICK = {"train": {"steps": 10, "verify": "off"}, "doctor": {"level": "off"}}
TEXT = "the cat sat on the mat, and the dog on the log. " * 30


def table(rows: list[tuple[str, ...]], header: tuple[str, ...] = ("size", "kind", "row")) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return file.getvalue()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of a table, whose target is called like a column of ours, and a run of a text."""
    folder = tmp_path_factory.mktemp("predict")
    (folder / "t.csv").write_text(table(ROWS))
    (folder / "t.txt").write_text(TEXT)
    data = {"source": str(folder / "t.csv"), "target": "row"}
    train(Recipe.of({"data": data, **QUICK}), folder=folder / "table")
    text = {"data": {"source": str(folder / "t.txt"), "context": 12}}
    model = {"model": {"name": "transformer", "layers": 1, "width": 8, "heads": 2}}
    train(Recipe.of({**text, **model, **QUICK}), folder=folder / "text")
    return folder


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_predictions_are_written_with_a_column_for_each_class(runs: Path, place: Path, ask: Ask) -> None:
    Path("new.csv").write_text(table([("z", "1.5", "=1+1"), ("x", "", "b")], ("kind", "size", "name")))
    answer = ask("predict", str(runs / "table"), "new.csv", "--output", "out.csv", "--keep", "name")
    assert answer.status == 0
    assert "2 predictions in out.csv" in answer.out
    assert "were passed over: 'name'" in answer.out
    header, *rows = read(Path("out.csv").read_text())
    assert header == ["row", "name", "prediction", "no", "yes, sir"]
    assert [row[:2] for row in rows] == [["1", "'=1+1"], ["2", "b"]]
    for row in rows:
        assert float(row[3]) + float(row[4]) == pytest.approx(1)
        assert row[2] == header[3 + (float(row[4]) > float(row[3]))]


def test_parquet_csv_and_standard_output_hold_the_same(runs: Path, place: Path, ask: Ask) -> None:
    data = str(runs / "t.csv")
    for name in ("out.csv", "out.parquet"):
        assert ask("predict", str(runs / "table"), data, "--output", name).status == 0
    answer = ask("predict", str(runs / "table"), data, "--output", "-")
    assert answer.out == Path("out.csv").read_text()
    assert "accuracy" in answer.err
    frame = pl.read_parquet("out.parquet")
    assert frame.schema["row"] == pl.Int64
    assert frame["prediction"].to_list() == [row[1] for row in read(answer.out)[1:]]
    assert frame["no"].to_list() == [float(row[2]) for row in read(answer.out)[1:]]


def test_the_document_holds_predictions_metrics_and_notes(runs: Path, place: Path, ask: Ask) -> None:
    answer = ask("predict", str(runs / "table"), str(runs / "t.csv"), "--json", "-")
    document = answer.document
    assert document["classes"] == ["no", "yes, sir"]
    assert (document["count"], document["scored"]) == (120, 120)
    assert set(document["metrics"]) == {"loss", "accuracy"}
    assert len(document["predictions"]) == 120
    assert set(document["predictions"][0]) == {"row", "prediction", "no", "yes, sir"}


def test_a_slip_leaves_no_file_and_names_the_cell(runs: Path, place: Path, ask: Ask) -> None:
    bad = [*ROWS[:-1], ("much", "x", "no")]
    Path("new.csv").write_text(table(bad))
    answer = ask("predict", str(runs / "table"), "new.csv", "--output", "out.csv")
    assert answer.status == EXIT_FAILED
    assert "'size'" in answer.err
    assert "line 121" in answer.err
    assert [path.name for path in Path.cwd().iterdir()] == ["new.csv"]


def test_nothing_is_overwritten_unless_asked_and_never_the_data(runs: Path, place: Path, ask: Ask) -> None:
    Path("new.csv").write_text(table(ROWS))
    Path("out.csv").write_text("mine")
    answer = ask("predict", str(runs / "table"), "new.csv", "--output", "out.csv")
    assert (answer.status, Path("out.csv").read_text()) == (EXIT_FAILED, "mine")
    assert "--overwrite" in answer.err
    answer = ask("predict", str(runs / "table"), "new.csv", "--output", "new.csv", "--overwrite")
    assert (answer.status, Path("new.csv").read_text()) == (EXIT_USAGE, table(ROWS))
    assert ask("predict", str(runs / "table"), "new.csv", "--output", "out.csv", "--overwrite").status == 0
    assert Path("out.csv").read_text().startswith("row,prediction")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["table"], EXIT_USAGE, "nothing to predict"),
        (["table", "t.csv", "--prompt", "the"], EXIT_USAGE, "two different questions"),
        (["table", "t.csv", "--output", "out.xlsx"], EXIT_USAGE, "written as .csv or .parquet"),
        (["table", "t.csv", "--output", "-", "--json", "-"], EXIT_USAGE, "cannot both go"),
        (["table", "t.csv", "--keep", "kinds"], EXIT_FAILED, "did you mean 'kind'"),
        (["tabel", "t.csv"], EXIT_FAILED, "did you mean 'table'"),
        (["table", "u.csv"], EXIT_FAILED, "cannot be found"),
        (["table", "--prompt", "the"], EXIT_USAGE, "only a model of texts"),
        (["text", "t.csv"], EXIT_FAILED, "which the training text does not"),
        (["text", "--prompt", "the", "--output", "o.csv"], EXIT_USAGE, "--output is for predictions of data"),
        (["text", "--prompt", "THE"], EXIT_FAILED, "not in the vocabulary"),
    ],
)
def test_what_makes_no_sense_is_refused(
    runs: Path, place: Path, ask: Ask, arguments: list[str], status: int, message: str
) -> None:
    given = [str(runs / each) if each in ("table", "text", "tabel", "t.csv", "u.csv") else each for each in arguments]
    answer = ask("predict", *given)
    assert answer.status == status
    assert message in answer.err
    assert "Traceback" not in answer.err


def test_a_text_goes_on_and_a_text_file_is_scored(runs: Path, place: Path, ask: Ask) -> None:
    spoken = ask("predict", str(runs / "text"), "--prompt", "the c", "--length", "20", "--seed", "3")
    assert spoken.out.startswith("the c")
    again = ask("predict", str(runs / "text"), "--prompt", "the c", "--length", "20", "--seed", "3", "--json", "-")
    assert again.document["text"] == spoken.out.rstrip("\n")
    scored = ask("predict", str(runs / "text"), str(runs / "t.txt"), "--output", "out.csv")
    assert "accuracy" in scored.out
    header, *rows = read(Path("out.csv").read_text())
    assert header == ["character", "characters", "loss", "perplexity"]
    assert sum(int(row[1]) for row in rows) == len(TEXT) - 1


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_an_export_predicts_like_its_run(runs: Path, place: Path, ask: Ask, form: str) -> None:
    answer = ask("export", str(runs / "table"), "--to", form, "--output", "out", "--json", "-")
    assert answer.status == 0
    assert answer.document["card"]["format"] == form
    first, second = (
        ask("predict", model, str(runs / "t.csv"), "--output", "-").out for model in (str(runs / "table"), "out")
    )
    assert first == second
    assert ask("export", str(runs / "table"), "--to", form, "--output", "out").status == EXIT_FAILED
    assert ask("export", str(runs / "table"), "--to", form, "--output", "out", "--overwrite").status == 0


def test_a_form_or_a_run_that_is_not_there_is_named(runs: Path, place: Path, ask: Ask) -> None:
    answer = ask("export", str(runs / "table"), "--to", "pickle")
    assert (answer.status, "known: safetensors, onnx, torch" in answer.err) == (EXIT_USAGE, True)
    answer = ask("export", "nothing")
    assert answer.status == EXIT_FAILED
    assert not list(Path.cwd().iterdir())


def test_the_card_is_json_that_every_parser_reads(
    runs: Path, place: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("export", str(runs / "text"), "--output", "out")

    def refuse(name: str) -> float:
        raise ValueError(name)

    json.loads(Path("out/card.json").read_text(), parse_constant=refuse)
