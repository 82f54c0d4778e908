from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainwright.errors import RunError
from trainwright.records import (
    EvalRecord,
    Event,
    Evidence,
    Finding,
    InputStats,
    LayerStats,
    Location,
    Outcome,
    OutputFacts,
    Remedy,
    RunInfo,
    Setting,
    StepProbe,
    StepRecord,
    to_plain,
)
from trainwright.runs.layout import SCHEMA, is_run
from trainwright.runs.reader import find_runs, read_run
from trainwright.runs.usage import Usage
from trainwright.runs.writer import RunWriter, check_free, next_folder

INFO = RunInfo(
    name="digits",
    task="classification",
    loss="cross_entropy",
    outputs=10,
    planned_steps=4,
    settings={
        "optimizer.lr": Setting(value=0.1, where=Location(file="recipe.toml", line=3)),
        "train.clip_norm": Setting(value=math.inf),
        "data.ignore": Setting(value=["a", "b"]),
    },
    inputs=InputStats(
        samples=4,
        features=2,
        mean=math.nan,
        std=1.0,
        minimum=-math.inf,
        maximum=math.inf,
        spread=1.0,
        offset=0.0,
        integral=False,
        non_finite=3,
        constant_features=0,
    ),
    output=OutputFacts(shape=(4, 10), operation="Addmm", where=Location(file="net.py", line=12, module="head")),
)
STEPS = [
    StepRecord(step=0, epoch=0, loss=2.3, rate=0.1, samples=8, gradient_norm=1.5, clipped=True, update_ratio=1e-3),
    StepRecord(
        step=1,
        epoch=0,
        loss=0.1 + 0.2,
        rate=0.05,
        samples=8,
        probe=StepProbe(before=2.0, tenth=1.9, same=math.inf, tenfold=-math.inf),
    ),
    StepRecord(step=2, epoch=1, loss=math.inf, rate=5e-324, samples=3, gradient_norm=math.nan),
]
EVALS = [
    EvalRecord(
        step=2,
        epoch=1.0,
        split="validation",
        loss=1.0,
        loss_error=math.nan,
        metrics={"accuracy": 0.5, "ünïcode": 1.0},
        samples=9,
    )
]
LAYERS = [
    LayerStats(
        step=0, module="1", kind="ReLU", units=4, samples=8, mean=0.1, std=1.0, zero_fraction=0.5, dead_fraction=0.25
    )
]
EVENTS = [
    Event(step=0, name="phase", detail={"phase": "train"}),
    Event(step=2, name="non-finite", detail={"phase": "forward", "line": 3, "value": math.inf, "list": [1, "a"]}),
]
FINDING = Finding(
    code="TW601",
    kind="learning-rate-too-high",
    severity="warning",
    title="the rate is too high",
    where=Location(file="recipe.toml", line=3),
    step=2,
    evidence=(Evidence(name="loss", value=math.inf, threshold=1.0),),
    remedies=(Remedy(text="lower it", change={"optimizer.lr": 0.01}),),
)
OUTCOME = Outcome(
    status="diverged", reason="NaN", best={"train": {"loss": 1.0, "accuracy": math.nan}}, best_step=0, steps=2
)


def same(left: Any, right: Any) -> bool:
    """Compare records, NaN being equal to NaN."""
    return json.dumps(to_plain(left)) == json.dumps(to_plain(right))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    made = RunWriter(tmp_path / "run", INFO, recipe="[data]\nsource = 'digits'  # ü\n", facts={"data": {"rows": 4}})
    yield made
    made._metrics.close()
    made._events.close()


def fill(writer: RunWriter) -> None:
    for record in [*EVENTS[:1], *LAYERS, *STEPS, *EVALS, *EVENTS[1:]]:
        writer.observe(record)


@pytest.fixture
def stored(writer: RunWriter) -> Path:
    fill(writer)
    writer.finish(OUTCOME, digest="abc", findings=to_plain((FINDING,)))
    return writer.folder


def test_a_run_comes_back_as_it_was_written(stored: Path) -> None:
    run = read_run(stored)
    assert same(run.info, INFO)
    assert same(run.chart.steps, STEPS)
    assert same(run.chart.evals, EVALS)
    assert same(run.chart.layers, LAYERS)
    assert same(run.chart.events, EVENTS)
    assert same(run.chart.info, INFO)
    assert same(run.outcome, OUTCOME)
    assert same(run.findings, (FINDING,))
    assert (run.digest, run.notes, run.folder) == ("abc", (), stored)
    assert run.recipe == "[data]\nsource = 'digits'  # ü\n"
    assert run.head["data"] == {"rows": 4}
    assert run.head["status"] == "diverged"


