from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from trainwright.data import batches as module
from trainwright.data.batches import Batches, StreamBatches, batches_of
from trainwright.data.dataset import Split
from trainwright.errors import DataError
from trainwright.randomness import sample_uniforms

Batch = tuple[torch.Tensor, torch.Tensor]


def numbered(count: int) -> Split:
    x = torch.arange(count, dtype=torch.float32).unsqueeze(1)
    return Split(x=x, y=torch.arange(count), name="train", digest="")


def shaken(x: torch.Tensor, y: torch.Tensor, *, epoch: int, indices: torch.Tensor) -> Batch:
    """Add to each sample, in place, a number that is a function of the epoch and its index."""
    x += sample_uniforms(7, epoch, indices, 1, "shake").to(x.dtype)
    return x, y


class Recorder:
    """An augmentation that changes nothing and remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[int], list[int]]] = []

    def __call__(self, x: torch.Tensor, y: torch.Tensor, *, epoch: int, indices: torch.Tensor) -> Batch:
        assert indices.dtype == torch.int64
        self.seen.append((epoch, indices.tolist(), y.tolist()))
        return x, y


@pytest.mark.parametrize("gather_bytes", [0, 2**28])
def test_indices_are_the_rows_of_the_split(gather_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GATHER_BYTES", gather_bytes)
    recorder = Recorder()
    batches = Batches(numbered(13), batch_size=4, seed=2, augment=recorder)
    plain = [y.tolist() for _, y in Batches(numbered(13), batch_size=4, seed=2).epoch(3)]
    assert [y.tolist() for _, y in batches.epoch(3)] == plain
    assert recorder.seen == [(3, rows, rows) for rows in plain]


def test_the_change_of_a_sample_does_not_depend_on_its_batch() -> None:
    changed: list[dict[int, float]] = []
    for batch_size in (3, 7, 20):
        batches = Batches(numbered(20), batch_size=batch_size, seed=0, augment=shaken)
        changed.append({int(y): float(x) for xs, ys in batches.epoch(4) for x, y in zip(xs, ys, strict=True)})
    assert changed[0] == changed[1] == changed[2]
    assert all(0 < value - row < 1 for row, value in changed[0].items())
    other = {int(y): float(x) for xs, ys in batches.epoch(5) for x, y in zip(xs, ys, strict=True)}
    assert all(other[row] != changed[0][row] for row in other)


def test_training_batches_alone_are_augmented_and_the_data_are_not() -> None:
    split = numbered(9)
    batches = Batches(split, batch_size=4, seed=0, augment=shaken)
    first = torch.cat([x for x, _ in batches.epoch(0)])
    assert torch.equal(torch.cat([x for x, _ in batches.epoch(0)]), first)
    assert not torch.equal(first, first.round())
    assert torch.equal(torch.cat([x for x, _ in batches.in_order()]), numbered(9).x)
    assert torch.equal(batches.take(9)[0].sort(dim=0).values, numbered(9).x)
    assert torch.equal(split.x, numbered(9).x)


def test_a_sample_that_is_drawn_again_is_changed_anew() -> None:
    recorder = Recorder()
    weights = torch.tensor([1.0, 0, 0, 3.0])
    batches = Batches(numbered(4), batch_size=3, seed=0, sample_weights=weights, augment=recorder)
    for epoch in range(20):
        list(batches.epoch(epoch))
    for epoch in range(20):
        indices = [index for number, some, _ in recorder.seen if number == epoch for index in some]
        rows = [row for number, _, some in recorder.seen if number == epoch for row in some]
        assert [index % 4 for index in indices] == rows
        assert [index // 4 for index in indices] == [rows[:place].count(row) for place, row in enumerate(rows)]
        assert len(set(indices)) == len(indices)


def test_targets_may_take_another_form() -> None:
    def soften(x: torch.Tensor, y: torch.Tensor, **_: Any) -> Batch:
        return x, torch.nn.functional.one_hot(y, 6).float()

    batches = Batches(numbered(6), batch_size=3, seed=0, augment=soften)
    assert [tuple(y.shape) for _, y in batches.epoch(0)] == [(3, 6), (3, 6)]
    assert [y.dtype for _, y in batches.in_order()] == [torch.int64]


@pytest.mark.parametrize("shuffle", [False, True])
def test_in_a_stream_the_index_is_the_place_in_the_pass(shuffle: bool) -> None:
    recorder = Recorder()
    loader = DataLoader(TensorDataset(numbered(10).x, numbered(10).y), batch_size=4, shuffle=shuffle)
    batches = batches_of(loader, batch_size=99, seed=1, augment=recorder)
    plain = [y.tolist() for _, y in StreamBatches(loader, seed=1).epoch(2)]
    assert [y.tolist() for _, y in batches.epoch(2)] == plain
    assert [(epoch, indices) for epoch, indices, _ in recorder.seen] == [
        (2, [0, 1, 2, 3]),
        (2, [4, 5, 6, 7]),
        (2, [8, 9]),
    ]
    list(batches.in_order())
    batches.take(5)
    assert len(recorder.seen) == 3


def test_a_stream_that_keeps_its_batches_gets_them_back_unchanged() -> None:
    kept = [(numbered(3).x, numbered(3).y), (numbered(2).x, numbered(2).y)]
    batches = StreamBatches(kept, seed=0, augment=shaken)
    first = [x.clone() for x, _ in batches.epoch(0)]
    assert not torch.equal(first[0], numbered(3).x)
    assert torch.equal(kept[0][0], numbered(3).x)
    assert all(torch.equal(one, other) for one, (other, _) in zip(first, batches.epoch(0), strict=True))


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [
        (lambda x, y: x, "Tensor"),
        (lambda x, y: (x, None), "NoneType"),
        (lambda x, y: (x[:1], y), r"for 3 samples it gave \[\(1, 1\), \(3,\)\]"),
        (lambda x, y: (x, y, y), r"\(3,\), \(3,\)\]"),
        (lambda x, y: (x.sum(), y), r"\[\(\), \(3,\)\]"),
    ],
)
def test_an_augmentation_that_returns_no_batch_is_named(answer: Any, evidence: str) -> None:
    def broken(x: torch.Tensor, y: torch.Tensor, **_: Any) -> Any:
        return answer(x, y)

    with pytest.raises(DataError, match=f"an augmentation must return(.|\n)*{evidence}"):
        next(iter(Batches(numbered(6), batch_size=3, seed=0, augment=broken).epoch(0)))


def test_without_an_augmentation_nothing_is_copied_twice() -> None:
    batches = Batches(numbered(8), batch_size=4, seed=0)
    first, second = (x for x, _ in batches.epoch(0))
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
