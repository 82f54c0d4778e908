"""Data larger than memory: chosen by what they would take, and trained on in memory that does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from trainwright.data.blockbatches import BlockBatches
from trainwright.data.load import load
from trainwright.data.prepare import prepare_rows
from trainwright.data.streaming import Streaming
from trainwright.errors import DataError, UsageError

ON_DISK = Streaming(asked=True)


def numbers(folder: Path, rows: int = 3000) -> Path:
    generator = np.random.default_rng(0)
    x = generator.normal(3, 2, (rows, 6)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", (x[:, 0] > 3).astype(np.int64))
    return folder


def test_arrays_are_mapped_and_scaled_by_their_training_samples(tmp_path: Path) -> None:
    data = load(str(numbers(tmp_path)))
    x = torch.cat([batch for batch, _ in BlockBatches(data.train, batch_size=100, seed=0).epoch(0)])
    assert torch.allclose(x.mean(0), torch.zeros(6), atol=1e-4)
    assert torch.allclose(x.std(0, correction=0), torch.ones(6), atol=1e-4)
    raw = np.load(tmp_path / "x.npy")[:4]
    assert prepare_rows(data.preprocessing, raw).shape == (4, 6)


def test_splits_of_their_own_are_taken_as_they_are(tmp_path: Path) -> None:
    numbers(tmp_path)
    for part, rows in (("validation", 50), ("test", 70)):
        np.save(tmp_path / f"x_{part}.npy", np.load(tmp_path / "x.npy")[:rows])
        np.save(tmp_path / f"y_{part}.npy", np.load(tmp_path / "y.npy")[:rows])
    data = load(str(tmp_path))
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (3000, 50, 70)


@pytest.mark.parametrize("form", ["bin", "npy", "folder"])
def test_tokens_are_windows_that_follow_one_another(tmp_path: Path, form: str) -> None:
    tokens = np.random.default_rng(0).integers(0, 300, 20_000)
    source = tmp_path / f"t.{form}" if form != "folder" else tmp_path
    if form == "npy":
        np.save(source, tokens)
    else:
        tokens.astype("<u2").tofile(source if form == "bin" else tmp_path / "train.bin")
    if form == "folder":
        tokens[:3000].astype("<u2").tofile(tmp_path / "val.bin")
    data = load(str(source), context=16)
    assert data.shape.vocabulary == 300
    x, y = next(BlockBatches(data.train, batch_size=8, seed=0).epoch(0))
    assert x.dtype == torch.int64
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert data.validation is not None
    assert len(data.validation) == 2999 // 16


def test_images_are_decoded_as_they_are_needed_and_divided_by_class(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for place in range(40):
            pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / name / f"{place}.png")
    data, whole = load(str(tmp_path), streaming=ON_DISK), load(str(tmp_path))
    assert (data.shape, data.classes) == (whole.shape, whole.classes)
    assert data.preprocessing["mean"] == pytest.approx(whole.preprocessing["mean"], abs=0.01)
    seen = [label for _, y in BlockBatches(data.train, batch_size=16, seed=0).epoch(0) for label in y.tolist()]
    assert np.bincount(seen).tolist() == [28, 28]


def test_shards_are_one_table_behind_a_url_and_in_a_folder(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=900)
    frame = pl.DataFrame({"x": x, "label": np.where(x > 0, "a", "b")})
    for place in range(3):
        frame[place * 300 : (place + 1) * 300].write_parquet(tmp_path / f"part-{place}.parquet")
    local, remote = load(str(tmp_path)), load(f"file://{tmp_path}/part-*.parquet")
    for data in (local, remote):
        assert data.train.stream is not None
        assert len(data.train.stream.counts) == 3
    first, second = (next(BlockBatches(data.train, batch_size=32, seed=0).epoch(0)) for data in (local, remote))
    assert torch.equal(first[0], second[0])
    with pytest.raises(DataError, match="names nothing"):
        load(f"file://{tmp_path}/other-*.parquet")
    with pytest.raises(UsageError, match="always read from disk"):
        load(str(tmp_path), streaming=Streaming(asked=False))


def test_a_table_that_does_not_fit_comfortably_stays_on_disk_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,label\n" + "".join(f"{place * 0.37:.2f},{'ab'[place % 2]}\n" for place in range(2000)))
    assert load(str(path), streaming=Streaming(room=10**9)).train.stream is None
    data = load(str(path), streaming=Streaming(room=100_000))
    assert data.train.stream is not None
    assert data.notes[0].startswith("t.csv stays on disk, and is read in 1 block: in memory it would take about")
    assert load(str(path), streaming=Streaming(asked=False, room=100_000)).train.stream is None
    with pytest.raises(UsageError, match="cannot stay on disk"):
        load("digits", streaming=ON_DISK)


CHILD = """
import resource, sys
import polars, torch
from trainwright.data.blockbatches import BlockBatches
from trainwright.data.load import load
from trainwright.data.streaming import Streaming

def written():
    return int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) * 1024

source, target, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (written() + limit,) * 2)
data = load(source, target=target or None, streaming=Streaming(asked=True, workers=0))
batches = BlockBatches(data.train, batch_size=512, seed=0)
seen = sum(len(x) for x, _ in batches.epoch(0))
assert seen == len(data.train), (seen, len(data.train))
print("samples", seen)
"""


def under_a_limit(source: Path, target: str, megabytes: int) -> int:
    """Read a whole epoch in a process that may write to so much memory beyond its start; return the samples."""
    command = [sys.executable, "-c", CHILD, str(source), target, str(megabytes)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.split()[-1])


def sparse(folder: Path, megabytes: int) -> Path:
    """Write an array that takes no room on the disk but for some of its rows."""
    rows = megabytes * 2**20 // 1024
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (rows, 256))
    generator = np.random.default_rng(0)
    for row in range(0, rows, 997):
        x[row] = generator.normal(size=256)
    x.flush()
    np.save(folder / "y.npy", np.arange(rows) % 2)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_an_array_larger_than_the_memory_allowed_is_read_to_its_end(tmp_path: Path) -> None:
    assert under_a_limit(sparse(tmp_path, 480), "", 160) > 300_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_files_of_gigabytes_are_read_in_a_fifth_of_their_size(tmp_path: Path) -> None:
    (tmp_path / "array").mkdir()
    assert under_a_limit(sparse(tmp_path / "array", 2000), "", 300) > 1_000_000
    rows = np.random.default_rng(0).normal(size=(20_000, 10))
    text = "".join(",".join(f"{value:.6f}" for value in row) + (",a\n" if row[0] > 0 else ",b\n") for row in rows)
    with (tmp_path / "t.csv").open("w") as file:
        file.write(",".join(f"f{place}" for place in range(10)) + ",label\n")
        for _ in range(500):
            file.write(text)
    assert (tmp_path / "t.csv").stat().st_size > 900 * 2**20
    assert under_a_limit(tmp_path / "t.csv", "label", 300) > 6_000_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_parquet_file_is_read_a_row_group_at_a_time(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for shard in range(16):
        frame = pl.DataFrame({f"f{place}": generator.normal(size=500_000) for place in range(16)})
        frame.write_parquet(tmp_path / f"part-{shard:02d}.parquet", row_group_size=100_000)
    assert under_a_limit(tmp_path, "f0", 600) > 5_000_000
