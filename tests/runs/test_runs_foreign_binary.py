from __future__ import annotations

import importlib.util
import json
import math
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from foreign_files import (
    event,
    event_tensor,
    field,
    frame,
    held,
    losses,
    noted,
    put,
    read,
    restart,
    steps,
    version,
    wandb_file,
    wandb_record,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from trainwright.errors import RunError
from trainwright.runs.foreign import find_logs
from trainwright.runs.foreign_wire import fields, masked_crc

SHARED = profile(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FLOATS = st.floats(width=32)
EVENTS = "events.out.tfevents.1700000000.host.1.0"
WANDB = "offline-run-20260101_000000-abc/run-abc.wandb"


def same(left: list[float], right: list[float]) -> bool:
    pairs = zip(left, right, strict=True)
    return all(one == other or (math.isnan(one) and math.isnan(other)) for one, other in pairs)


def a_log(count: int) -> bytes:
    return version() + b"".join(event(step, "train/loss", 9.0 - step) for step in range(count))


def test_the_checksum_is_the_published_one() -> None:
    # CRC-32C of "123456789" is 0xE3069283 (RFC 3720); masked as TensorFlow has it.
    crc = 0xE3069283
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@given(values=st.lists(FLOATS, min_size=1, max_size=20), first=st.integers(0, 2**40))
@SHARED
def test_every_scalar_of_an_event_file_is_read_as_it_was_written(
    values: list[float], first: int, tmp_path: Path
) -> None:
    content = version() + b"".join(event(first + place, "loss", value) for place, value in enumerate(values))
    run = read(put(tmp_path / EVENTS, content))
    assert same(losses(run), values)
    assert steps(run) == list(range(first, first + len(values)))


@given(values=st.lists(st.floats(), min_size=1, max_size=20), blob=st.integers(0, 70_000), nested=st.booleans())
@SHARED
def test_every_number_of_a_wandb_log_is_read_across_its_blocks(
    values: list[float], blob: int, nested: bool, tmp_path: Path
) -> None:
    rows = [{"_step": place, "loss": value, "text": "x" * blob} for place, value in enumerate(values)]
    content = wandb_file([wandb_record({"lr": 0.5}, 5), *(wandb_record(row, nested=nested) for row in rows)])
    run = read(put(tmp_path / WANDB, content))
    assert same(losses(run), values)
    assert steps(run) == list(range(len(values)))
    assert run.chart.info.setting("optimizer.lr") == 0.5


@given(cut=st.floats(0, 1), count=st.integers(1, 9))
@SHARED
def test_a_torn_event_file_is_read_up_to_where_it_is_whole(cut: float, count: int, tmp_path: Path) -> None:
    whole = a_log(count)
    content = whole[: int(cut * len(whole))]
    path = put(tmp_path / EVENTS, content)
    size = len(a_log(1)) - len(version())
    readable = max(0, len(content) - len(version())) // size
    if not readable:
        with pytest.raises(RunError):
            read(path)
        return
    run = read(path)
    assert losses(run) == [9.0 - step for step in range(readable)]
    assert noted(run, "ends within a record") == (len(content) != len(a_log(readable)))


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), form=st.sampled_from(["events", "wandb"]))
@SHARED
def test_a_damaged_byte_never_invents_a_number(place: int, byte: int, form: str, tmp_path: Path) -> None:
    rows = [{"_step": step, "loss": 9.0 - step} for step in range(9)]
    whole = a_log(9) if form == "events" else wandb_file(wandb_record(row) for row in rows)
    damaged = bytearray(whole)
    damaged[place % len(whole)] = byte
    path = put(tmp_path / (EVENTS if form == "events" else WANDB), bytes(damaged))
    try:
        found = losses(read(path))
    except RunError:
        return
    assert set(found) <= {9.0 - step for step in range(9)}


@given(junk=st.binary(max_size=400), form=st.sampled_from([EVENTS, WANDB]))
@SHARED
def test_junk_is_refused_with_a_clear_error(junk: bytes, form: str, tmp_path: Path) -> None:
    path = put(tmp_path / form, (b":W&B\xe1\xbe\x00" if form == WANDB else b"") + junk)
    with pytest.raises(RunError) as refused:
        read(path)
    assert refused.value.evidence


def test_a_wandb_log_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    content = wandb_file(wandb_record({"_step": step, "loss": 9.0 - step, "x": "y" * 9000}) for step in range(9))
    run = read(put(tmp_path / WANDB, content[:50_000]))
    assert losses(run) == [9.0, 8.0, 7.0, 6.0, 5.0]
    assert noted(run, "ends within a record")
    zeros = read(put(tmp_path / WANDB, content[:50_000] + bytes(5000)))
    assert losses(zeros)[:5] == [9.0, 8.0, 7.0, 6.0, 5.0]
    damaged = read(put(tmp_path / WANDB, content[:20_000] + b"?" + content[20_001:]))
    assert losses(damaged) == [9.0, 8.0, *losses(damaged)[2:]]
    assert noted(damaged, "damaged")