def test_types_come_back_as_records_and_tuples(stored: Path) -> None:
    run = read_run(str(stored))
    assert run.info.output == INFO.output
    assert run.info.settings["optimizer.lr"] == INFO.settings["optimizer.lr"]
    assert run.findings[0].remedies == FINDING.remedies
    assert isinstance(run.chart.steps[1].probe, StepProbe)
    assert run.chart.evaluations("validation")[0].metrics["ünïcode"] == 1.0


def test_nan_and_infinity_are_kept_and_never_repaired(stored: Path) -> None:
    steps = read_run(stored).chart.steps
    assert steps[2].loss == math.inf
    assert steps[2].gradient_norm is not None
    assert math.isnan(steps[2].gradient_norm)
    assert steps[2].rate == 5e-324
    assert steps[1].loss == 0.1 + 0.2
    assert "Infinity" in (stored / "metrics.jsonl").read_text()


def test_what_the_process_takes_stands_beside_an_evaluation_and_is_no_record_of_the_course(stored: Path) -> None:
    lines = [json.loads(line) for line in (stored / "metrics.jsonl").read_text().splitlines()]
    (taken,) = [line for line in lines if line["record"] == "system"]
    assert taken["step"] == EVALS[0].step
    assert taken["memory"] is None or taken["memory"] > 10**6
    assert taken["processors"] >= 0
    assert read_run(stored).notes == ()


def test_the_process_is_looked_at_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("trainwright.runs.usage.time.monotonic", lambda: clock[0])
    usage = Usage()
    looks = []
    for step in range(240):  # a step every eighth of a second, at first an evaluation every half
        clock[0] = step / 8
        looks += [clock[0]] if usage.look(step, evaluated=step % 4 == 3 and step < 40) else []
    assert looks == [0.375, 1.375, 2.375, 3.375, 4.375, 14.375, 24.375]


def test_a_run_can_be_read_while_it_is_written(writer: RunWriter) -> None:
    empty = read_run(writer.folder)
    assert (empty.outcome, len(empty.chart.steps), empty.findings, empty.digest) == (None, 0, (), None)
    assert empty.head["status"] == "running"
    fill(writer)  # evaluations and events are flushed at once, and the steps before them too
    run = read_run(writer.folder)
    assert same(run.chart.steps, STEPS)
    assert same(run.chart.evals, EVALS)
    assert same(run.chart.events, EVENTS)
    assert run.notes == ()


def test_a_torn_last_line_is_left_out_and_said(stored: Path) -> None:
    metrics = stored / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-20])
    run = read_run(stored)
    assert (len(run.chart.steps), len(run.chart.evals)) == (3, 0)
    assert run.notes == ("1 line of metrics.jsonl could not be read and is left out",)
    metrics.write_bytes(b"{\n" + metrics.read_bytes())
    assert read_run(stored).notes == ("2 lines of metrics.jsonl could not be read and are left out",)


def test_wherever_the_file_is_cut_all_whole_lines_are_read(stored: Path) -> None:
    metrics = stored / "metrics.jsonl"
    whole = metrics.read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    counted = [end for end, line in zip(ends, whole.splitlines(), strict=True) if b'"record": "system"' not in line]
    for place in range(0, len(whole), 7):
        metrics.write_bytes(whole[:place])
        run = read_run(stored)
        complete = sum(end <= place for end in counted)  # a line that lacks its newline alone is whole
        assert len(run.chart.layers) + len(run.chart.steps) + len(run.chart.evals) == complete
        torn = place > 0 and place not in ends and place - 1 not in ends
        assert len(run.notes) == int(torn)


@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [
                    b"[]",
                    b"3",
                    b"null",
                    b'"text"',
                    b"{}",
                    b'{"record": "step"}',
                    b'{"record": ["step"]}',
                    b'{"record": {}}',
                    b'{"record": "eval", "metrics": 3, "step": 1}',
                    b'{"record": "novelty", "step": 3}',
                    b'{"step": 1',
                    b'{"step": 1, "name": "x", "detail": [1]}',
                ]
            ),
        ),
        max_size=5,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whatever_stands_between_the_lines_the_others_are_read(stored: Path, lines: list[bytes]) -> None:
    for name in ("metrics.jsonl", "events.jsonl"):
        file = stored / name
        whole = file.read_bytes()
        file.write_bytes(b"\n".join([*lines, whole]))
        try:
            run = read_run(stored)
            assert same(run.chart.steps, STEPS)
            assert same(run.chart.evals, EVALS)
            assert same([event for event in run.chart.events if event.name != "x"], EVENTS)
        finally:
            file.write_bytes(whole)


@pytest.mark.parametrize("name", ["metrics.jsonl", "events.jsonl"])
def test_a_missing_file_is_read_around_and_said(stored: Path, name: str) -> None:
    (stored / name).unlink()
    run = read_run(stored)
    assert run.notes == (f"{name} is missing",)
    assert same(run.outcome, OUTCOME)


