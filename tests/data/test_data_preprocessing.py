"""What a run keeps of its data's preparation is all that is needed to prepare the raw files again, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data_files import csv_text, housing, mnist_like, pictures, write_csv
from PIL import Image

from trainwright.data.dataset import Dataset
from trainwright.data.load import load
from trainwright.data.newdata import Remarks, pieces
from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import DataError, UsageError


def a_csv(folder: Path) -> tuple[str, dict[str, Any]]:
    return str(write_csv(folder / "t.csv", csv_text(housing()))), {"target": "value"}


def a_parquet(folder: Path) -> tuple[str, dict[str, Any]]:
    rows = housing()
    columns = {
        name: [row[name] if name == "ocean" else float(row[name]) if row[name] else None for row in rows]
        for name in rows[0]
    }
    pl.DataFrame(columns).write_parquet(folder / "t.parquet")
    return str(folder / "t.parquet"), {"target": ["value", "income"]}


def a_german_csv(folder: Path) -> tuple[str, dict[str, Any]]:
    lines = "".join(f"{i},5;{['true', 'False'][i % 2]};k{i % 3};{['ja', 'nein'][i % 2]}\n" for i in range(80))
    return str(write_csv(folder / "t.csv", "a;b;w;antwort\n" + lines)), {"target": "antwort"}


def without_header(folder: Path) -> tuple[str, dict[str, Any]]:
    lines = "".join(f"{i}.5,k{i % 3},{i % 2}\n" for i in range(60))
    return str(write_csv(folder / "t.csv", lines)), {"target": "column_3"}


def labels(folder: Path) -> tuple[str, dict[str, Any]]:
    lines = "".join(f"{i * 0.37:.2f},{i % 2},{(i // 3) % 2}\n" for i in range(60))
    return str(write_csv(folder / "t.csv", "a,wet,cold\n" + lines)), {"target": ["wet", "cold"]}


def as_they_are(folder: Path) -> tuple[str, dict[str, Any]]:
    return str(write_csv(folder / "t.csv", csv_text(housing()))), {"target": "value", "normalise": "none"}


def photographs(folder: Path) -> tuple[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    for place in range(20):
        path = folder / "photos" / ("cat" if place % 2 else "dog") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9 + place % 3, 10, 3), dtype=np.uint8)).save(path)
    return str(folder / "photos"), {"image_size": 8}


def idx_images(folder: Path) -> tuple[str, dict[str, Any]]:
    return str(mnist_like(folder / "idx", test=False)), {}


def an_npz(folder: Path) -> tuple[str, dict[str, Any]]:
    x = np.random.default_rng(0).normal(3, 7, (60, 5))
    np.savez(folder / "t.npz", x=x, y=x[:, :2] + 1)
    return str(folder / "t.npz"), {}


def npz_images(folder: Path) -> tuple[str, dict[str, Any]]:
    images, y = pictures(60)
    np.savez(folder / "t.npz", images=images, labels=y, class_names=np.array(["a", "b", "c"]))
    return str(folder / "t.npz"), {}


def a_text(folder: Path) -> tuple[str, dict[str, Any]]:
    (folder / "t.txt").write_text("the cat sat on the mat, and the dog on the log. " * 20)
    return str(folder / "t.txt"), {"context": 16}


def embedded_table(folder: Path) -> tuple[str, dict[str, Any]]:
    return "iris", {}


def embedded_quantities(folder: Path) -> tuple[str, dict[str, Any]]:
    return "diabetes", {}


def embedded_images(folder: Path) -> tuple[str, dict[str, Any]]:
    return "digits", {}


SOURCES = [
    a_csv,
    a_parquet,
    a_german_csv,
    without_header,
    labels,
    as_they_are,
    photographs,
    idx_images,
    an_npz,
    npz_images,
    a_text,
    embedded_table,
    embedded_quantities,
    embedded_images,
]


def reread(data: Dataset) -> Preprocessing:
    """The record by way of the JSON that a run keeps."""
    return Preprocessing.of(json.loads(json.dumps(data.preprocessing, allow_nan=False)))


@pytest.mark.parametrize("source", SOURCES)
def test_the_raw_training_file_becomes_the_very_inputs_and_targets_of_training(tmp_path: Path, source: Any) -> None:
    place, settings = source(tmp_path)
    data = load(place, validation=0.0, test=0.0, **settings)
    remarks = Remarks()
    found = list(pieces(reread(data), place, remarks))
    x = torch.cat([piece.x for piece in found if piece.x.shape[1:] == data.train.x.shape[1:]])
    assert torch.equal(x[: len(data.train.x)], data.train.x)
    y = torch.cat([piece.y for piece in found if piece.y is not None and piece.x.shape[1:] == x.shape[1:]])
    assert torch.equal(y[: len(data.train.y)], data.train.y)
    assert y.dtype == data.train.y.dtype
    assert not remarks.unseen
    assert not remarks.missing


@pytest.mark.parametrize("source", SOURCES)
def test_the_record_comes_back_from_json_and_knows_the_shape_of_the_data(tmp_path: Path, source: Any) -> None:
    place, settings = source(tmp_path)
    data = load(place, **settings)
    found = reread(data)
    assert found.plain() == json.loads(json.dumps(data.preprocessing))
    assert found.shape == data.shape
    assert found.classes == data.classes
    assert found.task == data.shape.task
    if found.target is not None:
        assert (found.target.mean, found.target.std) == (data.target_mean, data.target_std)


@pytest.mark.parametrize(
    "change",
    [{"columns": 3}, {"columns": []}, {"columns": [{"name": 3}]}, {"names": None}, {"target": {"names": ["a"]}}],
)
def test_a_damaged_record_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    place, settings = a_csv(tmp_path)
    plain = dict(load(place, **settings).preprocessing)
    with pytest.raises(DataError, match="is damaged"):
        Preprocessing.of({**plain, **change})


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="data of the kind 'song'"):
        Preprocessing.of({"kind": "song"})