def test_tensors_of_one_number_are_scalars_and_others_are_not(tmp_path: Path) -> None:
    content = version()
    content += event_tensor(0, "loss", field(1, 1) + field(2, b"") + field(4, struct.pack("<f", 2.5)))
    content += event_tensor(1, "loss", field(1, 1) + field(5, struct.pack("<f", 1.5)))
    content += event_tensor(2, "loss", field(1, 2) + field(6, struct.pack("<d", 0.5)))
    content += event_tensor(3, "loss", field(1, 7) + field(8, b"a text"))
    content += event_tensor(4, "loss", field(1, 1) + field(4, struct.pack("<4f", 1, 2, 3, 4)))
    assert losses(read(put(tmp_path / EVENTS, content))) == [2.5, 1.5, 0.5]


def test_a_restart_drops_what_the_crash_had_logged_ahead(tmp_path: Path) -> None:
    put(tmp_path / "run" / f"{EVENTS}.1", a_log(6))
    later = version() + restart(4) + b"".join(event(step, "train/loss", 50.0 + step) for step in range(4, 8))
    put(tmp_path / "run" / f"{EVENTS}.2", later)
    run = read(tmp_path)
    assert (steps(run), losses(run)) == (list(range(8)), [9.0, 8.0, 7.0, 6.0, 54.0, 55.0, 56.0, 57.0])
    assert noted(run, "restarted at step 4")


def test_event_files_of_the_splits_of_one_run_are_joined(tmp_path: Path) -> None:
    for split, loss in (("train", 1.0), ("validation", 2.0)):
        for tag, folder in (("epoch_loss", f"keras/{split}"), ("Loss", f"scalars/Loss_{split}")):
            content = version() + b"".join(event(step, tag, loss + step) for step in range(3))
            put(tmp_path / folder / EVENTS, content)
    put(tmp_path / "scalars" / EVENTS, version())
    keras, scalars = find_logs(tmp_path)
    assert (len(keras.paths), len(scalars.paths)) == (2, 3)
    for folder in ("keras", "scalars"):
        run = read(tmp_path / folder)
        assert losses(run) == [1.0, 2.0, 3.0]
        assert held(run) == [(0, 2.0), (1, 3.0), (2, 4.0)]


def test_event_files_of_different_runs_are_not_joined(tmp_path: Path) -> None:
    for name in ("run_1", "run_2", "test"):
        put(tmp_path / "runs" / name / EVENTS, a_log(3))
    assert [log.source.name for log in find_logs(tmp_path)] == ["run_1", "run_2", "test"]
    put(tmp_path / "more" / EVENTS, a_log(3))
    put(tmp_path / "more" / "run_1" / EVENTS, a_log(3))
    assert [log.source.name for log in find_logs(tmp_path / "more")] == ["more", "run_1"]


def test_an_event_file_is_known_by_its_first_record_whatever_its_name(tmp_path: Path) -> None:
    assert read(put(tmp_path / "copied.bin", a_log(3))).form == "TensorBoard's event files"


def test_a_record_whose_content_is_no_event_is_left_out(tmp_path: Path) -> None:
    run = read(put(tmp_path / EVENTS, version() + frame(b"\xff\xff\xff") + event(0, "loss", 2.0)))
    assert losses(run) == [2.0]
    assert noted(run, "1 record of events")
    with pytest.raises(ValueError, match="does not end"):
        list(fields(b"\xff"))


def test_without_the_log_itself_wandbs_summary_gives_the_last_values(tmp_path: Path) -> None:
    files = tmp_path / "wandb" / "run-1" / "files"
    put(files / "wandb-summary.json", json.dumps({"loss": 0.5, "val/loss": "NaN", "_step": 90}))
    run = read(tmp_path)
    assert (steps(run), losses(run)) == ([90], [0.5])
    assert noted(run, "no curve")
    put(files / "wandb-history.jsonl", "".join(f'{{"loss": {3 - n}, "_step": {n}}}\n' for n in range(3)))
    assert losses(read(tmp_path)) == [3.0, 2.0, 1.0]


W_AND_B = """
import sys, wandb
run = wandb.init(project="x", dir=sys.argv[1], config={"lr": 0.5}, settings=wandb.Settings(console="off"))
for step in range(40):
    run.log({"train": {"loss": 4.0 / (step + 1)}, "lr": 0.5})
run.finish()
"""


def test_what_torchs_writer_leaves_is_read_whole(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(tmp_path)) as writer:
            for step in range(40):
                writer.add_scalar("Loss/train", 4.0 / (step + 1), step)
                writer.add_scalar("lr", 0.5, step, new_style=True)
            for epoch in range(4):
                writer.add_scalar("Loss/val", 5.0 / (epoch + 1), epoch)
            writer.add_text("note", "words", 1)
    run = read(tmp_path)
    assert run.form == "TensorBoard's event files"
    assert losses(run) == pytest.approx([4.0 / (step + 1) for step in range(40)], rel=1e-6)
    assert {record.rate for record in run.chart.steps} == {0.5}
    assert held(run)[-1] == (39, pytest.approx(1.25))


def test_what_wandb_leaves_is_read_whole(tmp_path: Path) -> None:
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("wandb is not installed")
    silent = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", W_AND_B, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **silent}, check=True, capture_output=True, timeout=120)
    run = read(tmp_path)
    assert run.form == "an offline run of W&B"
    assert losses(run) == [4.0 / (step + 1) for step in range(40)]
    assert {record.rate for record in run.chart.steps} == {0.5}
    assert run.chart.info.setting("optimizer.lr") == 0.5
