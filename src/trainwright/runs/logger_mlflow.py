"""MLflow: to the tracking server that is set, else to a store of files beside the run folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from trainwright.records import Outcome, RunInfo
from trainwright.runs.logger_observer import hyperparameters

STORE = "mlruns"
_FLUSH_AT = 500  # numbers in one request; MLflow takes 1000
_PARAMS_AT_ONCE = 100
_TAG_LENGTH = 5000
_STATUS = {"finished": "FINISHED", "stopped": "FINISHED", "diverged": "FAILED", "interrupted": "KILLED"}


class MLflow:
    """Logs to MLFLOW_TRACKING_URI, or what `mlflow.set_tracking_uri` set; to `folder`/../mlruns where neither is.

    The experiment is MLFLOW_EXPERIMENT_NAME, else "trainwright". Numbers are sent some hundred at a time: a request
    for each would hold up the steps.
    """

    def __init__(self, folder: Path, info: RunInfo, settings: Mapping[str, Any]) -> None:
        import mlflow
        from mlflow.tracking import MlflowClient

        if mlflow.is_tracking_uri_set():
            self._client = MlflowClient()
            self._run_id = self._create(folder)
        else:
            with _file_store_allowed():
                self._client = MlflowClient(tracking_uri=(folder.parent / STORE).absolute().as_uri())
                self._run_id = self._create(folder)
        self._waiting: list[Any] = []
        self._params(hyperparameters(info, settings))

    def _create(self, folder: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "trainwright")
        known = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if known is None else known.experiment_id
        return self._client.create_run(experiment, run_name=folder.name).info.run_id

    def _params(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        waiting = iter([Param(name, str(value)) for name, value in values.items()])
        while params := list(islice(waiting, _PARAMS_AT_ONCE)):
            self._client.log_batch(self._run_id, params=params)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of one step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(name, float(value), now, step) for name, value in values.items()]
        if len(self._waiting) >= _FLUSH_AT:
            self.flush()

    def text(self, name: str, text: str, step: int) -> None:
        """Log a text as a tag: the newest of each name stays. MLflow limits its length."""
        short = text if len(text) <= _TAG_LENGTH else f"{text[: _TAG_LENGTH - 1]}…"
        self._client.set_tag(self._run_id, name, f"step {step}: {short}")

    def flush(self) -> None:
        """Send the numbers that are waiting."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._client.log_batch(self._run_id, metrics=waiting)

    def close(self, outcome: Outcome) -> None:
        """Log how the run ended, and end it."""
        try:
            self.flush()
            facts = {"status": outcome.status, "reason": outcome.reason, "best_step": outcome.best_step}
            facts |= {"steps": outcome.steps, "seconds": outcome.seconds}
            for name, value in facts.items():
                if value not in (None, ""):
                    self._client.set_tag(self._run_id, f"outcome.{name}", str(value))
        finally:
            self._client.set_terminated(self._run_id, status=_STATUS[outcome.status])


@contextmanager
def _file_store_allowed() -> Iterator[None]:
    """Let MLflow open a store of files, which newer versions do on request alone; a database would need SQLAlchemy."""
    name = "MLFLOW_ALLOW_FILE_STORE"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
