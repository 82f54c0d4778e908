from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data_files import csv_text, housing, write_csv

from trainwright.data.columns import Column, survey
from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.data.tablefile import open_table
from trainwright.errors import DataError


def write(path: Path, columns: dict[str, Any]) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    return path


def surveyed(tmp_path: Path, values: Any) -> Column:
    return survey(open_table(write(tmp_path / "t.parquet", {"column": values})))[0]


def housing_columns(rows: int = 120, seed: int = 0) -> dict[str, list[Any]]:
    words = housing(rows, seed)
    return {
        name: [row[name] if name == "ocean" else None if row[name] == "" else float(row[name]) for row in words]
        for name in words[0]
    }


def test_a_parquet_file_gives_what_the_same_csv_file_gives(tmp_path: Path) -> None:
    parquet = load(str(write(tmp_path / "h.parquet", housing_columns())), target="value")
    csv = load(str(write_csv(tmp_path / "h.csv", csv_text(housing()))), target="value")
    assert parquet.features == csv.features
    assert parquet.preprocessing["columns"] == csv.preprocessing["columns"]
    for one, other in zip((parquet.train, parquet.test), (csv.train, csv.test), strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)
        assert one.digest == other.digest
    assert parquet.name == "h"
    assert parquet.fingerprint != csv.fingerprint


def test_a_csv_file_may_be_the_test_of_a_parquet_file_and_the_other_way_round(tmp_path: Path) -> None:
    files = {
        name: (
            str(write(tmp_path / f"{name}.parquet", housing_columns(rows, seed))),
            str(write_csv(tmp_path / f"{name}.csv", csv_text(housing(rows, seed)))),
        )
        for name, rows, seed in (("train", 120, 0), ("test", 9, 5))
    }
    found = [load(train, target="value", test_source=test).test for train in files["train"] for test in files["test"]]
    for split in found:
        assert split is not None
        assert found[0] is not None
        assert torch.equal(split.x, found[0].x)
        assert torch.equal(split.y, found[0].y)


@pytest.mark.parametrize(
    ("values", "kind", "numbers"),
    [
        (pl.Series([1, 5, None, 7], dtype=pl.Int16), "number", [1, 5, np.nan, 7]),
        (pl.Series([1, 2**63, 3, 7], dtype=pl.UInt64), "number", [1, 2.0**63, 3, 7]),
        (pl.Series([0.1, float("nan"), 3.0, 4.0], dtype=pl.Float32), "number", [np.float32(0.1), np.nan, 3, 4]),
        ([decimal.Decimal("1.25"), decimal.Decimal("-2.5"), None], "number", [1.25, -2.5, np.nan]),
        ([datetime.timedelta(milliseconds=1500), datetime.timedelta(days=1)], "number", [1.5, 86_400]),
        ([True, False, None], "number", [1, 0, np.nan]),
    ],
)
def test_numbers_of_all_types_are_read_exactly(tmp_path: Path, values: Any, kind: str, numbers: list[float]) -> None:
    column = surveyed(tmp_path, values)
    assert column.kind == kind
    assert isinstance(column.values, np.ndarray)
    np.testing.assert_array_equal(column.values, np.array(numbers, dtype=np.float64))
    assert column.missing == int(np.isnan(numbers).sum())


def test_words_categories_and_dates_are_told_by_their_types(tmp_path: Path) -> None:
    assert surveyed(tmp_path, ["x", "y", None, "x"]).kind == "category"
    assert surveyed(tmp_path, pl.Series(["x", "y", None], dtype=pl.Categorical)).kind == "category"
    assert surveyed(tmp_path, pl.Series(["x", "y", None], dtype=pl.Enum(["x", "y"]))).missing == 1
    assert surveyed(tmp_path, [datetime.date(2024, 1, day) for day in (1, 2)]).kind == "date"
    stamps = pl.Series([datetime.datetime(2024, 1, day, 12, 30) for day in (1, 2)]).dt.replace_time_zone("Asia/Tokyo")
    assert surveyed(tmp_path, stamps).kind == "date"
    assert surveyed(tmp_path, [None, None]).kind == "constant"
    assert surveyed(tmp_path, [datetime.time(1, 2), datetime.time(3, 4)]).kind == "category"


