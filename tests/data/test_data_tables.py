from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import csv_text, housing, write_csv

from trainwright.data.columns import survey
from trainwright.data.csvfile import read_table
from trainwright.data.dataset import Dataset
from trainwright.data.encode import ColumnPlan, encode
from trainwright.data.load import load
from trainwright.data.splits import split_rows
from trainwright.errors import DataError, UsageError
from trainwright.records import from_plain


def load_text(tmp_path: Path, text: str, **settings: object) -> Dataset:
    return load(str(write_csv(tmp_path / "t.csv", text)), **settings)  # type: ignore[arg-type]


def column(data: Dataset, name: str) -> torch.Tensor:
    return data.train.x[:, data.features.index(name)]


def rows_of(count: int, row: str) -> str:
    return "".join(row.format(i=i, odd=i % 2, third=i % 3) + "\n" for i in range(count))


def test_housing_becomes_standardised_numbers_and_one_hot_categories(tmp_path: Path) -> None:
    data = load_text(tmp_path, csv_text(housing()), target="value")
    assert data.features == (
        "longitude",
        "bedrooms",
        "bedrooms is missing",
        "income",
        "ocean = <1H OCEAN",
        "ocean = INLAND",
        "ocean = NEAR BAY",
    )
    assert (data.shape.task, data.shape.outputs, data.shape.input_shape) == ("regression", 1, (7,))
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (84, 18, 18)
    for name in ("longitude", "bedrooms", "income"):
        values = column(data, name)
        assert abs(float(values.mean())) < 1e-6
        assert abs(float(values.std(correction=0)) - 1) < 1e-5
    assert set(column(data, "bedrooms is missing").tolist()) == {0.0, 1.0}
    assert (data.train.x[:, 4:].sum(1) == 1).all()
    assert data.train.y.shape == (84, 1)
    assert abs(float(data.train.y.mean())) < 1e-6
    assert any("12 missing values" in note for note in data.notes)


def test_the_target_can_be_had_back_in_its_own_units(tmp_path: Path) -> None:
    rows = housing()
    data = load_text(tmp_path, csv_text(rows), target="value", test=0, validation=0)
    back = data.train.y[:, 0].double() * data.target_std[0] + data.target_mean[0]
    np.testing.assert_allclose(back, [float(row["value"]) for row in rows], rtol=1e-6)
    assert (data.validation, data.test) == (None, None)


def test_statistics_are_fitted_on_the_training_split_alone(tmp_path: Path) -> None:
    rows = housing()
    before = load_text(tmp_path, csv_text(rows), target="value")
    parts = split_rows(len(rows), validation=0.15, test=0.15, seed=0)
    for place in [*parts.test, *parts.validation]:
        rows[place] |= {"longitude": "999", "bedrooms": "", "income": "1e6", "ocean": "MOON", "value": "1e9"}
    after = load_text(tmp_path, csv_text(rows), target="value")
    assert after.preprocessing == before.preprocessing
    assert torch.equal(after.train.x, before.train.x)
    assert torch.equal(after.train.y, before.train.y)
    assert after.train.digest == before.train.digest
    assert after.fingerprint != before.fingerprint
    assert after.test is not None
    assert (after.test.x[:, 4:] == 0).all()  # a category that training never saw
    for place in parts.train[:5]:
        rows[place]["income"] = "50"
    assert load_text(tmp_path, csv_text(rows), target="value").preprocessing != before.preprocessing


def test_preprocessing_is_json_that_prepares_new_rows_the_same_way(tmp_path: Path) -> None:
    data = load_text(tmp_path, csv_text(housing()), target="value")
    kept = json.loads(json.dumps(data.preprocessing, allow_nan=False))
    plans = [from_plain(ColumnPlan, plain) for plain in kept["columns"]]
    values = {column.name: column.values for column in survey(read_table(tmp_path / "t.csv"))}
    parts = split_rows(120, validation=0.15, test=0.15, seed=0)
    assert data.test is not None
    assert torch.equal(encode(plans, values, parts.test), data.test.x)
    assert (kept["target"]["mean"], kept["target"]["std"]) == ([*data.target_mean], [*data.target_std])


def test_the_same_file_gives_the_same_data_and_another_seed_another_division(tmp_path: Path) -> None:
    text = csv_text(housing())
    first, second = (load_text(tmp_path, text, target="value") for _ in range(2))
    other = load_text(tmp_path, text, target="value", seed=1)
    assert torch.equal(first.train.x, second.train.x)
    assert first.train.digest == second.train.digest != other.train.digest
    assert first.fingerprint == other.fingerprint


def test_without_normalisation_numbers_stay_as_they_are(tmp_path: Path) -> None:
    rows = housing(30)
    data = load_text(tmp_path, csv_text(rows), target="value", normalise="none", validation=0, test=0)
    np.testing.assert_allclose(column(data, "income"), [float(row["income"]) for row in rows], rtol=1e-6)


