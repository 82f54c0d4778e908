"""The journal: whole lines or none, whatever was cut off, and one writer at a time."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from trainwright.errors import RunError
from trainwright.search.journal import Journal
from trainwright.search.owner import this_process


def written(path: Path, count: int) -> list[dict[str, object]]:
    journal = Journal(path, this_process())
    bodies: list[dict[str, object]] = [{"kind": "note", "text": f"é {number}\n"} for number in range(count)]
    with journal.locked():
        for body in bodies:
            journal.append(body)
    return bodies


def test_a_cut_at_any_byte_loses_the_torn_line_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    bodies = written(path, 4)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = Journal(path, this_process())
        lines = whole[:cut].count(b"\n")
        with journal.locked() as read:
            assert read == bodies[:lines]
            journal.append({"kind": "note", "text": "next"})
        assert Journal(path, this_process()).new() == [*bodies[:lines], {"kind": "note", "text": "next"}]
        assert (journal.repaired > 0) == (cut > 0 and whole[cut - 1 : cut] != b"\n")


def test_a_flipped_bit_is_set_right_wherever_it_is_but_where_lines_end_and_in_the_last(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    bodies = written(path, 3)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert Journal(path, this_process()).new() == (bodies if place < last else bodies[:2])


def test_two_wrong_bytes_in_a_line_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    written(path, 3)
    path.write_bytes(path.read_bytes().replace(b"note", b"nqtf", 1))
    with pytest.raises(RunError, match=r"line 1 of .* is damaged"):
        Journal(path, this_process()).new()


def test_a_reader_without_the_lock_repairs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    bodies = written(path, 2)
    torn = path.read_bytes()[:-5]
    path.write_bytes(torn)
    assert Journal(path, this_process()).new() == bodies[:1]
    assert path.read_bytes() == torn


def _count(path: str, times: int) -> None:
    journal = Journal(Path(path), this_process())
    lines = 0
    for _ in range(times):
        with journal.locked() as read:
            lines += len(read)
            journal.append({"kind": "note", "number": lines})
            lines += len(journal.new())


def test_writers_at_once_never_see_the_same_state(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(str(path), 25)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [line["number"] for line in Journal(path, this_process()).new()] == list(range(75))


def test_the_lock_names_its_holder_while_it_is_held(tmp_path: Path) -> None:
    owner = this_process()
    journal = Journal(tmp_path / "study.jsonl", owner)
    with journal.locked():
        assert (tmp_path / "study.lock").read_text().split()[:2] == [owner.host, str(owner.pid)]
    assert (tmp_path / "study.lock").read_text() == ""


def test_a_lock_whose_holder_was_killed_is_taken_over_and_says_whose_it_was(tmp_path: Path) -> None:
    (tmp_path / "study.lock").write_text("laptop 4711 99\n")
    journal = Journal(tmp_path / "study.jsonl", this_process())
    with journal.locked():
        assert journal.orphaned == "laptop 4711 99"


def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study.jsonl"
    bodies = written(path, 2)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(path, this_process())
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(RunError, match="No space left"), journal.locked():
            journal.append({"kind": "note"})
    path.write_bytes(before + b'{"check":"0')  # what such a disk leaves
    with journal.locked():
        journal.append({"kind": "note", "text": "next"})
    assert Journal(path, this_process()).new() == [*bodies, {"kind": "note", "text": "next"}]
