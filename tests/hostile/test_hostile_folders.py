"""Folders that somebody else made: pipes, devices, links that lead out, files without end, JSON without a bottom."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hostile_ask import ask, assert_plain, within_time

from trainwright.errors import RunError
from trainwright.records import Outcome, RunInfo
from trainwright.runs.foreign_wire import masked_crc
from trainwright.runs.lock import LOCK, RunLock
from trainwright.runs.log import LineLog
from trainwright.runs.reader import read_head, read_run
from trainwright.runs.small import MOST_BYTES, open_for_writing, parse, read_json
from trainwright.runs.writer import RunWriter
from trainwright.search.journal import Journal
from trainwright.search.mending import HEAD, check
from trainwright.search.owner import this_process
from trainwright.training import checkpoint, stored

Spoil = Callable[[Path], object]
DEEP = b"[" * 100_000


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def endless(path: Path) -> None:
    """Many gigabytes of zeros, which take no room on the disk."""
    with open(path, "ab") as file:
        file.truncate(40 * 2**30)


def deep(path: Path) -> None:
    path.write_bytes(DEEP)


def noise(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00\x1b[31m\n::error::x")


def nothing(path: Path) -> None:
    path.write_text("null")


SPOILS = (pipe, device, folder, endless, deep, noise, nothing)


def saved(run: Path, step: int) -> Path:
    weights = {"w": torch.full((3,), float(step))}
    tree = {"place": {"step": step}, "snapshot": {"weights": weights, "optimizer": {}}}
    return stored.write(run / "checkpoints", tree, facts={"epoch": 0, "log": {}}, keep_last=3)


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("file", [checkpoint.MANIFEST, stored.STATE, stored.TENSORS, checkpoint.MODEL])
def test_a_checkpoint_with_such_a_file_is_passed_over(tmp_path: Path, file: str, spoil: Spoil) -> None:
    older, newer = saved(tmp_path, 1), saved(tmp_path, 2)
    spoil(newer / file)
    with within_time():
        found, notes = stored.newest(tmp_path / "checkpoints", tmp_path)
    assert found is not None
    assert found.path == older
    assert any(newer.name in note and "damaged" in note for note in notes)


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_pointer_that_is_such_a_file_is_no_more_than_a_hint(tmp_path: Path, spoil: Spoil) -> None:
    newest = saved(tmp_path, 1)
    spoil(tmp_path / "checkpoints" / "latest.json")
    with within_time():
        found, _ = stored.newest(tmp_path / "checkpoints", tmp_path)
    assert found is not None
    assert found.path == newest


def run_folder(path: Path) -> Path:
    writer = RunWriter(path, RunInfo(), recipe="", facts={})
    writer.finish(Outcome(status="finished", reason="", best={}, best_step=0, steps=0), digest="", findings=[])
    return path


@pytest.mark.parametrize("file", ["metrics.jsonl", "events.jsonl", "recipe.toml"])
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_run_with_such_a_file_is_read_around_it(tmp_path: Path, file: str, spoil: Spoil) -> None:
    run = run_folder(tmp_path / "run")
    spoil(run / file)
    with within_time():
        found = read_run(run)
    assert len(found.chart.steps) == 0
    assert_plain("".join(note.replace("\n", "") for note in found.notes))


@pytest.mark.parametrize("spoil", [endless, deep, noise, nothing])
def test_a_head_that_is_such_a_file_is_refused(tmp_path: Path, spoil: Spoil) -> None:
    run = run_folder(tmp_path / "run")
    (run / "run.json").unlink()
    spoil(run / "run.json")
    with within_time(), pytest.raises(RunError, match="is damaged"):
        read_head(run)


@pytest.mark.parametrize("spoil", [pipe, device, folder])
def test_a_lock_that_is_no_file_is_refused_and_nothing_is_written_through_it(tmp_path: Path, spoil: Spoil) -> None:
    spoil(tmp_path / LOCK)
    with within_time(), pytest.raises(RunError, match="no file of ours") as caught:
        RunLock(tmp_path)
    assert "remove it" in caught.value.remedy


def test_nothing_is_written_or_cut_off_through_a_link_in_a_folder(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    inside = tmp_path / "folder"
    inside.mkdir()
    for name in (LOCK, "metrics.jsonl", "study.lock", "study.jsonl"):
        (inside / name).symlink_to(precious)
    with pytest.raises(RunError):
        RunLock(inside)
    with pytest.raises(RunError, match="is a link"):
        LineLog(inside / "metrics.jsonl", 0)
    journal = Journal(inside / "study.jsonl", this_process())
    with pytest.raises(RunError, match="no journal"), journal.locked():
        pass
    (inside / "study.jsonl").unlink()
    with pytest.raises(RunError, match="cannot be opened"), journal.locked():
        pass
    (inside / LOCK).unlink()
    (inside / LOCK).symlink_to(tmp_path / "new")  # which is not there yet
    with pytest.raises(RunError):
        RunLock(inside)
    assert precious.read_text() == "precious"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("spoil", [pipe, device, folder, endless])
def test_a_journal_that_is_such_a_file_is_refused(tmp_path: Path, spoil: Spoil) -> None:
    spoil(tmp_path / "study.jsonl")
    with within_time(), pytest.raises(RunError, match="no journal of a study"):
        Journal(tmp_path / "study.jsonl", this_process()).new()


@pytest.mark.parametrize("text", [DEEP, b"[]", b"1"])
def test_a_line_whose_checksum_fits_is_believed_no_more_than_others(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "study.jsonl"
    path.write_bytes((HEAD % check(text) + text + b"}\n") * 2 + b"\n")
    with within_time(), pytest.raises(RunError, match="is damaged"):
        Journal(path, this_process()).new()


def record(data: bytes) -> bytes:
    """A record of an event file, with its checksums."""
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


EVENTS = record(b"\x1a\x0dbrain.Event:2")
HUGE = struct.pack("<Q", 2**62)
LOGS: dict[str, tuple[str, bytes | Spoil]] = {
    "a-pipe": ("a.csv", pipe),
    "a-pipe-of-events": ("events.out.tfevents.1", pipe),
    "a-pipe-of-wandb": ("run.wandb", pipe),
    "a-device": ("a.csv", device),
    "zeros-without-end": ("a.csv", endless),
    "events-without-end": ("events.out.tfevents.1", endless),
    "wandb-without-end": ("run.wandb", endless),
    "a-record-of-exabytes": ("events.out.tfevents.1", EVENTS + HUGE + struct.pack("<I", masked_crc(HUGE)) + b"x"),
    "a-number-without-end": ("events.out.tfevents.1", EVENTS + record(b"\x10" + b"\xff" * 5_000_000)),
    "lists-in-lists": ("a.json", DEEP),
    "an-integer-without-end": ("a.json", b'[{"step": ' + b"9" * 100_000 + b', "loss": 1}]'),
    "columns-without-end": ("a.csv", b",".join(b"l%d" % place for place in range(50_000)) + b"\n1\n"),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_that_is_none_is_refused_in_words(tmp_path: Path, name: str) -> None:
    file, made = LOGS[name]
    made(tmp_path / file) if callable(made) else (tmp_path / file).write_bytes(made)
    answer = ask("doctor", file, cwd=tmp_path)
    assert answer.status == 1
    assert answer.err.startswith("error: ")
    assert "remedy" in answer.err
    assert_plain(answer.err)
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_folder_of_logs_with_a_link_to_itself_is_walked_once(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "self").symlink_to(".")
    (tmp_path / "logs" / "a.csv").write_text(
        "step,loss\n" + "".join(f"{step},{1 / (step + 1)}\n" for step in range(50))
    )
    assert ask("doctor", "logs", cwd=tmp_path).status == 0


@pytest.mark.parametrize("spoil", [pipe, folder])
def test_weights_that_are_no_file_are_refused(tmp_path: Path, spoil: Spoil) -> None:
    spoil(tmp_path / "a.pt")
    answer = ask("import", "a.pt", "--untrusted", cwd=tmp_path)
    assert answer.status == 2
    assert "is no regular file" in answer.err


def test_small_files_are_small_and_json_has_a_bottom(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(DEEP.decode())
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", MOST_BYTES + 1)
    with pytest.raises(OSError, match="larger than 256 MiB"):
        read_json(tmp_path / "a")
    (tmp_path / "b").write_text(json.dumps({"a": [1]}))
    assert read_json(tmp_path / "b") == {"a": [1]}
    os.close(open_for_writing(tmp_path / "c", os.O_RDWR))
    assert (tmp_path / "c").read_bytes() == b""
    shutil.rmtree(tmp_path)
