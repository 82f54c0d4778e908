from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data_files import csv_text, housing, mnist_like, pictures, write_csv, write_idx
from PIL import Image

from trainwright.data.arrays import from_arrays
from trainwright.data.dataset import Dataset
from trainwright.data.embedded import EMBEDDED
from trainwright.data.load import load
from trainwright.data.prepare import prepare_rows
from trainwright.errors import DataError, UsageError


def kept(data: Dataset) -> dict[str, Any]:
    """What a run's folder keeps of the preparation, read back."""
    return json.loads(json.dumps(data.preprocessing, allow_nan=False))


@pytest.fixture
def houses(tmp_path: Path) -> Dataset:
    train = write_csv(tmp_path / "train.csv", csv_text(housing()))
    test = write_csv(tmp_path / "test.csv", csv_text(housing(30, seed=5)))
    return load(str(train), target="value", test_source=str(test))


def frame(rows: list[dict[str, str]]) -> dict[str, list[Any]]:
    """The rows as Python values: numbers, None where missing, and words."""
    return {
        name: [row[name] if name == "ocean" else float(row[name]) if row[name] else None for row in rows]
        for name in rows[0]
    }


def expected(data: Dataset) -> torch.Tensor:
    assert data.test is not None
    return data.test.x


def test_the_rows_of_the_test_file_become_the_very_tensor_of_the_test_split(tmp_path: Path, houses: Dataset) -> None:
    assert torch.equal(prepare_rows(kept(houses), tmp_path / "test.csv"), expected(houses))
    assert torch.equal(prepare_rows(houses.preprocessing, str(tmp_path / "test.csv")), expected(houses))


def test_columns_in_memory_give_the_same_as_the_file(tmp_path: Path, houses: Dataset) -> None:
    columns = frame(housing(30, seed=5))
    assert torch.equal(prepare_rows(kept(houses), columns), expected(houses))
    assert torch.equal(prepare_rows(kept(houses), pl.DataFrame(columns)), expected(houses))
    arrays = {name: np.array(values, dtype=None if name == "ocean" else float) for name, values in columns.items()}
    assert np.isnan(arrays["bedrooms"]).any()
    assert torch.equal(prepare_rows(kept(houses), arrays), expected(houses))
    as_written = {name: [row[name] for row in housing(30, seed=5)] for name in columns}
    assert torch.equal(prepare_rows(kept(houses), as_written), expected(houses))
    tensors = {**columns, "income": torch.tensor(columns["income"], dtype=torch.float64)}
    assert torch.equal(prepare_rows(kept(houses), tensors), expected(houses))
    pl.DataFrame(columns).write_parquet(tmp_path / "test.parquet")
    assert torch.equal(prepare_rows(kept(houses), tmp_path / "test.parquet"), expected(houses))


def test_the_target_and_other_columns_are_not_needed(tmp_path: Path, houses: Dataset) -> None:
    columns = frame(housing(30, seed=5))
    columns.pop("value")
    columns["comment"] = [["anything"]] * 30
    assert torch.equal(prepare_rows(kept(houses), dict(reversed(columns.items()))), expected(houses))
    rows = [{name: row[name] for name in ("ocean", "income", "longitude", "bedrooms")} for row in housing(30, seed=5)]
    path = write_csv(tmp_path / "new.csv", csv_text(rows))
    assert torch.equal(prepare_rows(kept(houses), path), expected(houses))


def test_one_row_and_categories_never_seen_are_prepared(houses: Dataset) -> None:
    row = {name: [values[3]] for name, values in frame(housing(30, seed=5)).items()}
    assert torch.equal(prepare_rows(kept(houses), row), expected(houses)[3:4])
    unknown = prepare_rows(kept(houses), {**row, "ocean": ["MOON"]})
    assert (unknown[0, 4:] == 0).all()


@pytest.mark.parametrize("absent", [None, float("nan"), np.float32("nan"), "?", " NA "])
def test_a_missing_word_is_no_category(tmp_path: Path, absent: Any) -> None:
    lines = "".join(f"{i}.5,{['?', 'x', 'y'][i % 3]},{i % 2}\n" for i in range(60))
    train, test = (
        write_csv(tmp_path / "t.csv", "a,w,label\n" + lines),
        write_csv(tmp_path / "u.csv", "a,w,label\n" + lines[:64]),
    )
    data = load(str(train), test_source=str(test))
    words = [absent if i % 3 == 0 else "xy"[i % 3 - 1] for i in range(len(expected(data)))]
    columns = {"a": [i + 0.5 for i in range(len(words))], "w": words}
    assert torch.equal(prepare_rows(kept(data), columns), expected(data))
    alone = prepare_rows(kept(data), {"a": [1.0], "w": [absent]})
    assert alone[0, 1:].tolist() == [0, 0, 1]


