from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import csv_text, housing, mnist_like, write_csv

from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.data.source import open_source
from trainwright.errors import DataError, UsageError


def arrays(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "a.npz", x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 3)
    return folder / "a.npz"


@pytest.mark.parametrize("kind", ["csv", "idx", "npz", "digits", "wine"])
def test_a_source_is_read_once_and_then_looked_at_and_loaded(tmp_path: Path, kind: str) -> None:
    place = {
        "csv": lambda: write_csv(tmp_path / "h.csv", csv_text(housing())),
        "idx": lambda: mnist_like(tmp_path / "i"),
        "npz": lambda: arrays(tmp_path / "n"),
    }.get(kind, lambda: kind)()
    expected, first_look = load(str(place), target="value" if kind == "csv" else None), inspect(str(place))
    opened = open_source(str(place))
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            path.unlink()  # nothing is left to be read a second time
    summary = inspect(opened)
    data = load(opened, target=summary.target, task=summary.task)
    assert summary == first_look
    assert (data.fingerprint, data.notes, data.preprocessing) == (
        expected.fingerprint,
        expected.notes,
        expected.preprocessing,
    )
    assert torch.equal(data.train.x, expected.train.x)
    again = load(opened, target=summary.target, seed=1)
    assert again.train.digest != data.train.digest


def test_opening_says_what_loading_would_say(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the data set 'digits'|did you mean 'digits'"):
        open_source("digit", folder=str(tmp_path))
    with pytest.raises(DataError, match=r"a folder, but no data set(.|\n)*it holds nothing(.|\n)*folder of images"):
        open_source(str(tmp_path))
    (tmp_path / "bad.csv").write_bytes(b"a,b\n1,2\n3\n")
    with pytest.raises(DataError, match="ragged"):
        open_source("bad.csv", folder=str(tmp_path))


def test_a_txt_file_is_a_text_in_windows_of_characters(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("the cat sat on the mat, and the dog on the log. " * 40)
    data = load(str(path), context=16)
    assert (data.shape.input_shape, data.shape.vocabulary, data.shape.task) == ((16,), 15, "classification")
    assert data.train.x.shape[1] == 16
    assert load(str(path)).shape.input_shape == (64,)
    summary = inspect(open_source(str(path)), context=16)
    assert (summary.input_shape, summary.vocabulary, summary.outputs, summary.target) == ((16,), 15, 15, None)
    refused: list[dict[str, Any]] = [{"target": "a"}, {"ignore": ["a"]}, {"test_source": "a.csv"}]
    for settings in refused:
        with pytest.raises(UsageError, match=r"has no meaning for (.|\n)* a text(.|\n)*not called \.txt"):
            load(str(path), **settings)
    with pytest.raises(UsageError, match="is a classification data set"):
        load(str(path), task="regression")
