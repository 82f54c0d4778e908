"""Every logger against its own local store: what was shown to it must be there to read, by the numbers."""

from __future__ import annotations

import json
import math
import os
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from trainwright.errors import UsageError
from trainwright.records import (
    EvalRecord,
    Event,
    Evidence,
    Finding,
    LayerStats,
    Location,
    Outcome,
    Remedy,
    RunInfo,
    Setting,
    Status,
    StepRecord,
    to_plain,
)
from trainwright.runs.logger_observer import Logger, finding_text, hyperparameters
from trainwright.runs.loggers import CATALOGUE, require

NAMES = ["tensorboard", "wandb", "mlflow"]
INFO = RunInfo(
    name="digits",
    task="classification",
    metric="accuracy",
    parameters=12_345,
    planned_steps=100,
    settings={"optimizer.lr": Setting(value=0.1), "model.name": Setting(value="mlp")},
)
SETTINGS = {"optimizer": {"lr": 3e-4, "name": "adamw"}, "schedule.at": (0.3, 0.6), "train.compile": False, "seed": None}
FINDING = Finding(
    code="TW301",
    kind="softmax-before-cross-entropy",
    severity="error",
    title="softmax is applied before cross_entropy",
    where=Location(file="train.py", line=41),
    step=2,
    evidence=(Evidence(name="largest deviation of a row's sum from 1", value=1.2345678e-7, threshold=1e-5),),
    because="cross_entropy applies log-softmax itself",
    remedies=(Remedy(text="pass the raw logits"),),
)
OUTCOME = Outcome(
    status="finished",
    best={"validation": {"loss": 0.25, "accuracy": 0.875}, "test": {"loss": 0.5}},
    best_step=2,
    steps=4,
    seconds=1.5,
)


@dataclass
class Seen:
    """What a store holds of a run: numbers by name as (step, value), texts by name, settings, and how it ended."""

    numbers: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    ended: str = ""


def step(number: int, loss: float, **changes: Any) -> StepRecord:
    return StepRecord(step=number, epoch=0, loss=loss, rate=0.1 * 2**-number, samples=8, **changes)


def evaluation(number: int, split: str, loss: float, **metrics: float) -> EvalRecord:
    return EvalRecord(step=number, epoch=0.0, split=split, loss=loss, loss_error=0.0, metrics=metrics, samples=8)


def tell(logger: Logger, outcome: Outcome = OUTCOME) -> None:
    """Show a run of four steps: a skipped one, one that is not finite, a finding, and evaluations around them."""
    logger.observe(Event(step=0, name="phase", detail={"phase": "train"}))
    logger.observe(evaluation(0, "validation", 2.5, accuracy=0.125))
    logger.observe(
        LayerStats(step=0, module="0", kind="ReLU", units=4, samples=8, mean=0, std=1, zero_fraction=0, dead_fraction=0)
    )
    logger.observe(step(0, 2.25, gradient_norm=4.0, clipped_norm=1.0, clipped=True, update_ratio=0.015625))
    logger.observe(step(1, 2.0, skipped=True))
    logger.observe(evaluation(2, "validation", 0.25, accuracy=0.875))
    logger.observe(evaluation(2, "train", 0.125, accuracy=1.0))
    logger.observe(Event(step=2, name="finding", detail=to_plain(FINDING)))
    logger.observe(step(2, 1.75, penalty=0.5, gradient_norm=0.5, clipped_norm=0.5))
    logger.observe(step(3, math.nan, gradient_norm=math.inf))
    logger.finish(outcome)