def test_forms_of_numbers_are_those_of_the_training_file(tmp_path: Path) -> None:
    text = "a;b;w;label\n" + "".join(f"{i},5;{['true', 'False'][i % 2]};k{i % 3};{i % 2}\n" for i in range(40))
    train = write_csv(tmp_path / "t.csv", text)
    data = load(
        str(train), target="label", test_source=str(write_csv(tmp_path / "u.csv", text[:200].rsplit("\n", 1)[0]))
    )
    assert torch.equal(prepare_rows(kept(data), tmp_path / "u.csv"), expected(data))
    rows = len(expected(data))
    values = {
        "a": [i + 0.5 for i in range(rows)],
        "b": [i % 2 == 0 for i in range(rows)],
        "w": [f" k{i % 3} " for i in range(rows)],
    }
    assert torch.equal(prepare_rows(kept(data), values), expected(data))
    assert torch.equal(prepare_rows(kept(data), {**values, "b": np.array(values["b"])}), expected(data))


def test_files_without_a_header_go_by_place(tmp_path: Path) -> None:
    lines = "".join(f"{i}.5,k{i % 3},{i % 2}\n" for i in range(40))
    train, test = write_csv(tmp_path / "t.csv", lines), write_csv(tmp_path / "u.csv", lines[:80])
    data = load(str(train), target="column_3", test_source=str(test))
    assert torch.equal(prepare_rows(kept(data), test), expected(data))
    named = write_csv(tmp_path / "v.csv", "size,kind,label\n" + lines[:80])
    assert torch.equal(prepare_rows(kept(data), named), expected(data))
    without_target = write_csv(tmp_path / "x.csv", "".join(line[:-2] + "\n" for line in lines[:80].splitlines()))
    assert torch.equal(prepare_rows(kept(data), without_target), expected(data))
    with pytest.raises(DataError, match=r"y\.csv has too many columns"):
        prepare_rows(kept(data), write_csv(tmp_path / "y.csv", "1,2.5,k1,1\n2,3.5,k2,0\n"))
    with pytest.raises(DataError, match="lacks the column 'column_1'"):
        prepare_rows(kept(data), write_csv(tmp_path / "w.csv", "size,kind\n1,k1\n2,k2\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"income": None}, "no column(.|\n)*NoneType"),
        ({"income": "3.5"}, "no column(.|\n)*str: '3.5'"),
        ({"income": [1.0, 2.0]}, "one length(.|\n)*'income': 2"),
        ({"income": ["much"] * 30}, "not in row 1 of the rows"),
        ({"income": [float("inf")] * 30}, "not finite(.|\n)*the rows, row 1, column 'income'"),
        ({"ocean": [["x"]] * 30}, "holds list values"),
    ],
)
def test_columns_that_do_not_fit_are_refused(houses: Dataset, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        prepare_rows(kept(houses), {**frame(housing(30, seed=5)), **change})
    assert caught.value.remedy


def test_rows_of_other_kinds_are_refused(tmp_path: Path, houses: Dataset) -> None:
    columns = frame(housing(30, seed=5))
    columns["incomes"] = columns.pop("income")
    with pytest.raises(DataError, match=r"lack the column 'income'(.|\n)*did you mean 'incomes'"):
        prepare_rows(kept(houses), columns)
    with pytest.raises(DataError, match="neither a mapping of columns nor the path"):
        prepare_rows(kept(houses), [[1, 2, 3]])
    with pytest.raises(DataError, match=r"cannot be found(.|\n)*did you mean '.*test\.csv'"):
        prepare_rows(kept(houses), tmp_path / "tests.csv")
    with pytest.raises(DataError, match="one row at least"):
        prepare_rows(kept(houses), {name: [] for name in columns | {"income": []}})
    with pytest.raises(UsageError, match="data of the kind 'song' are not prepared"):
        prepare_rows({"kind": "song"}, columns)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain.pop("columns"),
        lambda plain: plain.pop("names"),
        lambda plain: plain["columns"][0].update(mean="7"),
        lambda plain: plain["columns"][0].pop("name"),
        lambda plain: plain.update(columns=3),
    ],
)
def test_a_damaged_record_is_told(houses: Dataset, spoil: Any) -> None:
    plain = kept(houses)
    spoil(plain)
    with pytest.raises(DataError, match="what was kept of the data's preparation is damaged"):
        prepare_rows(plain, frame(housing(30)))


@pytest.mark.parametrize("name", [name for name in EMBEDDED if name != "digits"])
def test_embedded_tables_are_prepared_again(name: str) -> None:
    data, arrays = load(name, test=0, validation=0), EMBEDDED[name].read()
    columns = {feature: arrays.x[:, place] for place, feature in enumerate(arrays.features)}
    assert torch.equal(prepare_rows(kept(data), columns), data.train.x)


@pytest.mark.parametrize("normalise", ["standard", "none"])
def test_images_are_prepared_like_the_test_images(tmp_path: Path, normalise: str) -> None:
    data = load(str(mnist_like(tmp_path)), normalise=normalise)
    images, _ = pictures(12, 1)
    for rows in (
        images,
        images[:, None],
        images[..., None],
        torch.from_numpy(images),
        images.astype(np.float64),
        images.tolist(),
        tmp_path / "t10k-images-idx3-ubyte.gz",
    ):
        assert torch.equal(prepare_rows(kept(data), rows), expected(data))
    digits = load("digits", test=0, validation=0, normalise=normalise)
    assert torch.equal(prepare_rows(kept(digits), EMBEDDED["digits"].read().x), digits.train.x)


