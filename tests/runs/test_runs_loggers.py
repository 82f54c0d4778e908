"""Every logger against its own local store: what was shown to it must be there to read, by the numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from runs_stores import (
    FINDING,
    INFO,
    NAMES,
    READERS,
    SETTINGS,
    WANTED,
    WANTED_SETTINGS,
    finished_wandb_records,
    make,
    read_mlflow,
    step,
    tell,
)

from trainwright.records import (
    Event,
    Evidence,
    Finding,
    Location,
    Outcome,
    RunInfo,
    Status,
    to_plain,
)
from trainwright.runs.logger_observer import finding_text, hyperparameters
from trainwright.runs.loggers import CATALOGUE


@pytest.mark.parametrize("name", NAMES)
def test_a_store_holds_all_that_was_logged_at_its_optimizer_step(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "digits-001"
    tell(make(name, folder))
    seen = READERS[name](folder)
    assert seen.numbers.keys() == WANTED.keys()
    for key, wanted in WANTED.items():
        assert [at for at, _ in seen.numbers[key]] == [at for at, _ in wanted], key
        values = [value for _, value in seen.numbers[key]]
        assert values == pytest.approx([value for _, value in wanted], rel=1e-6, nan_ok=True), key
    assert {key: value for key, value in seen.settings.items() if key != "optimizer.lr"} == {
        key: value for key, value in WANTED_SETTINGS.items() if key != "optimizer.lr"
    }
    assert float(seen.settings["optimizer.lr"]) == 3e-4
    said = seen.texts["finding/TW301"]
    for words in ("error[TW301]: softmax is applied", "train.py:41", "1.235e-07", "log-softmax itself", "raw logits"):
        assert words in said
    assert "finished" in seen.texts["outcome"]
    assert "4" in seen.texts["outcome"]
    assert seen.ended == {"tensorboard": "closed", "wandb": "0", "mlflow": "FINISHED"}[name]


@pytest.mark.parametrize(
    ("status", "wandb", "mlflow"),
    [("stopped", "0", "FINISHED"), ("diverged", "1", "FAILED"), ("interrupted", "1", "KILLED")],
)
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_run_that_ended_badly_has_failed_there_too(
    name: str, status: Status, wandb: str, mlflow: str, tmp_path: Path
) -> None:
    logger = make(name, tmp_path / "one")
    logger.observe(step(0, 1.0))
    logger.finish(Outcome(status=status, reason="the loss was not finite at step 0", steps=1))
    seen = READERS[name](tmp_path / "one")
    assert seen.ended == (wandb if name == "wandb" else mlflow)
    assert "the loss was not finite at step 0" in seen.texts["outcome"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_never_started_leaves_nothing(name: str, tmp_path: Path) -> None:
    make(name, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_logger_changes_the_environment(name: str, tmp_path: Path) -> None:
    before = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    tell(make(name, tmp_path / "run"))
    assert {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")} == before


def test_mlflow_logs_where_its_tracking_uri_says_and_under_the_experiment_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "elsewhere").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    for number in (1, 2):  # the second run finds the experiment that the first one made
        tell(make("mlflow", tmp_path / f"run-{number}"))
    assert not (tmp_path / "mlruns").exists()
    client = MlflowClient()
    experiment = client.get_experiment_by_name("mine")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(str(run.info.run_name) for run in runs) == ["run-1", "run-2"]


def test_mlflow_sends_every_number_in_few_requests_that_it_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient
    from mlflow.utils.validation import MAX_METRICS_PER_BATCH

    sizes: list[int] = []
    send = MlflowClient.log_batch

    def counted(client: MlflowClient, run_id: str, metrics: Any = (), **rest: Any) -> Any:
        sizes.append(len(metrics))
        return send(client, run_id, metrics=metrics, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    logger = make("mlflow", tmp_path / "run")
    for number in range(600):
        logger.observe(step(number, float(number)))
    logger.finish(Outcome(status="finished", steps=600))
    assert read_mlflow(tmp_path / "run").numbers["train/loss"] == [(number, float(number)) for number in range(600)]
    assert sum(sizes) == 1200
    assert max(sizes) <= MAX_METRICS_PER_BATCH
    assert len(sizes) < 10


def test_a_setting_or_finding_too_long_for_mlflow_is_shortened_and_not_lost(tmp_path: Path) -> None:
    settings = {f"option_{number}": number for number in range(150)}
    logger = CATALOGUE["mlflow"].factory(tmp_path / "run", INFO, settings)
    long = Finding(code="TW999", kind="long", severity="note", title="t" * 20_000)
    logger.observe(Event(step=7, name="finding", detail=to_plain(long)))
    logger.finish(Outcome(status="finished"))
    seen = read_mlflow(tmp_path / "run")
    assert seen.texts["finding/TW999"].startswith("step 7: note[TW999]: tttt")
    assert seen.texts["finding/TW999"].endswith("…")
    assert settings.keys() <= seen.settings.keys()


def test_wandb_leaves_a_run_of_the_users_own_alone(tmp_path: Path) -> None:
    import wandb

    own = wandb.init(project="own", dir=str(tmp_path), settings=wandb.Settings(console="off"))
    try:
        tell(make("wandb", tmp_path / "run"))
        assert wandb.run is own
        own.log({"mine": 1.0})
    finally:
        own.finish()
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    keys = {
        key
        for record in finished_wandb_records(path)
        for item in record.history.item
        for key in [*item.nested_key, item.key]
        if key and not key.startswith("_")
    }
    assert keys == {"mine"}


# --- The words


def test_a_finding_as_text_says_what_where_and_what_to_do() -> None:
    assert finding_text(FINDING).splitlines() == [
        "error[TW301]: softmax is applied before cross_entropy",
        "  --> train.py:41",
        "  evidence: largest deviation of a row's sum from 1 is 1.235e-07 (threshold 1e-05)",
        "  because:  cross_entropy applies log-softmax itself",
        "  remedy:   pass the raw logits",
    ]


def test_a_finding_about_a_parameter_names_it_and_counts_keep_their_units() -> None:
    finding = Finding(
        code="TW1",
        kind="k",
        severity="note",
        title="t",
        where=Location(module="layers.0", parameter="weight"),
        evidence=(Evidence(name="dead", value=3, threshold=1, unit="units"), Evidence(name="kind", value="ReLU")),
    )
    assert finding_text(finding).splitlines()[1:] == [
        "  --> layers.0",
        "  --> weight",
        "  evidence: dead is 3 units (threshold 1 units)",
        "  evidence: kind is ReLU",
    ]


def test_hyperparameters_are_flat_and_what_was_resolved_goes_before_what_was_written() -> None:
    assert {name: str(value) for name, value in hyperparameters(INFO, SETTINGS).items()} == WANTED_SETTINGS
    assert hyperparameters(INFO, {})["optimizer.lr"] == 0.1
    assert hyperparameters(RunInfo(), {"a": {"b": {"c": 1}}})["a.b.c"] == 1