WANTED: dict[str, list[tuple[int, float]]] = {
    "train/loss": [(0, 2.25), (1, 2.0), (2, 1.75), (3, math.nan)],
    "train/rate": [(0, 0.1), (1, 0.05), (2, 0.025), (3, 0.0125)],
    "train/penalty": [(2, 0.5)],
    "train/gradient_norm": [(0, 4.0), (2, 0.5), (3, math.inf)],
    "train/clipped_norm": [(0, 1.0), (2, 0.5)],
    "train/update_ratio": [(0, 0.015625)],
    "train/skipped": [(1, 1.0)],
    "validation/loss": [(0, 2.5), (2, 0.25)],
    "validation/accuracy": [(0, 0.125), (2, 0.875)],
    "train_evaluation/loss": [(2, 0.125)],
    "train_evaluation/accuracy": [(2, 1.0)],
    "best/validation/loss": [(2, 0.25)],
    "best/validation/accuracy": [(2, 0.875)],
    "best/test/loss": [(2, 0.5)],
}
WANTED_SETTINGS = {
    "task": "classification",
    "parameters": "12345",
    "planned_steps": "100",
    "model.name": "mlp",
    "optimizer.lr": "0.0003",
    "optimizer.name": "adamw",
    "schedule.at": "(0.3, 0.6)",
    "train.compile": "False",
    "seed": "none",
}


# --- The stores, each read by what its own makers read it with


def read_tensorboard(folder: Path) -> Seen:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    store = EventAccumulator(str(folder / "tensorboard"))
    store.Reload()
    seen = Seen(ended="closed")
    for name in store.Tags()["scalars"]:
        seen.numbers[name] = [(event.step, event.value) for event in store.Scalars(name)]
    for name in store.Tags()["tensors"]:
        seen.texts[name.removesuffix("/text_summary")] = store.Tensors(name)[-1].tensor_proto.string_val[0].decode()
    content = store.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    plugin: Any = plugin_data_pb2  # its names are made when it is imported
    for name, value in plugin.HParamsPluginData.FromString(content).session_start_info.hparams.items():
        plain = getattr(value, value.WhichOneof("kind"))
        whole = isinstance(plain, float) and plain.is_integer()
        seen.settings[name] = str(int(plain) if whole else plain)
    return seen


def read_wandb(folder: Path) -> Seen:
    seen = Seen()
    for record in finished_wandb_records(next(folder.glob("wandb/offline-run-*/*.wandb"))):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            values = {
                "/".join([*item.nested_key] or [item.key]): json.loads(item.value_json) for item in record.history.item
            }
            at = values["optimizer_step"]
            for name, value in values.items():
                if isinstance(value, str):
                    seen.texts[name] = value
                elif not name.startswith("_") and name != "optimizer_step":
                    seen.numbers.setdefault(name, []).append((at, value))
        elif kind == "run":
            for item in record.run.config.update:
                if not item.key.startswith("_"):
                    seen.settings[item.key] = str(json.loads(item.value_json))
        elif kind == "summary":
            for item in record.summary.update:
                if item.key.startswith("outcome/"):
                    seen.texts["outcome"] = seen.texts.get("outcome", "") + f"{item.key}={item.value_json} "
        elif kind == "exit":
            seen.ended = str(record.exit.exit_code)
    return seen


def finished_wandb_records(path: Path) -> list[Any]:
    """Return the records of a run that has ended, once its writer, another process, has written the last of them."""
    for _ in range(1000):
        records = list(wandb_records(path))
        if records and records[-1].WhichOneof("record_type") == "exit":
            return records
        time.sleep(0.02)
    raise AssertionError(f"{path} has no end")