def test_photographs_are_prepared_like_those_of_the_folder(tmp_path: Path) -> None:
    for part, count in (("train", 8), ("test", 3)):
        for label in ("a", "b"):
            (tmp_path / part / label).mkdir(parents=True)
            for place in range(count):
                seed = place + 20 * (label == "b") + 50 * (part == "test")
                pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / label / f"{place}.png")
    paths = sorted((tmp_path / "test").glob("*/*.png"))
    for size in (None, 6):
        data = load(str(tmp_path), image_size=size)
        assert torch.equal(prepare_rows(kept(data), paths), expected(data))
        assert torch.equal(prepare_rows(kept(data), str(paths[0])), expected(data)[:1])
    other = tmp_path / "other.png"
    Image.fromarray(np.zeros((5, 5, 3), dtype=np.uint8)).save(other)
    assert prepare_rows(kept(data), [other]).shape == (1, 3, 6, 6)
    with pytest.raises(DataError, match=r"other\.png does not have the shape(.|\n)*\(3, 9, 12\)"):
        prepare_rows(kept(load(str(tmp_path))), [paths[0], other])


def test_a_colour_photograph_is_refused_where_training_was_grey(tmp_path: Path) -> None:
    data = load(str(mnist_like(tmp_path)))
    Image.fromarray(np.zeros((4, 3, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is in colour(.|\n)*convert"):
        prepare_rows(kept(data), tmp_path / "a.png")
    Image.fromarray(pictures(1)[0][0]).save(tmp_path / "b.png")
    assert torch.equal(prepare_rows(kept(data), tmp_path / "b.png"), prepare_rows(kept(data), pictures(1)[0]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 5, 5)), r"does not have the shape(.|\n)*\(2, 1, 5, 5\)(.|\n)*\(1, 4, 3\)"),
        (np.zeros((4, 3)), "an axis of samples in front"),
        (np.zeros((0, 4, 3)), "one sample at least"),
        (np.full((2, 4, 3), 0.5), r"whole numbers from 0 to 255(.|\n)*at \[0, 0, 0\] 0\.5"),
        (np.full((2, 4, 3), 256), "256"),
        (np.full((2, 4, 3), np.nan), "nan"),
        (np.full((2, 4, 3), "a"), "no array of numbers"),
        ([[1, 2], [3]], "no array of numbers"),
        ([], "no array|does not have the shape"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(tmp_path: Path, rows: Any, message: str) -> None:
    data = load(str(write_idx_set(tmp_path)))
    with pytest.raises(DataError, match=message):
        prepare_rows(kept(data), rows)


def write_idx_set(folder: Path) -> Path:
    images, labels = pictures(60)
    write_idx(folder / "x-labels-idx1-ubyte", labels)
    return write_idx(folder / "x-images-idx3-ubyte", images)


@pytest.mark.parametrize("shape", [(60, 4), (60, 7, 4), (60, 3, 5, 4), (60, 2, 3, 4, 5)])
def test_arrays_are_prepared_like_the_test_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(3, 7, shape)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(60) % 2, x_test=x[:9] + 1, y_test=np.arange(9) % 2)
    data = load(str(tmp_path / "d.npz"))
    assert torch.equal(prepare_rows(kept(data), x[:9] + 1), expected(data))
    with pytest.raises(DataError, match="does not have the shape"):
        prepare_rows(kept(data), x[:, :1])
    with pytest.raises(DataError, match=r"missing or infinite(.|\n)*nan"):
        prepare_rows(kept(data), np.where(x > 3, np.nan, x))


def test_arrays_given_in_python_stay_as_they_are() -> None:
    data = from_arrays((torch.rand(5, 2), [0, 1, 0, 1, 1]))
    rows = np.random.default_rng(0).normal(size=(3, 2))
    assert torch.equal(prepare_rows(kept(data), rows), torch.from_numpy(rows.astype(np.float32)))
    with pytest.raises(DataError, match="one row for each sample"):
        prepare_rows(kept(data), [1.0, 2.0])


def test_texts_become_the_tokens_of_the_training_text(tmp_path: Path) -> None:
    text = "the cat sat on the mat, and the dog on the log. " * 20
    (tmp_path / "t.txt").write_text(text)
    data = load(str(tmp_path / "t.txt"), context=8)
    assert torch.equal(prepare_rows(kept(data), text[:8]), data.train.x[:1])
    assert torch.equal(prepare_rows(kept(data), [text[:8], text[8:16]]), data.train.x[:2])
    for rows, message in (
        (["the", "cats"], "differ in length(.|\n)*3, 4 characters"),
        ("", "an empty text"),
        ([], "neither a text"),
        ("THE", "'T' is not in the vocabulary"),
    ):
        with pytest.raises(DataError, match=message):
            prepare_rows(kept(data), rows)
