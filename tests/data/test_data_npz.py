from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.data.splits import split_rows
from trainwright.errors import DataError, UsageError

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(5, [1, 10, 1e-3], (60, 3))
CLASSES = np.arange(60) % 3
GREY = RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (60, 5, 4, 3), dtype=np.uint8)


def save(tmp_path: Path, **arrays: Any) -> str:
    np.savez(tmp_path / "data.npz", **arrays)
    return str(tmp_path / "data.npz")


def test_features_are_standardised_by_the_training_rows(tmp_path: Path) -> None:
    data = load(save(tmp_path, x=FEATURES, y=CLASSES))
    assert (data.name, data.shape.input_shape, data.shape.task, data.classes) == (
        "data",
        (3,),
        "classification",
        ("0", "1", "2"),
    )
    parts = split_rows(60, labels=CLASSES, validation=0.15, test=0.15)
    mean, std = FEATURES[parts.train].mean(0), FEATURES[parts.train].std(0)
    assert data.test is not None
    np.testing.assert_allclose(data.test.x, (FEATURES[parts.test] - mean) / std, rtol=1e-5, atol=1e-5)
    assert data.test.y.tolist() == CLASSES[parts.test].tolist()
    raw = load(save(tmp_path, x=FEATURES, y=CLASSES), normalise="none", validation=0, test=0)
    assert torch.equal(raw.train.x, torch.from_numpy(FEATURES.astype(np.float32)))


def test_a_small_spread_about_a_large_mean_survives(tmp_path: Path) -> None:
    x = 1e9 + RNG.normal(size=(60, 1))
    data = load(save(tmp_path, x=x, y=CLASSES), validation=0, test=0)
    np.testing.assert_allclose(data.train.x.double(), (x - x.mean()) / x.std(), atol=1e-5)


@pytest.mark.parametrize(
    "keys",
    [
        ("x", "y"),
        ("X", "Y"),
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("images", "labels"),
        ("features", "target"),
        ("data", "targets"),
        ("inputs", "label"),
    ],
)
def test_the_usual_names_are_known(tmp_path: Path, keys: tuple[str, str]) -> None:
    data = load(save(tmp_path, **{keys[0]: FEATURES, keys[1]: CLASSES}), validation=0, test=0)
    assert data.train.y.tolist() == CLASSES.tolist()
    assert data.notes == ()


@pytest.mark.parametrize("naming", ["{}_{}", "{1}_{0}"])
@pytest.mark.parametrize("validation", ["validation", "val", "valid"])
def test_splits_of_the_files_own_are_taken_as_they_are(tmp_path: Path, naming: str, validation: str) -> None:
    arrays = {}
    for part, rows in (("train", slice(0, 40)), (validation, slice(40, 50)), ("test", slice(50, 60))):
        arrays |= {naming.format("x", part): FEATURES[rows], naming.format("y", part): CLASSES[rows]}
    data = load(save(tmp_path, **arrays))
    assert data.validation is not None
    assert data.test is not None
    assert data.train.y.tolist() == CLASSES[:40].tolist()
    assert data.validation.y.tolist() == CLASSES[40:50].tolist()
    mean, std = FEATURES[:40].mean(0), FEATURES[:40].std(0)
    np.testing.assert_allclose(data.test.x, (FEATURES[50:] - mean) / std, rtol=1e-5, atol=1e-5)
    without = load(save(tmp_path, **{key: value for key, value in arrays.items() if validation not in key}))
    assert without.validation is not None
    assert len(without.train) + len(without.validation) == 40


def test_inputs_without_targets_are_left_out_and_said(tmp_path: Path) -> None:
    data = load(save(tmp_path, x_train=FEATURES, y_train=CLASSES, x_test=FEATURES, weights=CLASSES))
    assert data.test is not None
    assert len(data.test) < 60
    assert data.notes == ("data.npz: arrays that were not used: weights, x_test",)


