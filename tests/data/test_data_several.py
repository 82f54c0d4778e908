from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import write_csv

from trainwright.data.dataset import Dataset
from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.data.samplers import class_counts
from trainwright.data.splits import split_rows
from trainwright.errors import DataError, UsageError


def rows(count: int = 200, seed: int = 0) -> list[tuple[float, ...]]:
    rng = np.random.default_rng(seed)
    return [
        (float(rng.normal()), float(rng.normal(100, 5)), float(rng.normal(0, 0.1)), *map(float, rng.integers(0, 2, 3)))
        for _ in range(count)
    ]


def table(path: Path, values: list[tuple[float, ...]]) -> str:
    text = "a,far,near,red,green,blue\n" + "".join(",".join(f"{value:.12g}" for value in row) + "\n" for row in values)
    return str(write_csv(path, text))


def text_data(tmp_path: Path, text: str, **settings: object) -> Dataset:
    return load(str(write_csv(tmp_path / "t.csv", text)), **settings)  # type: ignore[arg-type]


def test_several_quantities_are_standardised_each_on_its_own(tmp_path: Path) -> None:
    values = rows()
    data = load(table(tmp_path / "t.csv", values), target=["near", "far"], ignore=["red", "green", "blue"])
    assert (data.shape.task, data.shape.outputs, data.features, data.classes) == ("regression", 2, ("a",), ())
    train = np.array(values)[split_rows(200, validation=0.15, test=0.15).train][:, [2, 1]]
    np.testing.assert_allclose(data.target_mean, train.mean(0), rtol=1e-9)
    np.testing.assert_allclose(data.target_std, train.std(0), rtol=1e-9)
    np.testing.assert_allclose(data.train.y, (train - train.mean(0)) / train.std(0), rtol=1e-4, atol=1e-6)
    assert data.train.y.dtype == torch.float32
    assert data.test is not None
    back = data.test.y.double() * torch.tensor(data.target_std) + torch.tensor(data.target_mean)
    expected = np.array(values)[split_rows(200, validation=0.15, test=0.15).test][:, [2, 1]]
    np.testing.assert_allclose(back, expected, rtol=1e-5, atol=1e-6)
    kept = json.loads(json.dumps(data.preprocessing))["target"]
    assert (kept["names"], kept["mean"]) == (["near", "far"], list(data.target_mean))


def test_columns_of_zero_and_one_are_labels(tmp_path: Path) -> None:
    values = rows()
    data = load(table(tmp_path / "t.csv", values), target=["red", "blue"], validation=0, test=0)
    assert (data.shape.task, data.shape.outputs, data.classes) == ("multi-label", 2, ("red", "blue"))
    assert data.train.y.tolist() == [[row[3], row[5]] for row in values]
    assert data.train.y.dtype == torch.float32
    assert (data.target_mean, data.target_std) == ((), ())
    assert "red" not in data.features
    assert class_counts(data) == (int(sum(row[3] for row in values)), int(sum(row[5] for row in values)))
    truths = text_data(tmp_path, "a,p,q\n" + "1,true,false\n2,false,true\n3,TRUE,True\n" * 9, target=["p", "q"])
    assert truths.shape.task == "multi-label"
    mixed = load(table(tmp_path / "t.csv", values), target=["red", "far"])
    assert mixed.shape.task == "regression"


def test_the_task_can_be_asked_for(tmp_path: Path) -> None:
    source = table(tmp_path / "t.csv", rows())
    assert load(source, target=["red", "blue"], task="regression").shape.task == "regression"
    alone = load(source, target="red", task="multi-label")
    assert (alone.shape.task, alone.train.y.shape[1], alone.classes) == ("multi-label", 1, ("red",))
    assert load(source, target=["red"]).shape.task == "classification"
    with pytest.raises(UsageError, match=r"one target column(.|\n)*multi-label"):
        load(source, target=["red", "blue"], task="classification")
    with pytest.raises(DataError, match=r"label 'far' must be 0 or 1(.|\n)*line 2(.|\n)*regression"):
        load(source, target=["red", "far"], task="multi-label")
    with pytest.raises(UsageError, match="'red' is named twice"):
        load(source, target=["red", "red"])
    with pytest.raises(DataError, match="did you mean 'blue'"):
        load(source, target=["red", "blu"])
    with pytest.raises(UsageError, match=r"'blue' is also in data\.ignore"):
        load(source, target=["red", "blue"], ignore=["blue"])


def test_rows_that_lack_any_target_are_left_out(tmp_path: Path) -> None:
    text = "a,y,z\n" + "".join(f"{i},{i}.5,{i % 7}.25\n" for i in range(20)) + "1,,2\n2,3,?\n3,,\n"
    data = text_data(tmp_path, text, target=["y", "z"], validation=0, test=0)
    assert len(data.train) == 20
    assert "3 rows without a target were left out" in data.notes