def wandb_records(path: Path) -> Iterator[Any]:
    """Yield the records of a .wandb file: LevelDB's log format in blocks of 32 KiB, behind a head of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    protocol: Any = wandb_internal_pb2
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, parts = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            record = protocol.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def read_mlflow(folder: Path) -> Seen:
    from mlflow.tracking import MlflowClient

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        client = MlflowClient(tracking_uri=(folder.parent / "mlruns").as_uri())
        experiment = client.get_experiment_by_name("trainwright")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.run_name == folder.name
        seen = Seen(settings=run.data.params, ended=run.info.status)
        for name in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, name)
            seen.numbers[name] = [(metric.step, metric.value) for metric in history]
    for name, value in run.data.tags.items():
        if name.startswith("outcome."):
            seen.texts["outcome"] = seen.texts.get("outcome", "") + f"{name}={value} "
        else:
            seen.texts[name] = value
    return seen


READERS: dict[str, Callable[[Path], Seen]] = {
    "tensorboard": read_tensorboard,
    "wandb": read_wandb,
    "mlflow": read_mlflow,
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every logger on this machine and away from the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DISABLE_GIT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


def make(name: str, folder: Path) -> Logger:
    return CATALOGUE[name].factory(folder, INFO, SETTINGS)


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


# --- What is missing, and what fails


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")])
def test_a_missing_package_is_refused_before_training_with_the_command_that_installs_it(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [key for key in sys.modules if key.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"the logger '{name}' needs a package that is not installed") as caught:
        make(name, tmp_path)
    assert caught.value.remedy == f"pip install trainwright[{name}]"
    assert module in caught.value.evidence


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_folder_of_logs_is_not_taken_for_the_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, ModuleType(name))  # what importing a folder without code gives
    with pytest.raises(UsageError, match="not installed"):
        require([name])


def test_requiring_loggers_names_the_one_that_is_not_known() -> None:
    require(NAMES)
    with pytest.raises(UsageError, match="there is no logger 'tensorbord'") as caught:
        require(["wandb", "tensorbord"])
    assert caught.value.remedy == "did you mean 'tensorboard'?"


def test_every_logger_is_filed_under_its_name_and_describes_itself() -> None:
    assert list(CATALOGUE) == NAMES
    for name, spec in CATALOGUE.items():
        assert (spec.name, spec.extra) == (name, name)
        assert spec.summary


class Fragile:
    """A backend that fails at one of its calls, and remembers what it was asked."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.asked: list[str] = []
        self.closed = False

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._ask("numbers")

    def text(self, name: str, text: str, step: int) -> None:
        self._ask("text")

    def flush(self) -> None:
        self._ask("flush")

    def close(self, outcome: Outcome) -> None:
        self.closed = True
        self._ask("close")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what == self.fails_at:
            raise ConnectionError("the server is gone\nand more of the same")


@pytest.mark.parametrize("fails_at", ["numbers", "text", "flush", "close"])
def test_a_logger_that_fails_is_said_once_and_switched_off_and_the_training_goes_on(fails_at: str) -> None:
    backend = Fragile(fails_at)
    logger = Logger("wandb", lambda: backend)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tell(logger)
        tell(logger)
    (said,) = caught
    assert said.category is RuntimeWarning
    assert "the wandb logger failed at step" in str(said.message)
    assert "(ConnectionError: the server is gone)" in str(said.message)
    assert backend.asked.count(fails_at) == (1 if fails_at != "close" else 2)
    assert backend.closed


def test_a_logger_that_cannot_be_opened_is_said_once_at_its_first_record() -> None:
    tries: list[int] = []

    def refuse() -> Fragile:
        tries.append(1)
        raise PermissionError

    logger = Logger("mlflow", refuse)
    with pytest.warns(RuntimeWarning, match=r"the mlflow logger failed at step 0 .*\(PermissionError\)") as caught:
        tell(logger)
    assert len(caught) == 1
    assert len(tries) == 1


def test_a_disk_that_fails_in_the_middle_of_a_run_is_said_once(tmp_path: Path) -> None:
    logger = make("tensorboard", tmp_path / "run")
    logger.observe(step(0, 1.0))
    backend: Any = logger._backend
    backend._writer.add_scalar = SimpleNamespace()  # no longer callable
    with pytest.warns(RuntimeWarning, match="the tensorboard logger failed at step 1"):
        logger.observe(step(1, 1.0))
    logger.observe(step(2, 1.0))  # a second warning would be an error
    logger.finish(OUTCOME)
    assert read_tensorboard(tmp_path / "run").numbers["train/loss"] == [(0, 1.0)]


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupted() -> Fragile:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Logger("wandb", interrupted).observe(step(0, 1.0))


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
