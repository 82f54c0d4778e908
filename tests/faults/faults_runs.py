"""A run so short that it can be made hundreds of times, and what must be the same however it was disturbed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import trainwright as tw
from trainwright.randomness import isolated
from trainwright.runs.reader import read_run

SETTINGS: Mapping[str, Any] = {
    "optimizer": "momentum", "lr": 0.05, "schedule": "constant", "epochs": 2, "batch_size": 8, "threads": 1,
    "evaluate_every_steps": 2, "checkpoint_every_steps": 2, "verify": "off", "level": "off", "loss": "cross_entropy",
}  # fmt: skip


def net() -> nn.Sequential:
    with isolated(5):
        return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def data(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20, 4, generator=generator)
    return x, x[:, :3].argmax(1)


def begin(folder: Path | None, **settings: Any) -> tw.Run:
    return tw.fit(net(), data(), data(1), folder=folder, **{**SETTINGS, **settings})


def go_on(folder: Path, **settings: Any) -> tw.Run:
    return tw.resume(folder, model=net(), train=data(), validation=data(1), **settings)


def begin_or_go_on(folder: Path) -> tw.Run:
    """Resume the run where there is one; else nothing was lost, and it begins."""
    if (folder / "run.json").is_file():
        return go_on(folder)
    for left in folder.iterdir() if folder.is_dir() else ():
        if left.name != "recipe.toml" and not left.name.startswith("tmp-"):
            assert left.stat().st_size == 0, f"{left} was left behind"
        left.unlink()
    return begin(folder)


def traces(run: tw.Run) -> dict[str, Any]:
    """Return what must be the same: all but times, and that the run was resumed."""
    history = run.history
    return {
        "digest": run.digest,
        "steps": [repr(replace(record, seconds=0.0)) for record in history.steps],
        "evals": [repr(replace(record, seconds=0.0)) for record in history.evals],
        "outcome": repr(replace(run.outcome, seconds=0.0)),
        "returned": [value.tolist() for value in run.model.state_dict().values()],
    }


def logged_once(folder: Path) -> bool:
    """Say whether the log holds every step exactly once, in order, and no line that is torn."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if line["record"] == "step"]
    return steps == list(range(len(steps))) and read_run(folder).notes == ()
