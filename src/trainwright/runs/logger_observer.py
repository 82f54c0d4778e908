"""The observer that every logger is: from records to named numbers and texts, and what happens when a logger fails."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trainwright.records import EvalRecord, Event, Finding, LayerStats, Outcome, RunInfo, StepRecord, from_plain
from trainwright.records.findings import Evidence, Scalar

Record = StepRecord | EvalRecord | LayerStats | Event


class Backend(Protocol):
    """Where a logger writes: one run, opened when it is made. `step` counts optimizer steps."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of one step; NaN and infinities stay what they are."""
        ...

    def text(self, name: str, text: str, step: int) -> None:
        """Log a text of several lines."""
        ...

    def flush(self) -> None:
        """Bring what was logged to where a viewer sees it."""
        ...

    def close(self, outcome: Outcome) -> None:
        """Log how the run ended, and end it."""
        ...


class Logger:
    """Shows a run to a backend, which is opened with the first record: a run that cannot start leaves nothing there.

    A backend that fails never ends the training: it is said once, as a `RuntimeWarning`, and the logger is switched
    off, since a server that is gone would otherwise hold up every step. The run folder holds every record in any case.
    """

    def __init__(self, name: str, open_backend: Callable[[], Backend]) -> None:
        self.name = name
        self.failed = False
        self._open = open_backend
        self._backend: Backend | None = None
        self._step = 0

    def observe(self, record: Record) -> None:
        """Log one record. Statistics of layers, and events other than findings, are left to the run folder."""
        self._step = record.step
        self._try(lambda backend: _tell(backend, record))

    def finish(self, outcome: Outcome) -> None:
        """Log how the run ended, with the best values, and end the backend's run."""
        at = outcome.steps if outcome.best_step is None else outcome.best_step
        self._step = outcome.steps
        if best := best_numbers(outcome):
            self._try(lambda backend: backend.numbers(best, at))
        if not self.failed:
            self._try(lambda backend: backend.close(outcome))
        elif self._backend is not None:
            with contextlib.suppress(Exception):  # that it failed has been said; what it holds may still be saved
                self._backend.close(outcome)

    def _try(self, act: Callable[[Backend], object]) -> None:
        if self.failed:
            return
        try:
            if self._backend is None:
                self._backend = self._open()
            act(self._backend)
        except Exception as problem:  # whatever a third party raises: the training is worth more than its log
            self.failed = True
            what = str(problem).strip().splitlines()
            warnings.warn(
                f"the {self.name} logger failed at step {self._step} and is switched off; the training goes on "
                f"({type(problem).__name__}{f': {what[0]}' if what else ''})",
                RuntimeWarning,
                stacklevel=3,
            )


def _tell(backend: Backend, record: Record) -> None:
    if isinstance(record, StepRecord):
        backend.numbers(step_numbers(record), record.step)
    elif isinstance(record, EvalRecord):
        backend.numbers(eval_numbers(record), record.step)
        backend.flush()
    elif isinstance(record, Event) and record.name == "finding":
        finding = from_plain(Finding, record.detail)
        backend.text(f"finding/{finding.code}", finding_text(finding), record.step)
        backend.flush()


def step_numbers(record: StepRecord) -> dict[str, float]:
    """Return the numbers of one step by name; what was not measured is left out."""
    values = {
        "train/loss": record.loss,
        "train/rate": record.rate,
        "train/penalty": record.penalty,
        "train/gradient_norm": record.gradient_norm,
        "train/clipped_norm": record.clipped_norm,
        "train/update_ratio": record.update_ratio,
        "train/skipped": 1.0 if record.skipped else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def eval_numbers(record: EvalRecord) -> dict[str, float]:
    """Return the numbers of one evaluation: "validation/loss", "validation/accuracy".

    Those of the training split are "train_evaluation/loss": "train/loss" is that of the steps.
    """
    split = "train_evaluation" if record.split == "train" else record.split
    return {f"{split}/{name}": value for name, value in {"loss": record.loss, **record.metrics}.items()}


def best_numbers(outcome: Outcome) -> dict[str, float]:
    """Return the values of the best model: "best/validation/loss"."""
    return {f"best/{split}/{name}": value for split, values in outcome.best.items() for name, value in values.items()}


def finding_text(finding: Finding) -> str:
    """Return a finding as plain text: what, where, evidence, cause, remedies."""
    where = finding.where
    place = f"{where.file}:{where.line}" if where.file and where.line else where.file or ""
    lines = [
        f"{finding.severity}[{finding.code}]: {finding.title}",
        *(f"  --> {part}" for part in (place, where.module, where.parameter) if part),
        *(f"  evidence: {_evidence(each)}" for each in finding.evidence),
        *([f"  because:  {finding.because}"] if finding.because else []),
        *(f"  remedy:   {remedy.text}" for remedy in finding.remedies),
    ]
    return "\n".join(lines)


def outcome_text(outcome: Outcome) -> str:
    """Return how a run ended, in one line."""
    reason = f": {outcome.reason}" if outcome.reason else ""
    best = "" if outcome.best_step is None else f", best at step {outcome.best_step:,}"
    return f"{outcome.status}{reason} after {outcome.steps:,} steps and {outcome.seconds:.1f} seconds{best}"


def hyperparameters(info: RunInfo, settings: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return what a run was asked for, flat: dotted names to scalars; nested settings get dots, lists become text.

    `settings` go before those of `info`; beside them stand the facts that loggers compare runs by.
    """
    facts = {"task": info.task, "parameters": info.parameters, "planned_steps": info.planned_steps}
    own = {name: setting.value for name, setting in info.settings.items()}
    return {name: _plain(value) for name, value in _flat({**facts, **own, **_flat(settings)}).items()}


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _plain(value: Any) -> Scalar:
    return value if isinstance(value, bool | int | float | str) else "none" if value is None else str(value)


def _evidence(evidence: Evidence) -> str:
    unit = f" {evidence.unit}" if evidence.unit else ""
    threshold = "" if evidence.threshold is None else f" (threshold {_short(evidence.threshold)}{unit})"
    return f"{evidence.name} is {_short(evidence.value)}{unit}{threshold}"


def _short(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
