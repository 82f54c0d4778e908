"""Loggers: who else is told of a run. Each is a thin observer, and its package an extra of this one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trainwright.errors import UsageError, did_you_mean
from trainwright.records import RunInfo
from trainwright.runs.logger_mlflow import MLflow
from trainwright.runs.logger_observer import Backend, Logger
from trainwright.runs.logger_tensorboard import TensorBoard
from trainwright.runs.logger_wandb import WeightsAndBiases

__all__ = ["CATALOGUE", "Logger", "LoggerSpec", "require"]


@dataclass(frozen=True, kw_only=True)
class LoggerSpec:
    """A logger. `factory(folder, info, settings)` gives an observer of the run that is kept in `folder`.

    `settings` are the resolved hyperparameters, nested or with dotted names; how a logger reaches its server is read
    from its own environment variables. `extra` is what to install: `pip install trainwright[extra]`. The factory
    raises `UsageError` where that is missing; it writes nothing, the first record does.
    """

    name: str
    summary: str
    extra: str
    factory: Callable[[Path, RunInfo, Mapping[str, Any]], Logger]


@dataclass(frozen=True, kw_only=True)
class _Package:
    """What must be importable: a module and a name in it.

    The name is asked for because a folder of logs called `wandb` or `mlflow` is importable too, as an empty package.
    """

    extra: str
    module: str
    attribute: str

    def check(self) -> None:
        """Raise `UsageError` where the package is not there, with the command that installs it."""
        try:
            problem = "" if hasattr(importlib.import_module(self.module), self.attribute) else "it is no package"
        except ImportError as missing:
            problem = str(missing)
        if problem:
            raise UsageError(
                f"the logger '{self.extra}' needs a package that is not installed",
                evidence=f"import {self.module}: {problem}",
                remedy=f"pip install trainwright[{self.extra}]",
            )


def _make(
    package: _Package,
    backend: Callable[[Path, RunInfo, Mapping[str, Any]], Backend],
    folder: Path,
    info: RunInfo,
    settings: Mapping[str, Any],
) -> Logger:
    package.check()
    return Logger(package.extra, partial(backend, Path(folder), info, settings))


def _spec(
    name: str,
    module: str,
    attribute: str,
    backend: Callable[[Path, RunInfo, Mapping[str, Any]], Backend],
    *,
    summary: str,
) -> LoggerSpec:
    package = _Package(extra=name, module=module, attribute=attribute)
    return LoggerSpec(name=name, summary=summary, extra=name, factory=partial(_make, package, backend))


CATALOGUE: Mapping[str, LoggerSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            _spec(
                "tensorboard",
                "torch.utils.tensorboard",
                "SummaryWriter",
                TensorBoard,
                summary="an event file in the run folder: tensorboard --logdir on the folder of the runs",
            ),
            _spec(
                "wandb",
                "wandb",
                "init",
                WeightsAndBiases,
                summary="Weights & Biases: WANDB_PROJECT names the project, WANDB_MODE=offline keeps it here",
            ),
            _spec(
                "mlflow",
                "mlflow",
                "is_tracking_uri_set",
                MLflow,
                summary="MLflow: MLFLOW_TRACKING_URI names the server; without one, files beside the run folder",
            ),
        )
    }
)


def require(names: list[str]) -> None:
    """Raise `UsageError` where a logger of `names` is not known, or its package is not installed."""
    for name in names:
        if name not in CATALOGUE:
            raise UsageError(f"there is no logger '{name}'", remedy=did_you_mean(name, CATALOGUE))
        CATALOGUE[name].factory(Path(), RunInfo(), {})
