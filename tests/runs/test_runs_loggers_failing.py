"""Loggers that are missing, fail or are interrupted: it is said once, and the training goes on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from runs_stores import NAMES, OUTCOME, make, read_tensorboard, step, tell

from trainwright.errors import UsageError
from trainwright.records import (
    Outcome,
)
from trainwright.runs.logger_observer import Logger
from trainwright.runs.loggers import CATALOGUE, require

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