def test_every_split_has_its_share_of_every_combination_of_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((1000, 3)) < (0.5, 0.2, 0.04)
    text = "a,p,q,r\n" + "".join(f"{rng.normal():.4f},{int(p)},{int(q)},{int(r)}\n" for p, q, r in labels)
    data = text_data(tmp_path, text, target=["p", "q", "r"], validation=0.2, test=0.2)
    for split in (data.train, data.validation, data.test):
        assert split is not None
        share = split.y.mean(0).numpy()
        assert np.abs(share - labels.mean(0)).max() < 0.02
    assert data.test is not None
    assert abs(len(data.test) - 200) <= 4


def test_rows_of_rare_combinations_are_divided_together(tmp_path: Path) -> None:
    text = "a,p,q,r,s,t,u,v,w\n" + "".join(f"{i}.5,{','.join(f'{i:08b}')}\n" for i in range(256))
    data = text_data(tmp_path, text, target=["p", "q", "r", "s", "t", "u", "v", "w"], validation=0.25, test=0.25)
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (128, 64, 64)


def test_one_hot_columns_and_labels_that_cannot_be_learnt_are_pointed_out(tmp_path: Path) -> None:
    text = "a,p,q,never\n" + "".join(f"{i}.5,{i % 2},{1 - i % 2},0\n" for i in range(40))
    one_hot = text_data(tmp_path, text, target=["p", "q"])
    assert any("exactly one of the 2 labels" in note for note in one_hot.notes)
    data = text_data(tmp_path, text, target=["p", "never"])
    assert any("cannot be learnt: never" in note for note in data.notes)


def test_a_test_file_of_its_own_brings_all_targets(tmp_path: Path) -> None:
    source, test = table(tmp_path / "t.csv", rows()), table(tmp_path / "u.csv", rows(9, seed=4))
    data = load(source, target=["red", "green"], test_source=test)
    assert data.test is not None
    assert data.test.y.tolist() == [[row[3], row[4]] for row in rows(9, seed=4)]
    write_csv(tmp_path / "u.csv", "a,far,near,red,green,blue\n1,2,3,0,1,1\n1,2,3,0,2,1\n")
    with pytest.raises(DataError, match=r"label 'green' must be 0 or 1(.|\n)*u\.csv, line 3: '2'"):
        load(source, target=["red", "green"], test_source=test)
    write_csv(tmp_path / "u.csv", "a,far,near,red,green,blue\n1,2,3,0,1,1\n1,2,3,,1,1\n")
    data = load(source, target=["red", "far"], test_source=test)
    assert any("1 rows of the test file without a target" in note for note in data.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y,z\n" + "1,2.5,x\n2,3.5,y\n" * 9, "target 'z' holds words(.|\n)*line 2: 'x'"),
        ("a,y,z\n" + "1,2.5,7\n2,3.5,7\n" * 9, "target 'z' is the same in every row(.|\n)*18 rows with 7"),
        ("a,y,z\n" + "1,0,1\n2,0,1\n" * 9, "target 'y' is the same in every row"),
        ("a,y,z\n" + "1,,1\n2,2,\n" * 9, "no row of (.|\n)*'y' is missing in 9 of 18 rows"),
        ("a,y,z\n" + "1,,\n2,2,\n" * 9, "'z' is missing in 18 of 18"),
        ("a,y,z\n" + "1,2,inf\n2,2,3\n" * 9, "not finite(.|\n)*line 2, column 'z'"),
        ("a,y,z\n1,2,3\n2,3,4\n", "too few rows"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        text_data(tmp_path, text, target=["y", "z"])
    assert caught.value.remedy


def test_a_target_that_is_the_same_in_training_alone_is_refused(tmp_path: Path) -> None:
    parts = split_rows(60, validation=0.15, test=0.15, seed=0)
    odd_one = int(parts.test[0])
    text = "a,y,z\n" + "".join(f"{i},{i}.5,{7.5 if i == odd_one else 1.5}\n" for i in range(60))
    with pytest.raises(DataError, match=r"target 'z' is the same in every training row(.|\n)*42 rows with 1\.5"):
        text_data(tmp_path, text, target=["y", "z"])


def test_a_look_at_several_targets_says_what_they_are(tmp_path: Path) -> None:
    values = rows()
    source = table(tmp_path / "t.csv", values)
    summary = inspect(source, target=["red", "blue"])
    assert (summary.target, summary.task, summary.outputs) == (("red", "blue"), "multi-label", 2)
    assert dict(summary.classes) == {"red": sum(row[3] for row in values), "blue": sum(row[5] for row in values)}
    assert summary.input_shape == (4,)
    assert inspect(source, target=["far"]).target == "far"
    quantities = inspect(source, target=["far", "near"])
    assert (quantities.task, quantities.classes, quantities.outputs) == ("regression", (), 2)
    assert load(source, target=summary.target, task=summary.task).shape.outputs == 2