@pytest.mark.parametrize("first", [False, True])
def test_images_are_standardised_by_channel(tmp_path: Path, first: bool) -> None:
    images = COLOUR // np.array([1, 2, 4], dtype=np.uint8)
    stored = images.transpose(0, 3, 1, 2) if first else images
    data = load(save(tmp_path, images=stored, labels=CLASSES))
    assert data.shape.input_shape == (3, 5, 4)
    parts = split_rows(60, labels=CLASSES, validation=0.15, test=0.15)
    train = images[parts.train].astype(np.float64) / 255
    facts = data.preprocessing
    np.testing.assert_allclose(facts["mean"], train.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(facts["std"], train.std((0, 1, 2)), rtol=1e-12)
    assert data.test is not None
    expected = (images[parts.test] / 255 - train.mean((0, 1, 2))) / train.std((0, 1, 2))
    np.testing.assert_allclose(data.test.x, expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_grey_images_and_sequences_are_told_apart(tmp_path: Path) -> None:
    assert load(save(tmp_path, x=GREY, y=CLASSES)).shape.input_shape == (1, 5, 4)
    floating = GREY.astype(np.float32) / 255
    named = load(save(tmp_path, images=floating, labels=CLASSES))
    assert (named.shape.input_shape, len(named.preprocessing["mean"])) == ((1, 5, 4), 1)
    series = load(save(tmp_path, x=floating, y=CLASSES))
    assert series.shape.input_shape == (5, 4)
    assert any("sequences of 5 steps of 4 features" in note for note in series.notes)
    parts = split_rows(60, labels=CLASSES, validation=0.15, test=0.15)
    train = floating[parts.train].astype(np.float64)
    np.testing.assert_allclose(series.preprocessing["mean"], train.mean((0, 1)), rtol=1e-9)
    np.testing.assert_allclose(series.preprocessing["std"], train.std((0, 1)), rtol=1e-9)


def test_a_channel_or_feature_that_does_not_vary_becomes_zero(tmp_path: Path) -> None:
    images = COLOUR.copy()
    images[..., 1] = 9
    data = load(save(tmp_path, x=images, y=CLASSES))
    assert (data.train.x[:, 1] == 0).all()
    assert any("channel 1 is the same" in note for note in data.notes)
    features = FEATURES.copy()
    features[:, 2] = 0.1
    data = load(save(tmp_path, x=features, y=CLASSES))
    assert (data.train.x[:, 2] == 0).all()
    assert any("1 of 3 features are the same" in note for note in data.notes)


def test_names_of_classes_and_features_are_taken_from_the_file(tmp_path: Path) -> None:
    names = np.array(["setosa", "versicolor", "virginica", "other"])
    data = load(save(tmp_path, x=FEATURES, y=CLASSES, target_names=names, feature_names=np.array(["p", "q", "r"])))
    assert (data.classes, data.features, data.shape.outputs) == (tuple(names), ("p", "q", "r"), 4)
    with pytest.raises(DataError, match="ids 0 to 2, 2 names"):
        load(save(tmp_path, x=FEATURES, y=CLASSES, class_names=names[:2]))
    with pytest.raises(DataError, match="no list of names"):
        load(save(tmp_path, x=FEATURES, y=CLASSES, class_names=CLASSES))
    test = {"x_test": FEATURES[:2], "y_test": np.array([2, 3])}
    held_out = load(save(tmp_path, x=FEATURES, y=CLASSES, class_names=names, **test)).test
    assert held_out is not None
    assert held_out.y.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("y", "task", "outputs", "classes"),
    [
        (np.array(["b", "a"] * 30), "classification", 2, ("a", "b")),
        (np.array([b"b", b"a"] * 30), "classification", 2, ("a", "b")),
        (np.array([True, False] * 30), "classification", 2, ("0", "1")),
        (CLASSES[:, None] * 10, "classification", 3, ("0", "10", "20")),
        (RNG.normal(size=60), "regression", 1, ()),
        (RNG.normal(size=(60, 4)), "regression", 4, ()),
        (RNG.integers(0, 2, (60, 3)), "multi-label", 3, ("0", "1", "2")),
        (RNG.integers(0, 2, (60, 3)).astype(bool), "multi-label", 3, ("0", "1", "2")),
    ],
)
def test_targets_say_what_the_task_is(
    tmp_path: Path, y: np.ndarray, task: str, outputs: int, classes: tuple[str, ...]
) -> None:
    source = save(tmp_path, x=FEATURES, y=y)
    data = load(source)
    assert (data.shape.task, data.shape.outputs, data.classes) == (task, outputs, classes)
    summary = inspect(source)
    assert (summary.task, summary.outputs, summary.rows, summary.input_shape) == (task, outputs, 60, (3,))
    assert tuple(name for name, _ in summary.classes) == classes


def test_quantities_are_standardised_and_come_back(tmp_path: Path) -> None:
    y = RNG.normal(100, [1, 20], (60, 2))
    data = load(save(tmp_path, x=FEATURES, y=y), validation=0, test=0)
    np.testing.assert_allclose(data.target_mean, y.mean(0), rtol=1e-12)
    np.testing.assert_allclose(
        data.train.y.double() * torch.tensor(data.target_std) + torch.tensor(data.target_mean), y, rtol=1e-6
    )
    whole = load(save(tmp_path, x=FEATURES, y=np.arange(60) % 30), task="regression")
    assert whole.shape.task == "regression"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": FEATURES}, "which array holds the targets(.|\n)*the arrays are x"),
        ({"y": CLASSES}, "which array holds the inputs"),
        ({}, r"the arrays are \(none\)"),
        ({"x": FEATURES, "x_train": FEATURES, "y": CLASSES}, "two arrays of train inputs: 'x' and 'x_train'"),
        ({"x": FEATURES[:50], "y": CLASSES}, r"do not belong together(.|\n)*\(50, 3\) and \(60,\)"),
        ({"x": FEATURES[:, 0], "y": CLASSES}, r"a row of features for each sample(.|\n)*\(60,\)"),
        ({"x": FEATURES[:0], "y": CLASSES[:0]}, "a row of features"),
        ({"x": FEATURES.astype(str), "y": CLASSES}, "does not hold numbers"),
        ({"x": FEATURES.astype(complex), "y": CLASSES}, "neither numbers nor words(.|\n)*complex128"),
        ({"x": np.where(FEATURES > 18, np.nan, FEATURES), "y": CLASSES}, r"missing, infinite(.|\n)*: nan"),
        ({"x": FEATURES * 1e38, "y": CLASSES}, "too large for a 32-bit number"),
        ({"x": np.ones((60, 2)), "y": CLASSES}, "all features are the same"),
        ({"x": FEATURES, "y": np.zeros(60, int)}, "one class only"),
        ({"x": FEATURES, "y": np.ones(60)}, "is the same in every row"),
        ({"x": FEATURES, "y": np.full(60, np.nan)}, "must be a finite number(.|\n)*row 0, column 0: nan"),
        ({"x": FEATURES, "y": np.arange(60)}, "a class of its own(.|\n)*regression"),
        ({"x": FEATURES, "y": np.eye(60, dtype=int)}, "one 1 in every row(.|\n)*argmax"),
        ({"x": FEATURES, "y": CLASSES[:, None] * np.ones(2, int)}, "values up to 2"),
        ({"x": FEATURES, "y": np.zeros((60, 2, 2))}, r"one row of targets(.|\n)*\(60, 2, 2\)"),
        (
            {"x": FEATURES, "y": CLASSES, "x_test": FEATURES[:, :2], "y_test": CLASSES},
            "training and test samples differ",
        ),
        ({"x": FEATURES, "y": CLASSES, "x_test": FEATURES, "y_test": CLASSES + 1}, "label '3' does not occur"),
        ({"x": GREY, "y": CLASSES, "x_test": GREY / 255, "y_test": CLASSES}, "test images are not(.|\n)*from 0 to 1"),
        (
            {"x": FEATURES, "y": FEATURES, "x_test": FEATURES, "y_test": FEATURES[:, :2]},
            "other columns than the targets of training",
        ),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(save(tmp_path, **arrays))
    assert caught.value.remedy
    assert caught.value.evidence


def test_settings_of_other_sources_are_refused(tmp_path: Path) -> None:
    source = save(tmp_path, x=FEATURES, y=CLASSES)
    with pytest.raises(UsageError, match=r"data\.target has no meaning for (.|\n)* a file of arrays"):
        load(source, target="y")
    with pytest.raises(UsageError, match=r"data\.image_size has no meaning"):
        load(source, image_size=8)


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return (open, ("unpickled", "w"))


def test_objects_are_refused_and_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = save(tmp_path, x=FEATURES, y=np.array([Bomb()] * 60, dtype=object))
    with pytest.raises(DataError, match=r"'y' in (.|\n)*Python objects, which are not read(.|\n)*astype"):
        load(source)
    (tmp_path / "p.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"p\.npz is damaged, or no archive"):
        load(str(tmp_path / "p.npz"))
    assert not (tmp_path / "unpickled").exists()


def test_a_single_array_and_other_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", FEATURES)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(DataError, match="a single array"):
        load(str(tmp_path / "one.npz"))
    (tmp_path / "one.npz").rename(tmp_path / "one.npy")
    with pytest.raises(DataError, match="a single NumPy array"):
        load(str(tmp_path / "one.npy"))
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("sheet.xml", "<x/>")
    with pytest.raises(DataError, match="Excel workbook"):
        load(str(tmp_path / "book.xlsx"))


def test_an_archive_is_known_by_its_content_and_may_be_compressed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "data.npz", x=FEATURES, y=CLASSES)
    plain = load(str((tmp_path / "data.npz").rename(tmp_path / "data")))
    assert plain.fingerprint == load(save(tmp_path, x=FEATURES, y=CLASSES)).fingerprint
    (tmp_path / "packed.npz").write_bytes(gzip.compress((tmp_path / "data").read_bytes()))
    assert load(str(tmp_path / "packed.npz")).fingerprint == plain.fingerprint


def test_a_lying_header_does_not_allocate(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**13, 3)})
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(DataError, match=r"lie\.npz is damaged"):
        load(str(tmp_path / "lie.npz"))


@pytest.mark.parametrize("seed", range(40))
def test_noise_never_raises_anything_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    save_as = np.savez if seed % 2 else np.savez_compressed
    save_as(tmp_path / "data.npz", x=FEATURES, y=CLASSES)
    content = bytearray((tmp_path / "data.npz").read_bytes())
    if seed % 4 == 0:
        content = content[: rng.integers(len(content))]
    for place in rng.integers(0, max(1, len(content)), 4):
        content[place : place + 1] = bytes([rng.integers(256)])
    (tmp_path / "data.npz").write_bytes(content)
    with contextlib.suppress(DataError):
        assert load(str(tmp_path / "data.npz")).shape.input_shape == (3,)
