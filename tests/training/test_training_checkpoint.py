from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from trainwright.errors import RunError
from trainwright.tensors import digest
from trainwright.training import checkpoint
from trainwright.training.checkpoint import load, save
from trainwright.training.keeping import Keeping

State = dict[str, torch.Tensor]


def state(value: float = 1.0) -> State:
    return {"weight": torch.full((3, 2), value), "count": torch.tensor(7)}


def folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 7)
        self.head.weight = self.embed.weight
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("bfloat", torch.randn(3).to(torch.bfloat16))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer("strided", torch.randn(4, 4)[:, ::2])
        self.register_buffer("scalar", torch.randn((), dtype=torch.float64))


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model = Tied()
    before = model.state_dict()
    target = save(tmp_path, "best", before, step=12, facts={"loss": 0.5})
    restored, manifest = load(tmp_path, "best")
    assert digest(restored) == digest(before) == manifest["digest"]
    assert {name: value.dtype for name, value in restored.items()} == {
        name: value.dtype for name, value in before.items()
    }
    assert (manifest["step"], manifest["loss"]) == (12, 0.5)
    assert target.parent == tmp_path
    other = Tied()
    other.load_state_dict(restored)
    assert digest(other.state_dict()) == digest(before)
    assert other.head.weight is other.embed.weight


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 1e-45])
def test_strange_numbers_come_back_as_they_were(tmp_path: Path, value: float) -> None:
    save(tmp_path, "last", state(value), step=0, facts={})
    assert digest(load(tmp_path, "last")[0]) == digest(state(value))


def test_saving_does_not_tie_the_file_to_the_model(tmp_path: Path) -> None:
    live = state()
    save(tmp_path, "last", live, step=0, facts={})
    live["weight"].zero_()
    assert digest(load(tmp_path, "last")[0]) == digest(state())


def test_the_pointer_moves_and_what_it_left_is_removed(tmp_path: Path) -> None:
    for step in range(4):
        save(tmp_path, "best", state(step), step=step, facts={})
        assert load(tmp_path, "best")[1]["step"] == step
        assert len(folders(tmp_path)) == 1


def test_pruning_keeps_the_best_and_the_last(tmp_path: Path) -> None:
    save(tmp_path, "best", state(0), step=3, facts={})
    for step in range(4, 8):
        save(tmp_path, "last", state(step), step=step, facts={})
    assert (load(tmp_path, "best")[1]["step"], load(tmp_path, "last")[1]["step"]) == (3, 7)
    assert len(folders(tmp_path)) == 2


def test_the_best_and_the_last_may_be_one(tmp_path: Path) -> None:
    first = save(tmp_path, "best", state(), step=3, facts={"loss": 1.0})
    assert save(tmp_path, "last", state(), step=3, facts={"loss": 1.0}) == first
    assert folders(tmp_path) == [first.name]
    save(tmp_path, "last", state(2), step=4, facts={})
    assert load(tmp_path, "best")[1]["step"] == 3


def test_equal_weights_of_two_steps_are_two_checkpoints(tmp_path: Path) -> None:
    save(tmp_path, "best", state(), step=3, facts={})
    save(tmp_path, "last", state(), step=4, facts={})
    assert (load(tmp_path, "best")[1]["step"], load(tmp_path, "last")[1]["step"]) == (3, 4)


def test_leftovers_of_a_killed_writer_are_ignored_and_removed(tmp_path: Path) -> None:
    save(tmp_path, "best", state(), step=1, facts={})
    (tmp_path / "tmp-2-4711-abcdef").mkdir()
    (tmp_path / "tmp-2-4711-abcdef" / "model.safetensors").write_bytes(b"half")
    (tmp_path / "tmp-best-abcdef").write_text('{"check')
    (tmp_path / "step-00000009-orphan").mkdir()
    assert load(tmp_path, "best")[1]["step"] == 1
    best = folders(tmp_path)[0]
    last = save(tmp_path, "last", state(5), step=5, facts={})
    assert {path.name for path in tmp_path.iterdir()} == {"best.json", "last.json", best, last.name}