def test_a_test_file_of_its_own_is_the_test_split(tmp_path: Path) -> None:
    write_csv(tmp_path / "test.csv", csv_text(housing(9, seed=5)))
    data = load_text(tmp_path, csv_text(housing()), target="value", test_source="test.csv", folder=str(tmp_path))
    assert data.test is not None
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (102, 18, 9)
    back = data.test.y[:, 0].double() * data.target_std[0] + data.target_mean[0]
    np.testing.assert_allclose(back, [float(row["value"]) for row in housing(9, seed=5)], rtol=1e-5)


def test_the_adult_files_are_read_as_they_are(tmp_path: Path) -> None:
    test = write_csv(tmp_path / "test.csv", "|1x3 Cross validator\n25, Private, <=50K.\n30, ?, >50K.\n\n")
    text = rows_of(40, "{i}, Private, <=50K") + rows_of(40, "{i}, State-gov, >50K") + "20, ?, >50K\n" * 9
    data = load_text(tmp_path, text, target="column_3", test_source=str(test))
    assert data.classes == ("<=50K", ">50K")
    assert data.test is not None
    assert data.test.y.tolist() == [0, 1]
    assert data.features[-1] == "column_2 is missing"
    assert any("full stop" in note for note in data.notes)


def test_a_test_file_without_a_header_follows_the_training_columns(tmp_path: Path) -> None:
    test = write_csv(tmp_path / "test.csv", "1,0\n2,1\n")
    data = load_text(tmp_path, "a,label\n" + rows_of(20, "{i},{odd}"), test_source=str(test))
    assert data.test is not None
    assert data.test.y.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b,label\n1,0\n", "lacks the column 'a'"),
        ("a,label\n1,7\n", "class that the training file does not: '7'(.|\n)*line 2; known: 0, 1"),
        ("a,label\n1,\n", "no value in any row"),
        ("a,label\n1,1\nx,0\n", "not in line 3(.|\n)*'x'"),
    ],
)
def test_a_test_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    test = write_csv(tmp_path / "test.csv", text)
    with pytest.raises(DataError, match=message):
        load_text(tmp_path, "a,label\n" + rows_of(20, "{i}.5,{odd}"), test_source=str(test))


def test_class_ids_follow_the_sorted_names(tmp_path: Path) -> None:
    words = load_text(tmp_path, "a,label\n" + "1,pear\n2,Apple\n3,fig\n" * 9, validation=0, test=0)
    assert words.classes == ("Apple", "fig", "pear")
    assert words.train.y[:3].tolist() == [2, 0, 1]
    numbers = load_text(tmp_path, "a,label\n" + "1,10\n2,9\n3,10.0\n" * 9, validation=0, test=0)
    assert numbers.classes == ("9", "10")
    assert numbers.train.y[:3].tolist() == [1, 0, 1]
    truths = load_text(tmp_path, "a,label\n" + "1,true\n2,false\n" * 9)
    assert (truths.classes, truths.shape.task) == (("false", "true"), "classification")


@pytest.mark.parametrize(
    ("distinct", "rows", "task"),
    [(2, 10, "classification"), (3, 12, "classification"), (7, 140, "classification"), (7, 139, "regression")],
)
def test_few_whole_numbers_are_classes(tmp_path: Path, distinct: int, rows: int, task: str) -> None:
    text = "a,target\n" + "".join(f"{row * 1.5},{row % distinct}\n" for row in range(rows))
    data = load_text(tmp_path, text)
    assert data.shape.task == task
    assert any("distinct whole numbers" in note for note in data.notes)
    other = "regression" if task == "classification" else "classification"
    assert load_text(tmp_path, text, task=other).shape.task == other


def test_many_or_broken_numbers_are_quantities(tmp_path: Path) -> None:
    assert load_text(tmp_path, "a,y\n" + rows_of(500, "{odd},{i}")).shape.task == "regression"
    assert load_text(tmp_path, "a,y\n" + rows_of(500, "{i},{odd}.5")).shape.task == "regression"


def test_what_cannot_be_learnt_from_is_left_out_and_said(tmp_path: Path) -> None:
    header = "PassengerId,code,same,when,story,empty,size,label\n"
    text = header + rows_of(60, "{i},k{i},9,2024-01-{i},went to town {i} times,,{i}.5,{odd}")
    data = load_text(tmp_path, text)
    assert data.features == ("size",)
    for said in (
        "'PassengerId' is an identifier",
        "'code' is an identifier",
        "'same' holds '9' in every row",
        "'when' holds dates",
        "'story' holds text",
        "'empty' holds no value",
    ):
        assert any(said in note for note in data.notes), said


