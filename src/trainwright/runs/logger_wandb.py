"""Weights & Biases: a run of its own beside any other of the process; WANDB_MODE, WANDB_PROJECT and the rest apply."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.records import Outcome, RunInfo
from trainwright.runs.logger_observer import hyperparameters

_STEP = "optimizer_step"


class WeightsAndBiases:
    """Logs to the project in WANDB_PROJECT, "trainwright" where there is none; files go to `folder`/wandb.

    With WANDB_MODE=offline nothing leaves the machine, and `wandb sync` sends it later.
    """

    def __init__(self, folder: Path, info: RunInfo, settings: Mapping[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        # A run of the user's that is open already must neither receive these numbers nor be ended with them, and
        # what the terminal shows stays there.
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "trainwright"),
            name=os.environ.get("WANDB_NAME", folder.name),
            dir=os.environ.get("WANDB_DIR", str(folder)),
            config=hyperparameters(info, settings),
            settings=wandb.Settings(console="off"),
            reinit="create_new",
        )
        # Its own counter drops what comes out of order, as the best model's values do; ours is an axis like any other.
        self._run.define_metric(_STEP)
        self._run.define_metric("*", step_metric=_STEP)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of one step."""
        self._run.log({_STEP: step, **values})

    def text(self, name: str, text: str, step: int) -> None:
        """Log a text; the newest of each name stands in the run's summary."""
        self._run.log({_STEP: step, name: text})

    def flush(self) -> None:
        """Nothing is held back: what is logged is sent at once, by a process of its own."""

    def close(self, outcome: Outcome) -> None:
        """Write how the run ended into the summary, and end it; a run that diverged or was interrupted has failed."""
        try:
            facts = {
                "status": outcome.status,
                "reason": outcome.reason,
                "best_step": outcome.best_step,
                "steps": outcome.steps,
                "seconds": outcome.seconds,
            }
            self._run.summary.update({f"outcome/{name}": value for name, value in facts.items() if value is not None})
        finally:
            self._run.finish(exit_code=0 if outcome.status in ("finished", "stopped") else 1)
