"""Where weights to start from lie: a run, a file, Hugging Face, timm, or what Python has at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.errors import RunError, UsageError, did_you_mean
from trainwright.parts import pretrained
from trainwright.parts.weight_files import SAFE, is_weights, read_weights
from trainwright.parts.weight_names import State
from trainwright.runs.layout import CHECKPOINTS, RUN, is_run
from trainwright.runs.reader import StoredRun, find_runs, read_run
from trainwright.stages.best_weights import best_weights


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights to start from, what is to be said of them, and, of a run, the run."""

    source: str
    state: State
    notes: tuple[str, ...] = ()


def given(source: Any) -> Weights:
    """Return the weights of what `start_from` takes; raises `UsageError` for anything else."""
    if not isinstance(source, nn.Module) and isinstance(getattr(source, "model", None), nn.Module):  # a `Run`
        source = source.model
    if isinstance(source, nn.Module):
        return Weights(source=f"a {type(source).__name__}", state=source.state_dict())
    if isinstance(source, Mapping):
        strange = next((name for name, value in source.items() if not isinstance(value, torch.Tensor)), None)
        if strange is not None or not source:
            raise UsageError(
                "a mapping to start from must be a state dict: names and tensors",
                evidence=f"'{strange}' holds a {type(source[strange]).__name__}" if source else "it is empty",
                remedy="pass model.state_dict()",
            )
        return Weights(source="a state dict", state=source)
    if not isinstance(source, str | Path):
        raise UsageError(
            "what to start from must be a run's folder, a file, 'hf:NAME', 'timm:NAME', a state dict or a model",
            evidence=f"it is a {type(source).__name__}",
        )
    return named(str(source), None)


def named(start: str, folder: str | None, *, channels: int | None = None) -> Weights:
    """Return the weights of a run, a file, "timm:NAME" or "hf:NAME"; paths are looked for in `folder` first.

    `channels` are those of the images that a model of timm's is to take. Raises `UsageError` where there is no such
    thing, and `RunError` where it cannot be read.
    """
    if start.startswith(pretrained.TIMM):
        name = beside(start.removeprefix(pretrained.TIMM), folder)
        return Weights(source=start, state=pretrained.timm_weights(name, channels=channels))
    if start.startswith(pretrained.HUGGING_FACE):
        return Weights(
            source=start, state=pretrained.hf_weights(beside(start.removeprefix(pretrained.HUGGING_FACE), folder))
        )
    path = path_of(start, folder)
    if is_run(path):
        return _of_run(read_run(path), start)
    if path.is_dir():
        return Weights(source=start, state=read_weights(_inside(path, start)))
    if not path.exists() and not is_weights(path):
        near = [run.name for run in find_runs(path.parent)]
        raise UsageError(
            f"there is nothing to start from at {path}",
            remedy=did_you_mean(path.name, near)
            if near
            else "name a run's folder, a .safetensors or .pt file, 'hf:NAME' or 'timm:NAME'",
        )
    return Weights(source=start, state=read_weights(path))


def _of_run(stored: StoredRun, start: str) -> Weights:
    """Return the best weights of a run. One that has not ended has some, or none, and both are said."""
    folder = stored.folder / CHECKPOINTS
    name = next((name for name in ("best", "last") if (folder / f"{name}.json").is_file()), None)
    if name is None:
        ended = "it has not ended" if stored.outcome is None else f"it ended as {stored.outcome.status}"
        raise RunError(
            f"the run {stored.folder} has no weights to start from",
            evidence=f"{ended}, and no checkpoint is in {folder}",
            remedy=f"let it train first: trainwright resume {stored.folder}; or start from another run",
        )
    state, notes = best_weights(stored.folder, stored.outcome, names=(name,))
    return Weights(source=start, state=state, notes=notes)


def _inside(folder: Path, start: str) -> Path:
    """Return the one file of weights in a folder that is no run."""
    if (folder / "config.json").is_file():
        raise UsageError(
            f"{folder} is a folder of Hugging Face", remedy=f"write model.start = '{pretrained.HUGGING_FACE}{start}'"
        )
    files = sorted(path for path in folder.iterdir() if is_weights(path))
    if len(files) == 1:
        return files[0]
    near = find_runs(folder)
    raise UsageError(
        f"{folder} holds no run, and {'no' if not files else 'several'} files of weights",
        evidence=f"there is no {folder / RUN}" if not files else ", ".join(path.name for path in files[:6]),
        remedy=f"name one of its runs, such as {near[0]}"
        if near
        else f"name a run's folder, or one file ({SAFE}, .pt)",
    )


def path_of(start: str, folder: str | None) -> Path:
    """Return the path of a start: beside the recipe where it is there, else as it is written."""
    beside = Path(folder or os.curdir) / Path(start).expanduser()
    return beside if beside.exists() else Path(start).expanduser()


def beside(name: str, folder: str | None) -> str:
    """Return a library's name for a model, by its absolute path where it is a folder here."""
    path = path_of(name, folder)
    return str(path.absolute()) if path.is_dir() else name