def test_a_column_that_counts_the_rows_is_kept_and_pointed_out(tmp_path: Path) -> None:
    data = load_text(tmp_path, "n,label\n" + rows_of(60, "{i},{odd}"))
    assert data.features == ("n",)
    assert any("counts the rows up" in note for note in data.notes)


def test_a_column_that_is_constant_in_training_alone_is_left_out(tmp_path: Path) -> None:
    parts = split_rows(60, labels=np.arange(60) % 2, validation=0.15, test=0.15, seed=0)
    odd_one = int(parts.test[0])
    text = "n,w,a,label\n" + "".join(
        f"{int(i == odd_one)},{'x' if i == odd_one else 'y'},{i * 1.5},{i % 2}\n" for i in range(60)
    )
    data = load_text(tmp_path, text)
    assert data.features == ("a",)
    assert sum("same in every training row" in note for note in data.notes) == 2


def test_rare_categories_beyond_fifty_share_other(tmp_path: Path) -> None:
    text = "w,label\n" + "".join(f"w{i % 60 if i < 300 else i % 10},{i % 2}\n" for i in range(600))
    data = load_text(tmp_path, text, validation=0, test=0)
    assert len(data.features) == 51
    assert data.features[-1] == "w = other"
    assert (data.train.x.sum(1) == 1).all()
    assert data.train.x[:, -1].sum() == 50
    assert any("more than 50 categories" in note for note in data.notes)


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    text = "a,label\n" + rows_of(30, "{i}.5,{odd}") + "1.5,?\n" * 3
    data = load_text(tmp_path, text, validation=0, test=0)
    assert len(data.train) == 30
    assert "3 rows without a target were left out" in data.notes


def test_named_columns_are_ignored(tmp_path: Path) -> None:
    text = "a,b,label\n" + rows_of(30, "{i}.5,inf,{odd}")
    assert load_text(tmp_path, text, ignore=["b"]).features == ("a",)
    with pytest.raises(DataError, match="did you mean 'b'"):
        load_text(tmp_path, text, ignore=["B"])
    with pytest.raises(UsageError, match=r"also in data\.ignore"):
        load_text(tmp_path, text, target="label", ignore=["label"])


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("a,b,c\n1,2,3\n4,5,6\n", {}, "does not say which column(.|\n)*a, b, c"),
        ("a,price\n1,2\n4,5\n", {"target": "prise"}, "no column 'prise'(.|\n)*did you mean 'price'"),
        ("a,label\n1,\n2,NA\n", {}, "no value in any row"),
        ("a,label\n1,x\n2,x\n", {}, "same in every row(.|\n)*2 rows with 'x'"),
        ("a,y\n1,2.5\n2,2.5\n", {}, "same in every row"),
        ("a,label\n1,x\n2,y\n", {"task": "regression"}, "holds words(.|\n)*line 2: 'x'"),
        ("a,label\n1,x\n2,\n", {}, "same in every row"),
        ("a,label\n1,x\n2,y\n", {}, "too few rows to divide into 3"),
        ("a,y\n1,2.5\n2,3.5\n", {}, "too few rows to divide into 3"),
        ("label\n" + "1\n2\n" * 9, {"target": "label"}, "no column left to learn from"),
        ("same,label\n" + "1,x\n1,y\n" * 9, {}, "no column left(.|\n)*holds '1' in every row"),
        ("a,label\n" + rows_of(60, "{i},name{i}"), {}, "class of its own"),
        ("a,label\n1,x\ninf,y\n", {}, "not finite(.|\n)*line 3, column 'a': 'inf'"),
    ],
)
def test_tables_that_cannot_be_learnt_from_are_refused(
    tmp_path: Path, text: str, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_text(tmp_path, text, **settings)
    assert caught.value.remedy
    assert caught.value.evidence


def test_one_row_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same in every row"):
        load_text(tmp_path, "a,label\n1,x\n")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"task": "clasification"}, "did you mean 'classification'"),
        ({"normalise": "standart"}, "did you mean 'standard'"),
        ({"validation": 1.5}, "validation fraction"),
    ],
)
def test_senseless_settings_are_refused(tmp_path: Path, setting: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_text(tmp_path, csv_text(housing()), target="value", **setting)


def test_commas_that_group_thousands_are_read_as_numbers(tmp_path: Path) -> None:
    rows = "".join(f'"{1_000_000 + 7_919 * row:,}",{"yes" if row % 2 else "no"}\n' for row in range(60))
    (tmp_path / "t.csv").write_text("amount,y\n" + rows)
    dataset = load(str(tmp_path / "t.csv"), target="y", normalise="none")
    assert dataset.features == ("amount",)
    assert dataset.train.x.min() >= 1_000_000
