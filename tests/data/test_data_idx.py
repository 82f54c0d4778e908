from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import idx_bytes, mnist_like, pictures, write_idx

from trainwright.data.idx import read_idx
from trainwright.data.load import load
from trainwright.errors import DataError, UsageError


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_folder_like_mnists_is_read(tmp_path: Path, ending: str) -> None:
    data = load(str(mnist_like(tmp_path / "mini", ending=ending)), validation=0.2)
    assert data.name == "mini"
    assert (data.shape.input_shape, data.shape.outputs, data.classes) == ((1, 4, 3), 3, ("0", "1", "2"))
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (48, 12, 12)
    assert data.test.y.tolist() == [0, 1, 2] * 4


def test_pixels_are_standardised_by_the_training_images(tmp_path: Path) -> None:
    data = load(str(mnist_like(tmp_path / "mini")))
    facts = data.preprocessing
    assert abs(float(data.train.x.mean())) < 1e-5
    assert abs(float(data.train.x.std(correction=0)) - 1) < 1e-5
    raw = load(str(tmp_path / "mini"), normalise="none")
    assert data.test is not None
    assert raw.test is not None
    assert raw.test.x.max() > 200
    (mean,), (std,) = facts["mean"], facts["std"]
    torch.testing.assert_close(data.test.x, (raw.test.x / facts["scale"] - mean) / std)
    write_idx(tmp_path / "mini" / "t10k-images-idx3-ubyte.gz", np.zeros((12, 4, 3)))
    assert load(str(tmp_path / "mini")).preprocessing == facts


def test_one_images_file_finds_its_labels_and_is_divided(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path, test=False)
    for source in (folder, folder / "train-images-idx3-ubyte.gz"):
        data = load(str(source))
        assert data.test is not None
        assert len(data.train) + len(data.test) < 60


def test_labels_with_gaps_become_consecutive_ids(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path)
    write_idx(folder / "train-labels-idx1-ubyte.gz", (np.arange(60) % 3) * 10 + 1)
    with pytest.raises(DataError, match="labels of test: the label '0' does not occur in training"):
        load(str(folder))
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.full(12, 21))
    data = load(str(folder))
    assert data.classes == ("1", "11", "21")
    assert data.test is not None
    assert set(data.test.y.tolist()) == {2}


def _truncated(content: bytes) -> bytes:
    return content[:-5]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncated, "truncated(.|\n)*720 bytes; 715 are there"),
        (lambda content: content[:9], "truncated(.|\n)*within its header"),
        (lambda content: content + b"x", "longer than its header"),
        (lambda content: gzip.compress(content)[:-20], "damaged gzip"),
        (lambda content: gzip.compress(content)[:60] + b"\0" * 60, "damaged gzip"),
        (lambda content: gzip.compress(_truncated(content)), "truncated"),
        (lambda content: content[:2] + b"\x0d" + content[3:], "float32, where uint8"),
        (lambda content: idx_bytes(np.zeros(60, np.uint8)), "1 dimension, not 3"),
        (lambda content: idx_bytes(np.zeros(0, np.uint8), sizes=(0, 4, 3)), "is empty"),
        (lambda content: content[:4] + b"\xff" * 12, "too large(.|\n)*at most 4,294,967,296"),
        (lambda content: content[:4] + b"\0\xff\0\0\0\0\0\x04\0\0\0\x03" + content[16:], "truncated"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes], message: str) -> None:
    folder = mnist_like(tmp_path, ending="")
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        load(str(folder))


def test_a_file_that_is_no_idx_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path, ending="")
    (folder / "train-images-idx3-ubyte").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"no IDX file(.|\n)*3c 68 74 6d"):
        load(str(folder))


@pytest.mark.parametrize("packed", [False, True])
def test_a_lying_header_does_not_allocate(tmp_path: Path, packed: bool) -> None:
    content = b"\0\0\x08\x03" + b"\0\x03\0\0" + b"\0\0\0\x80" * 2 + b"1234"  # says 3 GiB
    path = tmp_path / "lie"
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"truncated(.|\n)*3,221,225,472 bytes; 4 are there"):
            read_idx(path, dimensions=3)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_pairs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path)
    labels = folder / "train-labels-idx1-ubyte.gz"
    write_idx(labels, np.zeros(59))
    with pytest.raises(DataError, match="60 images, 59 labels"):
        load(str(folder))
    write_idx(labels, np.zeros(60))
    with pytest.raises(DataError, match="one class only"):
        load(str(folder))
    labels.unlink()
    with pytest.raises(DataError, match="lacks train-labels-idx1-ubyte"):
        load(str(folder))
    with pytest.raises(DataError, match="no labels file lies beside"):
        load(str(folder / "train-images-idx3-ubyte.gz"))


def test_test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", np.zeros((12, 5, 5)))
    with pytest.raises(DataError, match="differ in size"):
        load(str(folder))


def test_blank_images_are_refused(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path)
    write_idx(folder / "train-images-idx3-ubyte.gz", np.full((60, 4, 3), 7))
    with pytest.raises(DataError, match="pixels of all training images are the same"):
        load(str(folder))


def test_settings_of_tables_are_refused_for_images(tmp_path: Path) -> None:
    folder = str(mnist_like(tmp_path))
    with pytest.raises(UsageError, match=r"data\.target has no meaning"):
        load(folder, target="label")
    with pytest.raises(UsageError, match=r"data\.ignore has no meaning"):
        load(folder, ignore=["label"])
    with pytest.raises(UsageError, match="is a classification data set"):
        load(folder, task="regression")


def test_the_fingerprint_does_not_depend_on_compression(tmp_path: Path) -> None:
    plain, packed = mnist_like(tmp_path / "a", ending=""), mnist_like(tmp_path / "b", ending=".gz")
    assert load(str(plain)).fingerprint == load(str(packed)).fingerprint
    images, _ = pictures(60)
    images[0, 0, 0] ^= 1
    write_idx(packed / "train-images-idx3-ubyte.gz", images)
    assert load(str(plain)).fingerprint != load(str(packed)).fingerprint
