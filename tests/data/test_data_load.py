from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from data_files import csv_text, housing, mnist_like, write_csv

from trainwright.data.embedded import EMBEDDED
from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.errors import DataError, UsageError
from trainwright.records import to_plain


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_data_are_what_their_record_says(name: str) -> None:
    spec, data = EMBEDDED[name], load(name)
    assert (data.shape.input_shape, data.shape.outputs, data.shape.task) == (spec.input_shape, spec.outputs, spec.task)
    assert data.validation is not None
    assert data.test is not None
    assert len(data.train) + len(data.validation) + len(data.test) == spec.rows
    assert len(data.classes) == (spec.outputs if spec.task == "classification" else 0)
    assert abs(float(data.train.x.mean())) < 1e-5
    assert (data.train.x.dtype, len(data.fingerprint), len(data.train.digest)) == (torch.float32, 64, 64)
    summary = inspect(name)
    assert (summary.rows, summary.input_shape, summary.task) == (spec.rows, spec.input_shape, spec.task)
    assert sum(count for _, count in summary.classes) == (spec.rows if spec.task == "classification" else 0)
    assert to_plain(summary)["source"] == name


def test_digits_are_images_and_raw_ones_run_to_sixteen() -> None:
    data = load("digits", normalise="none")
    assert (float(data.train.x.min()), float(data.train.x.max())) == (0.0, 16.0)
    assert load("digits").preprocessing["scale"] == 16.0


def test_embedded_tables_can_ignore_columns() -> None:
    assert load("iris", ignore=["petal width (cm)"]).shape.input_shape == (3,)
    with pytest.raises(DataError, match=r"did you mean 'petal width \(cm\)'"):
        load("iris", ignore=["petal width"])
    with pytest.raises(UsageError, match=r"data\.target has no meaning"):
        load("iris", target="species")
    with pytest.raises(UsageError, match="is a regression data set"):
        load("diabetes", task="classification")


def test_relative_sources_are_looked_for_beside_the_recipe_then_in_the_root_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("recipe", "root", "here")]
    for rows, folder in zip((30, 40, 50), folders, strict=True):
        folder.mkdir()
        write_csv(folder / "h.csv", csv_text(housing(rows)))
    monkeypatch.chdir(folders[2])
    monkeypatch.setenv("TRAINWRIGHT_DATA", str(folders[1]))
    found = []
    for folder in folders:
        found.append(inspect("h.csv", folder=str(folders[0])).rows)
        (folder / "h.csv").unlink()
    assert found == [30, 40, 50]
    write_csv(folders[0] / "h.csv", csv_text(housing(30)))
    assert inspect("h.csv", data_root=str(folders[0])).rows == 30
    monkeypatch.delenv("TRAINWRIGHT_DATA")
    assert inspect(str(folders[0] / "h.csv")).rows == 30


def test_a_missing_source_lists_the_places_and_the_nearest_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINWRIGHT_DATA", str(tmp_path / "root"))
    with pytest.raises(DataError, match="did you mean 'digits'") as caught:
        load("digit", folder=str(tmp_path / "recipe"))
    for place in ("recipe", "root", ""):
        assert str(tmp_path / place / "digit") in caught.value.evidence
    (tmp_path / "root" / "housing").mkdir(parents=True)
    write_csv(tmp_path / "root" / "housing" / "data.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=f"did you mean '{tmp_path}/root/housing'"):
        load("houses/data.csv")
    with pytest.raises(DataError, match=f"did you mean '{tmp_path}/root/housing/data.csv'"):
        load("housing/dat.csv")
    with pytest.raises(DataError, match="known: digits"):
        load("x\0y")
    with pytest.raises(DataError, match="cannot be found"):
        load("n" * 5000)
    with pytest.raises(UsageError, match="no data is given"):
        load("")


def test_what_is_no_data_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"a folder, but no data set(.|\n)*it holds notes\.txt"):
        load(str(tmp_path))
    if Path("/dev/zero").exists():
        with pytest.raises(DataError, match="no regular file"):
            load("/dev/zero")


def test_the_target_is_guessed_and_the_reason_given(tmp_path: Path) -> None:
    def look(text: str) -> tuple[str | tuple[str, ...] | None, str]:
        summary = inspect(str(write_csv(tmp_path / "t.csv", text)))
        return summary.target, summary.target_reason

    assert look("Label,a\n" + "0,1.5\n1,2\n" * 9) == ("Label", "a column is called 'Label'")
    assert look("SalePrice,a\n" + "2.5,1\n3.5,2\n" * 9)[0] == "SalePrice"
    assert look("median_house_value,a\n" + "2.5,1\n3.5,2\n" * 9)[0] == "median_house_value"
    assert look("a,b\n" + "0,1.5\n1,2.5\n" * 9) == ("b", "it is the last column; no name gives the target away")
    dated = "a,b,when\n" + "".join(f"{row},{row % 2},2024-01-0{row}\n" for row in range(1, 9))
    assert look(dated)[0] == "b"
    with pytest.raises(DataError, match="no column that can be predicted"):
        look("when\n2024-01-01\n2024-01-02\n")


def test_a_look_at_a_table_says_what_each_column_is(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "h.csv", csv_text(housing(60)))
    summary = inspect(str(path), target="ocean")
    assert [(column.name, column.kind, column.missing) for column in summary.columns] == [
        ("longitude", "number", 0),
        ("bedrooms", "number", 6),
        ("income", "number", 0),
        ("ocean", "category", 0),
        ("value", "number", 0),
    ]
    assert summary.columns[3].examples == ("INLAND", "NEAR BAY", "<1H OCEAN")
    assert (summary.task, summary.target_reason) == ("classification", "it was asked for")
    assert dict(summary.classes) == {"<1H OCEAN": 20, "INLAND": 20, "NEAR BAY": 20}
    assert summary.input_shape == (5,)
    with pytest.raises(DataError, match="did you mean 'ocean'"):
        inspect(str(path), target="ocaen")


def test_a_look_at_images_counts_the_classes(tmp_path: Path) -> None:
    summary = inspect(str(mnist_like(tmp_path, test=False)))
    assert (summary.rows, summary.input_shape, summary.target) == (60, (1, 4, 3), None)
    assert summary.classes == (("0", 20), ("1", 20), ("2", 20))
    assert "no test images" in summary.warnings[0]


def test_importing_the_room_needs_neither_polars_nor_sklearn() -> None:
    code = (
        "import sys, trainwright.data.load, trainwright.data.inspect, trainwright.data.batches;"
        "sys.exit(bool({'polars', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