def test_no_flipped_bit_is_loaded(tmp_path: Path) -> None:
    target = save(tmp_path, "best", state(), step=1, facts={})
    weights = target / "model.safetensors"
    whole = weights.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        weights.write_bytes(damaged)
        with pytest.raises(RunError, match="'best' is damaged") as caught:
            load(tmp_path, "best")
        assert str(weights) in caught.value.evidence
    weights.write_bytes(whole)
    assert digest(load(tmp_path, "best")[0]) == digest(state())


def test_a_flipped_bit_in_the_manifest_or_the_pointer_never_gives_other_weights(tmp_path: Path) -> None:
    target = save(tmp_path, "best", state(), step=1, facts={})
    refused = 0
    for file in (target / "manifest.json", tmp_path / "best.json"):
        whole = file.read_bytes()
        for place in range(len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << (place % 7)
            file.write_bytes(damaged)
            try:
                assert digest(load(tmp_path, "best")[0]) == digest(state())
            except RunError:
                refused += 1
        file.write_bytes(whole)
    assert refused > 100


@pytest.mark.parametrize("file", ["model.safetensors", "manifest.json", "../best.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, file: str, share: float) -> None:
    target = save(tmp_path, "best", state(), step=1, facts={})
    content = (target / file).read_bytes()
    (target / file).write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunError, match="'best'"):
        load(tmp_path, "best")


@pytest.mark.parametrize("file", ["model.safetensors", "manifest.json", "../best.json", "."])
def test_a_missing_file_is_refused(tmp_path: Path, file: str) -> None:
    target = save(tmp_path, "best", state(), step=1, facts={})
    if file == ".":
        shutil.rmtree(target)
    else:
        (target / file).unlink()
    with pytest.raises(RunError, match="'best' cannot be read") as caught:
        load(tmp_path, "best")
    assert str(tmp_path) in caught.value.evidence
    assert caught.value.remedy


def test_a_checkpoint_that_was_never_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'last' cannot be read"):
        load(tmp_path / "nowhere", "last")


def test_a_pointer_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere", "best", state(), step=1, facts={})
    (outside,) = (path for path in (tmp_path / "elsewhere").iterdir() if path.is_dir())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.json").write_text(json.dumps({"checkpoint": f"../elsewhere/{outside.name}"}))
    with pytest.raises(RunError, match="'best' cannot be read"):
        load(tmp_path / "run", "best")


def test_a_checkpoint_can_be_moved_with_its_folder(tmp_path: Path) -> None:
    save(tmp_path / "here", "best", state(), step=1, facts={})
    (tmp_path / "here").rename(tmp_path / "there")
    assert digest(load(tmp_path / "there", "best")[0]) == digest(state())


@pytest.mark.parametrize(
    "refusal",
    [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left on device (os error 28)")],
    ids=["system", "library"],
)
def test_a_full_disk_is_an_error_that_leaves_the_old_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    save(tmp_path, "best", state(), step=1, facts={})

    def full(*arguments: Any, **options: Any) -> None:
        raise refusal

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(RunError, match="step 2 could not be written") as caught:
            save(tmp_path, "best", state(2), step=2, facts={})
    assert "No space left on device" in caught.value.evidence
    assert load(tmp_path, "best")[1]["step"] == 1
    save(tmp_path, "best", state(3), step=3, facts={})
    assert load(tmp_path, "best")[1]["step"] == 3
    assert len(folders(tmp_path)) == 1


@pytest.mark.parametrize(
    ("number", "first"), [(errno.ENOSPC, "make room"), (errno.EACCES, "see to that folder")], ids=["full", "forbidden"]
)
def test_a_disk_that_takes_nothing_is_told_by_its_own_reason(tmp_path: Path, number: int, first: str) -> None:
    kept = Keeping(folder=tmp_path / "run" / "checkpoints")
    told = kept.refused("a checkpoint cannot be written", OSError(number, os.strerror(number)))
    assert os.strerror(number) in told.evidence
    assert told.remedy == f"{first}, then: trainwright resume {tmp_path / 'run'}"
