"""TensorBoard: an event file in the run folder, by torch's writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.records import Outcome, RunInfo
from trainwright.runs.logger_observer import hyperparameters, outcome_text

FOLDER = "tensorboard"


class TensorBoard:
    """Writes to `folder`/tensorboard: `tensorboard --logdir` on the parent of the run folders compares them all."""

    def __init__(self, folder: Path, info: RunInfo, settings: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self._writer = SummaryWriter(str(folder / FOLDER))
        # Into this very file: the writer's own add_hparams would open a second run beside it.
        compared = ["loss", *([info.metric] if info.metric else [])]
        best = {f"best/{split}/{name}": 0.0 for split in ("validation", "test") for name in compared}
        # torch would write a switch as a number.
        asked = hyperparameters(info, settings).items()
        words = {name: str(value) if isinstance(value, bool) else value for name, value in asked}
        for summary in hparams(words, best):
            self._writer._get_file_writer().add_summary(summary)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of one step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, name: str, text: str, step: int) -> None:
        """Log a text, as it is: fenced, since the viewer takes it for Markdown."""
        self._writer.add_text(name, f"```\n{text}\n```", step)

    def flush(self) -> None:
        """Write what is waiting to the file."""
        self._writer.flush()

    def close(self, outcome: Outcome) -> None:
        """Log how the run ended, and close the file."""
        try:
            self.text("outcome", outcome_text(outcome), outcome.steps)
        finally:
            self._writer.close()
