"""Metrics are followed by byte offset: appended, torn, cut, replaced, resumed, foreign."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from lab_server import step_line

from trainwright.lab import keep
from trainwright.lab.follow import Follower


def losses(follower: Follower) -> list[float]:
    return follower.columns["loss"].y.tolist() if "loss" in follower.columns else []


def test_what_is_appended_is_read_on_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(step_line(step, step / 10) for step in range(5)))
    follower = Follower(path)
    assert follower.refresh() == 1.0
    with open(path, "a") as file:
        file.write(step_line(5, 0.5))
    follower.refresh()
    assert losses(follower) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_line_torn_at_any_byte_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = (step_line(0, 2.0) + step_line(1, math.nan)).encode()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        follower = Follower(path)
        follower.refresh()
        assert len(losses(follower)) == whole[:cut].count(b"\n")
        path.write_bytes(whole)
        follower.refresh()
        assert losses(follower)[0] == 2.0
        assert math.isnan(losses(follower)[1])
        assert follower.torn == 0


def test_lines_that_another_program_formats_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    own = json.loads(step_line(1, 0.25))
    path.write_text(step_line(0, 0.5) + json.dumps(own, sort_keys=True, separators=(",", ":")) + "\n")
    follower = Follower(path)
    follower.refresh()
    assert losses(follower) == [0.5, 0.25]


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(step_line(step, 1.0) for step in range(8)))
    follower = Follower(path)
    follower.refresh()
    path.write_text("".join(step_line(step, 9.0) for step in range(20)))
    follower.refresh()
    assert losses(follower) == [9.0] * 20


def test_a_resumed_run_goes_on_from_its_earlier_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    steps = [*range(10), *range(6, 9)]
    path.write_text("".join(step_line(step, float(place)) for place, step in enumerate(steps)))
    follower = Follower(path)
    follower.refresh()
    assert follower.steps().tolist() == list(range(9))
    assert losses(follower)[6:] == [10.0, 11.0, 12.0]


def test_lines_that_are_no_records_are_counted_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    odd = '{"record": "step"}\n[1]\nnonsense\n{"record": "later-kind", "step": 1}\n'
    path.write_text(step_line(0, 1.0) + odd + step_line(1, 0.5))
    follower = Follower(path)
    follower.refresh()
    assert losses(follower) == [1.0, 0.5]
    assert follower.torn == 3


def test_columns_that_were_kept_are_taken_over_and_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "LEAST", 0)
    path, cache = tmp_path / "metrics.jsonl", tmp_path / "cache"
    path.write_text("".join(step_line(step, step / 7) for step in range(50)))
    first = Follower(path)
    first.refresh()
    keep.save(first, cache)
    with open(path, "a") as file:
        file.write(step_line(50, math.inf))
    second = Follower(path)
    assert keep.load(second, cache)
    assert second.offset == first.offset
    second.refresh()
    assert losses(second)[:50] == losses(first)
    assert losses(second)[50] == math.inf


@pytest.mark.parametrize("damage", ["other file", "cut", "noise"])
def test_a_cache_that_does_not_fit_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(keep, "LEAST", 0)
    path, cache = tmp_path / "metrics.jsonl", tmp_path / "cache"
    path.write_text("".join(step_line(step, step / 7) for step in range(50)))
    first = Follower(path)
    first.refresh()
    keep.save(first, cache)
    kept = next(cache.glob("*.columns"))
    if damage == "other file":
        path.write_text("".join(step_line(step, 3.0) for step in range(50)))
    else:
        kept.write_bytes(kept.read_bytes()[:-20] if damage == "cut" else np.random.default_rng(0).bytes(500))
    second = Follower(path)
    assert not keep.load(second, cache)
    second.refresh()
    assert len(losses(second)) == 50


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(step_line(0, 1.0))
    (tmp_path / "metrics.jsonl").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        Follower(tmp_path / "metrics.jsonl").refresh()