def test_text_stays_words_even_where_it_looks_like_numbers(tmp_path: Path) -> None:
    column = surveyed(tmp_path, ["01", "02", "01", "10"])
    assert (column.kind, column.examples) == ("category", ("01", "02", "10"))
    many = surveyed(tmp_path, [f"{row}.5" for row in range(100)])
    assert many.kind == "identifier"
    assert "stored as text" in many.note
    data = load(
        str(write(tmp_path / "t.parquet", {"a": range(60), "label": ["007", "7", "07"] * 20})), validation=0, test=0
    )
    assert data.classes == ("007", "07", "7")


def test_marks_for_missing_values_in_text_are_taken_as_such_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"w": [" x ", "?", "NA", "", "y", None] * 4, "label": [0, 1] * 12})
    column = survey(open_table(path), without={"label"})[0]
    assert (column.missing, column.examples) == (16, ("x", "y"))
    assert load(str(path)).notes[0] == "t.parquet: cells taken as missing: '?' in 'w' (4); 'NA' in 'w' (4)"


def test_classes_and_labels_are_read_from_any_type(tmp_path: Path) -> None:
    columns = {"a": np.arange(60) * 1.5, "n": [0, 1, 2] * 20, "t": [True, False] * 30, "f": [0.0, 1.0] * 30}
    source = str(write(tmp_path / "t.parquet", columns))
    assert load(source, target="n").classes == ("0", "1", "2")
    assert load(source, target="t").classes == ("false", "true")
    assert load(source, target="f").classes == ("0", "1")
    assert load(source, target=["t", "f"]).classes == ("t", "f")
    assert load(source, target=["a", "n"]).shape.task == "regression"


def test_what_a_network_cannot_take_is_left_out_and_said(tmp_path: Path) -> None:
    columns = {
        "a": [1.5, 2.5, 3.0] * 10,
        "tags": [["x"], [], ["y", "z"]] * 10,
        "place": [{"lat": 1.0}] * 30,
        "raw": [b"\0\1"] * 30,
        "__index_level_0__": range(30),
        "label": [0, 1, 1] * 10,
    }
    source = str(write(tmp_path / "t.parquet", columns))
    data = load(source)
    assert data.features == ("a",)
    assert any("'tags' (lists), 'place' (records), 'raw' (bytes)" in note for note in data.notes)
    assert any("index of a data frame was left out (__index_level_0__)" in note for note in data.notes)
    assert load(source, ignore=["tags"]).features == ("a",)
    with pytest.raises(DataError, match=r"column 'tags'(.|\n)*holds lists, neither"):
        load(source, target="tags")


def test_a_value_that_is_not_finite_is_named_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"a": [1.0, 2.0, float("inf")] * 5, "label": [0, 1, 0] * 5})
    with pytest.raises(DataError, match=r"not finite(.|\n)*t\.parquet, row 3, column 'a': 'inf'"):
        load(str(path))


def test_a_class_that_the_test_file_adds_is_named_with_its_row(tmp_path: Path) -> None:
    train = write(tmp_path / "t.parquet", {"a": range(30), "label": ["x", "y"] * 15})
    test = write(tmp_path / "u.parquet", {"a": [1, 2], "label": ["x", "z"]})
    with pytest.raises(DataError, match=r"'z'(.|\n)*u\.parquet, row 2"):
        load(str(train), test_source=str(test))


def test_a_look_at_a_parquet_file_says_what_each_column_is(tmp_path: Path) -> None:
    summary = inspect(str(write(tmp_path / "h.parquet", housing_columns(60))), target="ocean")
    assert [(column.name, column.kind, column.missing) for column in summary.columns] == [
        ("longitude", "number", 0),
        ("bedrooms", "number", 6),
        ("income", "number", 0),
        ("ocean", "category", 0),
        ("value", "number", 0),
    ]
    assert dict(summary.classes) == {"<1H OCEAN": 20, "INLAND": 20, "NEAR BAY": 20}


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        open_table(write(tmp_path / "t.parquet", {"a": pl.Series([], dtype=pl.Int64)}))
    with pytest.raises(DataError, match="holds no columns"):
        open_table(write(tmp_path / "t.parquet", {}))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "t.parquet", housing_columns())
    content = path.read_bytes()
    path.write_bytes(content[: 4 + int(share * (len(content) - 4))])
    with pytest.raises(DataError, match=r"t\.parquet is a damaged Parquet file") as caught:
        load(str(path), target="value")
    assert caught.value.evidence
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"PAR1a,b\n1,2\n"])
def test_what_only_begins_like_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(DataError, match="damaged Parquet"):
        inspect(str(tmp_path / "t.parquet"))
