"""New data are mapped by name and taken as in training; what is new is said, and what cannot be read is refused."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data_files import csv_text, housing, mnist_like, pictures, write_csv, write_idx
from PIL import Image

from trainwright.data import newarrays, newtable, newtext
from trainwright.data.load import load
from trainwright.data.newdata import Piece, Remarks, pieces
from trainwright.data.prepare import prepare_rows
from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import DataError, UsageError

NEW = housing(30, seed=5)


@pytest.fixture
def houses(tmp_path: Path) -> Preprocessing:
    source = write_csv(tmp_path / "train.csv", csv_text(housing()))
    return Preprocessing.of(load(str(source), target="value").preprocessing)


def read(preprocessing: Preprocessing, data: Any, *, keep: Sequence[str] = ()) -> tuple[list[Piece], tuple[str, ...]]:
    remarks = Remarks()
    found = list(pieces(preprocessing, data, remarks, keep=keep))
    return found, remarks.sentences(preprocessing)


def inputs(preprocessing: Preprocessing, data: Any) -> torch.Tensor:
    return torch.cat([piece.x for piece in read(preprocessing, data)[0]])


def reordered(rows: Sequence[dict[str, str]], *names: str, **more: str) -> str:
    return csv_text([{name: row[name] for name in names} | more for row in rows])


def test_the_order_of_columns_is_free_and_further_ones_are_said(tmp_path: Path, houses: Preprocessing) -> None:
    expected = prepare_rows(houses.plain(), write_csv(tmp_path / "same.csv", csv_text(NEW)))
    names = ("ocean", "income", "bedrooms", "longitude")
    path = write_csv(tmp_path / "new.csv", reordered(NEW, *names, comment="=HYPERLINK(1)"))
    found, said = read(houses, path)
    assert torch.equal(found[0].x, expected)
    assert found[0].y is None
    assert any("were passed over: 'comment'" in sentence for sentence in said)
    columns = {name: [row[name] for row in NEW] for name in names}
    assert torch.equal(inputs(houses, columns), expected)
    assert torch.equal(inputs(houses, pl.DataFrame(columns)), expected)


def test_a_column_that_is_missing_is_refused_with_the_likely_one(tmp_path: Path, houses: Preprocessing) -> None:
    text = csv_text(NEW).replace("income", "incomes", 1)
    with pytest.raises(DataError, match=r"lacks the column 'income'(.|\n)*is it 'incomes'\?"):
        read(houses, write_csv(tmp_path / "new.csv", text))
    with pytest.raises(DataError, match="lack the column 'income'"):
        read(houses, {"ocean": ["INLAND"], "longitude": [1.0], "bedrooms": [2.0]})
    frame = pl.read_csv(csv_text(NEW).encode()).with_columns(income=pl.Series([[1.0]] * len(NEW)))
    frame.write_parquet(tmp_path / "new.parquet")
    with pytest.raises(DataError, match=r"column 'income' of .* holds lists"):
        read(houses, tmp_path / "new.parquet")


def test_unseen_categories_and_unusual_gaps_are_taken_as_in_training_and_said(
    tmp_path: Path, houses: Preprocessing
) -> None:
    rows = [dict(row) for row in NEW]
    rows[3]["ocean"] = rows[9]["ocean"] = "MOON"
    rows[4]["income"] = ""
    path = write_csv(tmp_path / "new.csv", csv_text(rows))
    found, said = read(houses, path)
    assert torch.equal(found[0].x, prepare_rows(houses.plain(), path))
    assert (found[0].x[3, 4:] == 0).all()
    assert any("'ocean': 2 cells hold a category" in sentence and "'MOON'" in sentence for sentence in said)
    assert any("'income': 1 values are missing, and none was in training" in sentence for sentence in said)
    assert not any("bedrooms" in sentence for sentence in said)  # where training had gaps, too


@pytest.mark.parametrize("cell", ["much", "1e999", "inf", "1,5"])
def test_a_cell_of_another_type_is_named_with_line_and_column(tmp_path: Path, houses: Preprocessing, cell: str) -> None:
    rows = [dict(row) for row in NEW]
    rows[6]["income"] = f'"{cell}"'
    with pytest.raises(DataError, match=r"'income'(.|\n)*line 8"):
        read(houses, write_csv(tmp_path / "new.csv", csv_text(rows)))


@pytest.mark.parametrize("text", ["", "\n\n", "longitude,bedrooms,income,ocean\n", "a,b\n1,2\n3\n"])
def test_a_file_that_is_empty_or_ragged_is_refused(tmp_path: Path, houses: Preprocessing, text: str) -> None:
    with pytest.raises(DataError):
        read(houses, write_csv(tmp_path / "new.csv", text))


def test_one_row_with_a_header_is_one_row(tmp_path: Path) -> None:
    text = "size,kind,label\n" + "".join(f"{'xyz'[i % 3]},k{i % 2},{i % 2}\n" for i in range(40))
    preprocessing = Preprocessing.of(load(str(write_csv(tmp_path / "t.csv", text)), target="label").preprocessing)
    found, _ = read(preprocessing, write_csv(tmp_path / "n.csv", "kind,size\nk1,z\n"))
    assert found[0].x.tolist() == [[0, 0, 1, 0, 1]]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_pieces_of_any_size_are_the_whole(
    tmp_path: Path, houses: Preprocessing, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"new{ending}"
    if ending == ".parquet":
        pl.read_csv(csv_text(NEW).encode()).write_parquet(path)
    elif ending == ".csv.gz":
        path.write_bytes(gzip.compress(csv_text(NEW).encode()))
    else:
        write_csv(path, csv_text(NEW))
    whole = prepare_rows(houses.plain(), path)
    monkeypatch.setattr(newtable, "ROWS", 7)
    found, _ = read(houses, path)
    assert [len(piece.x) for piece in found] == [7, 7, 7, 7, 2]
    assert torch.equal(torch.cat([piece.x for piece in found]), whole)
    assert [place for piece in found for place in piece.places] == list(range(1, 31))
    assert sum(len(piece.y) for piece in found if piece.y is not None) == 30


def test_targets_that_came_along_are_read_and_rows_without_them_are_not_scored(
    tmp_path: Path, houses: Preprocessing
) -> None:
    rows = [dict(row) for row in NEW]
    rows[2]["value"] = ""
    found, _ = read(houses, write_csv(tmp_path / "new.csv", csv_text(rows)))
    assert found[0].labelled is not None
    assert found[0].labelled.tolist() == [0, 1, *range(3, 30)]
    assert found[0].y is not None
    plan = houses.target
    assert plan is not None
    wanted = (float(rows[5]["value"]) - plan.mean[0]) / plan.std[0]
    assert float(found[0].y[4, 0]) == pytest.approx(wanted)


def test_targets_that_cannot_be_read_keep_nobody_from_predicting(tmp_path: Path) -> None:
    text = "a,label\n" + "".join(f"{i}.5,{'yn'[i % 2]}\n" for i in range(40))
    preprocessing = Preprocessing.of(load(str(write_csv(tmp_path / "t.csv", text))).preprocessing)
    found, said = read(preprocessing, write_csv(tmp_path / "n.csv", "a,label\n1.5,y\n2.5,perhaps\n"))
    assert len(found[0].x) == 2
    assert found[0].y is None
    assert any("could not be read" in sentence and "perhaps" in sentence for sentence in said)


def test_columns_can_be_kept(tmp_path: Path, houses: Preprocessing) -> None:
    path = write_csv(tmp_path / "new.csv", reordered(NEW, "ocean", "income", "bedrooms", "longitude", name="=1+1"))
    found, _ = read(houses, path, keep=["name", "income"])
    assert found[0].kept["name"] == ["=1+1"] * 30
    with pytest.raises(DataError, match="has no column 'nam'"):
        read(houses, path, keep=["nam"])


def test_a_folder_of_images_is_read_at_any_depth_and_its_folders_may_name_the_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in range(24):
        path = tmp_path / "t" / ("cat" if place % 2 else "dog") / f"{place:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    preprocessing = Preprocessing.of(load(str(tmp_path / "t")).preprocessing)
    (tmp_path / "t" / "cat" / "notes.md").write_text("no image")
    found, said = read(preprocessing, tmp_path / "t")
    assert found[0].places[0] == "cat/01.png"
    assert found[0].y is not None
    assert found[0].y.tolist() == [0] * 12 + [1] * 12
    assert any("'cat/notes.md'" in sentence for sentence in said)
    flat = tmp_path / "flat"
    flat.mkdir()
    (tmp_path / "t" / "dog" / "00.png").rename(flat / "a.png")
    found, _ = read(preprocessing, flat)
    assert (found[0].places, found[0].y) == (["a.png"], None)
    alone = inputs(preprocessing, flat / "a.png")
    assert torch.equal(alone, found[0].x)
    assert torch.equal(inputs(preprocessing, [flat / "a.png"]), alone)
    Image.fromarray(np.zeros((9, 8, 3), dtype=np.uint8)).save(flat / "b.png")
    with pytest.raises(DataError, match=r"b\.png does not have the shape"):
        read(preprocessing, flat)
    (flat / "b.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(DataError, match=r"b\.png is a damaged image"):
        read(preprocessing, flat)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        read(preprocessing, tmp_path / "empty")
    with pytest.raises(DataError, match="is a table, and the training data were images"):
        read(preprocessing, write_csv(tmp_path / "x.csv", "a,b\n1,2\n"))


def test_idx_files_and_arrays_are_read_with_their_labels_where_they_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessing = Preprocessing.of(load(str(mnist_like(tmp_path / "t"))).preprocessing)
    images, labels = pictures(20, seed=3)
    write_idx(tmp_path / "new-images-idx3-ubyte", images)
    found, _ = read(preprocessing, tmp_path / "new-images-idx3-ubyte")
    assert found[0].y is None
    write_idx(tmp_path / "new-labels-idx1-ubyte", labels)
    monkeypatch.setattr(newarrays, "SAMPLES", 6)
    found, _ = read(preprocessing, tmp_path / "new-images-idx3-ubyte")
    assert torch.cat([piece.y for piece in found if piece.y is not None]).tolist() == labels.tolist()
    assert torch.equal(torch.cat([piece.x for piece in found]), inputs(preprocessing, images))
    np.savez(tmp_path / "new.npz", x=images, y=labels)
    assert torch.equal(inputs(preprocessing, tmp_path / "new.npz"), inputs(preprocessing, images))
    np.savez(tmp_path / "other.npz", x=images[:, :2])
    with pytest.raises(DataError, match="does not have the shape"):
        read(preprocessing, tmp_path / "other.npz")
    np.savez(tmp_path / "strange.npz", x=images, y=labels + 7)
    _, said = read(preprocessing, tmp_path / "strange.npz")
    assert any("could not be read" in sentence for sentence in said)


@pytest.mark.parametrize("windows", [1, 3, 100])
@pytest.mark.parametrize("length", [2, 8, 9, 10, 48, 49, 200])
def test_a_text_is_cut_into_windows_and_nothing_is_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: int, length: int
) -> None:
    text = "the cat sat on the mat, and the dog on the log.\n" * 20
    (tmp_path / "t.txt").write_text(text)
    preprocessing = Preprocessing.of(load(str(tmp_path / "t.txt"), context=8).preprocessing)
    monkeypatch.setattr(newtext, "_WINDOWS", windows)
    (tmp_path / "n.txt").write_bytes(text[:length].replace("\n", "\r\n").encode())
    found, _ = read(preprocessing, tmp_path / "n.txt")
    tokens = prepare_rows(preprocessing.plain(), text[:length])[0]
    assert torch.equal(torch.cat([piece.x.reshape(-1) for piece in found]), tokens[:-1])
    assert torch.equal(torch.cat([piece.y.reshape(-1) for piece in found if piece.y is not None]), tokens[1:])
    starts = [place for piece in found for place in piece.places]
    assert starts == list(range(1, length, 8))


def test_a_text_that_training_could_not_have_had_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("the cat sat on the mat. " * 20)
    preprocessing = Preprocessing.of(load(str(tmp_path / "t.txt"), context=8).preprocessing)
    (tmp_path / "n.txt").write_text("the cat sat on the mat, too")
    with pytest.raises(DataError, match=r"holds the character ','(.|\n)*character 23 of"):
        read(preprocessing, tmp_path / "n.txt")
    (tmp_path / "n.txt").write_bytes(b"the c\xe9t")
    with pytest.raises(DataError, match="is not in UTF-8"):
        read(preprocessing, tmp_path / "n.txt")
    (tmp_path / "n.txt").write_text("t")
    with pytest.raises(DataError, match="fewer than two characters"):
        read(preprocessing, tmp_path / "n.txt")
    with pytest.raises(UsageError, match="of tables alone"):
        read(preprocessing, tmp_path / "t.txt", keep=["a"])
