"""The names of the files in a run folder, and what counts as one."""

from __future__ import annotations

from pathlib import Path

SCHEMA = 1
RUN = "run.json"
RECIPE = "recipe.toml"
METRICS = "metrics.jsonl"
EVENTS = "events.jsonl"
CHECKPOINTS = "checkpoints"
FINISHED = "finish"
FINISHED_FACTS = "finish.json"
FINISHED_MODEL = "model.json"


def is_finished(folder: Path) -> bool:
    """Say whether `folder` holds a finished model."""
    return (folder / FINISHED_FACTS).is_file()


def is_run(folder: Path) -> bool:
    """Say whether `folder` holds a run."""
    return (folder / RUN).is_file()
