"""What is shown to every logger, and each store read by what its own makers read it with."""

from __future__ import annotations

import json
import math
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

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
    StepRecord,
    to_plain,
)
from trainwright.runs.logger_observer import Logger
from trainwright.runs.loggers import CATALOGUE

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


def make(name: str, folder: Path) -> Logger:
    return CATALOGUE[name].factory(folder, INFO, SETTINGS)
