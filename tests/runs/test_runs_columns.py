from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainwright.records import EvalRecord, Outcome, RunInfo, StepProbe, StepRecord, column, to_brief, to_plain
from trainwright.runs import reader
from trainwright.runs.reader import read_run
from trainwright.runs.step_columns import MARK, StepColumns, parted, read_steps
from trainwright.runs.writer import RunWriter

NUMBER = st.floats(allow_nan=True, allow_infinity=True)
MAYBE = st.none() | NUMBER
STEP = st.builds(
    StepRecord,
    step=st.integers(0, 10**12),
    epoch=st.integers(0, 10**6),
    loss=NUMBER,
    rate=NUMBER,
    samples=st.integers(0, 10**9),
    penalty=MAYBE,
    gradient_norm=MAYBE,
    clipped=st.booleans(),
    skipped=st.booleans(),
    update_ratio=MAYBE,
    probe=st.none() | st.builds(StepProbe, before=NUMBER, same=NUMBER, tenth=MAYBE, tenfold=MAYBE),
    seconds=NUMBER,
)

ODD = [b"{torn", b'{"record": "step", "step": "x"}', b"\xff\x00", b"", b"[]"]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    writer = RunWriter(
        tmp_path / "run", RunInfo(name="r", task="regression", loss="mse", outputs=1), recipe="", facts={}
    )
    writer.finish(Outcome(status="finished", reason="", steps=1))
    return tmp_path / "run"


def lines(records: list[StepRecord]) -> list[bytes]:
    return [json.dumps({"record": "step", **to_brief(record)}).encode() for record in records]


@settings(max_examples=30, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=6))
def test_steps_read_as_columns_are_the_records_that_were_written(records: list[StepRecord]) -> None:
    frame = read_steps(lines(records))
    assert frame is not None, "what our own writer writes is read fast"
    columns = StepColumns([frame])
    assert str(list(columns)) == str(records)  # as text, so that NaN is equal to NaN
    assert str([columns[-1], *columns[:1]]) == str([records[-1], records[0]])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        STEP | st.sampled_from([b"{torn", b'{"record": "step", "step": "x"}', b"\xff\x00", b"", b"[]"]), max_size=8
    )
)
def test_a_long_file_is_read_as_a_short_one(stored: Path, mixed: list[StepRecord | bytes]) -> None:
    evaluation = EvalRecord(step=3, epoch=0.5, split="validation", loss=1.0, loss_error=0.1, metrics={}, samples=3)
    written = [one if isinstance(one, bytes) else lines([one])[0] for one in mixed]
    other = json.dumps({"record": "eval", **to_plain(evaluation)}).encode()
    (stored / "metrics.jsonl").write_bytes(b"\n".join([*written, other, *written]))
    short = read_run(stored)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_LONG", -1)
        patch.setattr(reader, "CHUNK", 300)
        long = read_run(stored)
    assert isinstance(long.chart.steps, StepColumns)
    assert str([list(long.chart.steps), long.chart.evals, long.notes]) == str(
        [list(short.chart.steps), short.chart.evals, short.notes]
    )


def test_a_column_is_the_same_from_records_and_from_columns() -> None:
    records = [StepRecord(step=step, epoch=0, loss=math.sin(step), rate=0.1, samples=4) for step in range(50)]
    frame = read_steps(lines(records))
    assert frame is not None
    for name in ("step", "loss", "penalty", "clipped", "seconds"):
        assert column(StepColumns([frame]), name) == column(records, name)


def test_lines_of_steps_are_told_from_others_by_their_beginning() -> None:
    assert parted(MARK + b"}\n{}\n" + MARK) == ([MARK + b"}", MARK], [b"{}"])


def test_a_run_without_its_curves_still_tells_how_it_ended(stored: Path) -> None:
    (stored / "metrics.jsonl").write_bytes(b"\xff" * 100)
    ending = read_run(stored, curves=False)
    assert ending.outcome is not None
    assert (ending.outcome.status, len(ending.chart.steps), ending.notes) == ("finished", 0, ())
