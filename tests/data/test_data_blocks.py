"""Samples that stay on disk: what is read is what a file holds, in an order that hangs on seed and epoch alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.blockbatches import BlockBatches
from trainwright.data.blocks import Stream, parts_of, windows
from trainwright.data.csvfile import read_table
from trainwright.data.dataset import Split
from trainwright.data.load import load
from trainwright.data.running import Moments
from trainwright.data.splits import Preparation
from trainwright.data.tableblocks import csv_blocks, parquet_blocks
from trainwright.data.tablestream import stream_table
from trainwright.errors import DataError

PREPARATION = Preparation(standardise=True, validation=0.15, test=0.15, seed=0)


def split_of(counts: list[int], workers: int = 1, sample_bytes: int = 8) -> Split:
    """Return a split whose samples are their own numbers, in blocks."""
    starts = np.cumsum([0, *counts])

    def read(block: int) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = torch.arange(int(starts[block]), int(starts[block + 1]))
        return numbers[:, None].float(), numbers

    stream = Stream(counts=np.array(counts), read=read, sample_bytes=sample_bytes, workers=workers)
    x, y = read(0)
    return Split(x=x, y=y, name="train", digest="d", stream=stream)


def order(batches: BlockBatches, epoch: int, first: int = 0) -> list[list[int]]:
    return [y.tolist() for _, y in batches.epoch_from(epoch, first)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 17), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_an_epoch_holds_every_sample_once_whatever_the_blocks(counts: list[int], size: int, workers: int) -> None:
    if not sum(counts):
        return
    batches = BlockBatches(split_of(counts, workers, sample_bytes=2**24), batch_size=size, seed=3)
    found = order(batches, 1)
    assert sorted(number for batch in found for number in batch) == list(range(sum(counts)))
    assert len(found) == batches.steps_per_epoch
    assert sum(counts) == 1 or size == 1 or len(found[-1]) > 1  # a last single sample joins the batch before
    for first in range(len(found)):
        assert order(batches, 1, first) == found[first:]


def test_the_order_hangs_on_the_seed_and_the_epoch_and_not_on_the_workers() -> None:
    orders = [
        order(BlockBatches(split_of([10] * 30, workers, 2**22), batch_size=7, seed=0), 4) for workers in (0, 1, 2, 5)
    ]
    assert all(one == orders[0] for one in orders)
    plain = BlockBatches(split_of([10] * 30), batch_size=7, seed=0)
    assert order(plain, 4) != order(plain, 5)
    assert order(plain, 4) != order(BlockBatches(split_of([10] * 30), batch_size=7, seed=1), 4)


def test_a_window_mixes_blocks_of_far_apart_places() -> None:
    split = split_of([100] * 64, sample_bytes=2**17)
    assert split.stream is not None
    first = next(windows(split.stream, 0, 0))
    assert len(first.blocks) == 8
    assert max(first.blocks) - min(first.blocks) > 16
    batch = order(BlockBatches(split, batch_size=64, seed=0), 0)[0]
    assert len({number // 100 for number in batch}) > 4


def test_resuming_reads_no_block_that_lies_wholly_before() -> None:
    read: list[int] = []
    split = split_of([10] * 64, workers=0, sample_bytes=2**24)
    stream = split.stream
    assert stream is not None
    inner = stream.read
    counted = Stream(
        counts=stream.counts, read=lambda block: (read.append(block), inner(block))[1], sample_bytes=2**24, workers=0
    )
    batches = BlockBatches(Split(x=split.x, y=split.y, name="train", digest="d", stream=counted), batch_size=10, seed=0)
    list(batches.epoch_from(0, 60))
    assert len(read) == 4


def test_the_part_of_a_row_is_a_function_of_its_number() -> None:
    whole = parts_of(PREPARATION, 0, 50_000)
    assert np.array_equal(whole[700:900], parts_of(PREPARATION, 700, 200))
    assert np.allclose(np.bincount(whole) / 50_000, (0.7, 0.15, 0.15), atol=0.01)
    assert set(parts_of(PREPARATION, 0, 1000, have=("test",))) == {0, 1}


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\n1, x ,\n2,y, NA\n,,z\n",
        'a,b\n1,"x, y"\n\n2,"l1\nl2"\n3,z',
        "a;b\r\n1,5;x\r\n2,5;y\r\n",
        "# said\na,b\n1,caf\xe9\n2,x\n",
        "\ufeffa\tb\n1\t2\n3\t4\n",
    ],
    ids=["blanks", "quotes", "semicolons", "latin", "tabs"],
)
def test_the_blocks_of_a_csv_file_hold_what_the_whole_file_holds(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("latin-1" if "\xe9" in text else "utf-8"))
    whole, blocks = read_table(path), csv_blocks(path, 4)
    pieces = [blocks.read(block) for block in reversed(range(len(blocks.rows)))][::-1]
    assert len(pieces) > 1
    assert pl.concat([piece.frame for piece in pieces]).equals(whole.frame)
    assert np.concatenate([piece.lines for piece in pieces]).tolist() == whole.lines.tolist()
    assert blocks.fingerprint == whole.fingerprint


def test_a_gzipped_or_ragged_file_is_refused_with_a_way_out(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "z.csv").write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n"))
    with pytest.raises(DataError, match="gzipped") as refused:
        csv_blocks(tmp_path / "z.csv")
    assert "gunzip" in refused.value.remedy
    (tmp_path / "r.csv").write_text("a,b\n" + "1,2\n" * 300 + "1,2,3\n")
    with pytest.raises(DataError, match="line 302 has 3 cells"):
        csv_blocks(tmp_path / "r.csv")


def table(path: Path, rows: int = 4000) -> Path:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=rows), generator.normal(1e6, 3, size=rows)
    frame = pl.DataFrame(
        {
            "a": a,
            "b": [None if place % 7 == 0 else value for place, value in enumerate(b)],
            "word": [("red", "green", "blue")[place % 3] for place in range(rows)],
            "same": ["x"] * rows,
            "label": np.where(a > 0, "yes", "no"),
        }
    )
    if path.suffix == ".parquet":
        frame.write_parquet(path, row_group_size=500)
    else:
        frame.write_csv(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_on_disk_is_measured_as_one_in_memory(tmp_path: Path, name: str) -> None:
    path = table(tmp_path / name)
    blocks = csv_blocks(path, 2**14) if name == "t.csv" else parquet_blocks(str(path), (str(path),), size=2**14)
    data, whole = stream_table(blocks, target=(), task="auto", preparation=PREPARATION), load(str(path))
    assert (data.features, data.classes, data.shape) == (whole.features, whole.classes, whole.shape)
    batches = BlockBatches(data.train, batch_size=64, seed=0)
    x = torch.cat([batch for batch, _ in batches.epoch(0)])
    assert torch.allclose(x[:, :2].mean(0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(x[:, :2].std(0, correction=0), torch.ones(2), atol=1e-5)
    assert data.validation is not None
    assert data.test is not None
    assert len(data.train) + len(data.validation) + len(data.test) == 4000
    assert data.train.stream is not None
    assert sum(data.train.stream.class_counts) == len(data.train)
    y = torch.cat([labels for _, labels in batches.in_order()])
    assert torch.bincount(y).tolist() == list(data.train.stream.class_counts)


def test_classes_and_words_that_come_late_in_the_file_are_known(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    rows = [
        f"{place % 10},{'rare' if place > 5990 else 'usual'},{'c' if place > 5900 else 'ab'[place % 2]}"
        for place in range(6000)
    ]
    path.write_text("x,word,label\n" + "\n".join(rows) + "\n")
    data = stream_table(csv_blocks(path, 512), target=("label",), task="auto", preparation=PREPARATION)
    assert data.classes == ("a", "b", "c")
    assert "word = rare" in data.features


@given(st.lists(st.lists(st.floats(-1e3, 1e3) | st.just(float("nan")), max_size=8), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_merged_moments_are_those_of_all_numbers(pieces: list[list[float]]) -> None:
    merged = Moments.of(1)
    for piece in pieces:
        merged.add(np.array(piece, dtype=np.float64).reshape(-1, 1) + 1e6)
    values = np.array([value for piece in pieces for value in piece]) + 1e6
    values = values[~np.isnan(values)]
    if len(values):
        assert merged.mean[0] == pytest.approx(values.mean(), rel=1e-12)
        assert merged.std[0] == pytest.approx(values.std(), rel=1e-6, abs=1e-6)
        mean, std = merged.filled(np.array([1e6]), np.array([3.0]))
        filled = np.append(values, [1e6] * 3)
        assert mean[0] == pytest.approx(filled.mean(), rel=1e-12)
        assert std[0] == pytest.approx(filled.std(), rel=1e-6, abs=1e-6)