def test_a_run_without_its_recipe_can_be_read(stored: Path) -> None:
    (stored / "recipe.toml").unlink()
    assert read_run(stored).recipe == ""


def test_a_newer_schema_is_refused(stored: Path) -> None:
    head = json.loads((stored / "run.json").read_text())
    (stored / "run.json").write_text(json.dumps(head | {"schema": SCHEMA + 1}))
    with pytest.raises(RunError, match="newer trainwright") as caught:
        read_run(stored)
    assert str(SCHEMA + 1) in caught.value.evidence
    assert str(SCHEMA) in caught.value.evidence


def test_fields_that_a_newer_version_added_are_read_around(stored: Path) -> None:
    head = json.loads((stored / "run.json").read_text())
    head["info"]["mood"] = "good"
    (stored / "run.json").write_text(json.dumps(head | {"mood": "good"}))
    assert same(read_run(stored).info, INFO)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        '{"schema": 1}',
        '{"info": {}}',
        '{"schema": 1, "info": []}',
        '{"schema": "one", "info": {}}',
        '{"schema": null, "info": {}}',
        '{"schema": 1, "info": {}, "outcome": 3}',
        '{"schema": 1, "info": {}, "outcome": {"reason": "x"}}',
        '{"schema": 1, "info": {}, "findings": [{}]}',
        '{"schema": 1, "info": {}, "findings": 3}',
    ],
)
def test_a_damaged_head_is_refused_and_named(stored: Path, text: str) -> None:
    (stored / "run.json").write_text(text)
    with pytest.raises(RunError, match="is damaged") as caught:
        read_run(stored)
    assert "run.json" in caught.value.evidence


def test_a_head_that_is_no_text_is_refused(stored: Path) -> None:
    (stored / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="is damaged"):
        read_run(stored)


def test_reading_writes_nothing(stored: Path) -> None:
    def content() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in stored.iterdir()}

    before = content()
    read_run(stored)
    find_runs(stored)
    assert content() == before


def test_a_folder_without_a_run_is_refused_with_the_nearest(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder") as caught:
        read_run(tmp_path / "rum")
    assert caught.value.remedy == "did you mean 'run'?"
    (tmp_path / "other").mkdir()
    with pytest.raises(RunError, match="holds no run"):
        read_run(tmp_path / "other")
    with pytest.raises(RunError, match="there is no run folder"):
        read_run(tmp_path / "nowhere" / "run")


def test_runs_are_found_in_order_of_name(stored: Path, tmp_path: Path) -> None:
    for name in ("b-002", "b-001"):
        RunWriter(tmp_path / name, INFO, recipe="", facts={}).finish(OUTCOME)
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").write_text("")
    assert [path.name for path in find_runs(tmp_path)] == ["b-001", "b-002", "run"]
    assert find_runs(stored) == [stored]
    assert find_runs(tmp_path / "nowhere") == []
    assert is_run(stored)


def test_no_run_is_written_over_another(stored: Path) -> None:
    before = (stored / "run.json").read_bytes()
    with pytest.raises(RunError, match="already holds a run"):
        RunWriter(stored, INFO, recipe="", facts={})
    assert (stored / "run.json").read_bytes() == before


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("my work")
    with pytest.raises(RunError, match="not an empty folder"):
        RunWriter(tmp_path, INFO, recipe="", facts={})
    with pytest.raises(RunError, match="not an empty folder"):
        check_free(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_and_one_that_does_not_exist_are_free(tmp_path: Path) -> None:
    check_free(tmp_path)
    check_free(tmp_path / "deep" / "down")
    RunWriter(tmp_path / "deep" / "down", INFO, recipe="", facts={}).finish(OUTCOME)
    assert read_run(tmp_path / "deep" / "down").info.name == "digits"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        RunWriter(tmp_path / "file" / "run", INFO, recipe="", facts={})


def test_numbered_folders_count_on(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        folder = next_folder(tmp_path / "runs", "digits")
        names.append(folder.name)
        folder.mkdir(parents=True)
    assert names == ["digits-001", "digits-002", "digits-003"]
    assert next_folder(tmp_path / "runs", "other").name == "other-001"
    (tmp_path / "runs" / "digits-002").rmdir()
    assert next_folder(tmp_path / "runs", "digits").name == "digits-002"


def test_nothing_but_the_run_is_left_in_its_folder(stored: Path) -> None:
    assert sorted(path.name for path in stored.iterdir()) == [
        "events.jsonl",
        "metrics.jsonl",
        "recipe.toml",
        "run.json",
    ]


def test_events_carry_the_time_at_which_they_happened(stored: Path) -> None:
    times = [json.loads(line)["time"] for line in (stored / "events.jsonl").read_text().splitlines()]
    assert times == sorted(times)
    assert len(times) == 2
