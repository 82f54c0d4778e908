"""Weights on disk: a folder that is whole or not there, and pointers to the best and the last.

Written beside, flushed, then renamed, so that a kill at any moment leaves the old state or the new one. The pointer
moves last, and only then are folders removed that nothing points to. safetensors and JSON; no pickle anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from trainwright.errors import RunError
from trainwright.runs.durable import sha256_of, sync
from trainwright.tensors import digest

_WEIGHTS = "model.safetensors"
_MANIFEST = "manifest.json"


def save(folder: Path, name: str, state: Mapping[str, torch.Tensor], *, step: int, facts: Mapping[str, Any]) -> Path:
    """Write `state` as a checkpoint of `step` under `folder`, and point `name` ("best", "last") to it.

    `facts` go into the manifest beside the hashes. Returns the checkpoint's folder. Raises `RunError` where the disk
    refuses; what was there before is then still whole.
    """
    try:
        return _save(folder, name, state, step, facts)
    except OSError as problem:
        raise RunError(
            f"the checkpoint of step {step} could not be written",
            evidence=str(problem),
            remedy="free space or choose another folder; earlier checkpoints are untouched",
        ) from None


def _save(folder: Path, name: str, state: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = digest(state)
    target = folder / f"step-{step:08d}-{content[:8]}"
    if not target.exists():
        temporary = folder / f"tmp-{step}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        # Tied weights share storage, which safetensors refuses: a copy of each is written.
        save_file(
            {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}, temporary / _WEIGHTS
        )
        sync(temporary / _WEIGHTS)
        manifest = {
            "schema": 1,
            "step": step,
            "digest": content,
            "files": {
                _WEIGHTS: {"bytes": (temporary / _WEIGHTS).stat().st_size, "sha256": sha256_of(temporary / _WEIGHTS)}
            },
            "torch": torch.__version__,
            **facts,
        }
        _write(temporary / _MANIFEST, json.dumps(manifest, indent=1))
        sync(temporary)
        temporary.rename(target)
        sync(folder)
    pointer = folder / f"tmp-{name}-{uuid.uuid4().hex[:8]}"
    _write(pointer, json.dumps({"checkpoint": target.name}))
    pointer.replace(folder / f"{name}.json")
    sync(folder)
    _prune(folder)
    return target


def load(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the manifest of the checkpoint that `name` points to, after checking every hash.

    Raises `RunError` where it is missing, truncated, or a bit of it has flipped.
    """
    try:
        target = folder / Path(json.loads((folder / f"{name}.json").read_text())["checkpoint"]).name
        manifest = json.loads((target / _MANIFEST).read_text())
        for file, expected in manifest["files"].items():
            if sha256_of(target / Path(file).name) != expected["sha256"]:
                raise RunError(
                    f"the checkpoint '{name}' is damaged",
                    evidence=f"{target / file} does not have the SHA-256 that its manifest states",
                    remedy="use another checkpoint, or train again from the run's recipe.toml",
                )
        return load_file(target / _WEIGHTS), manifest
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as problem:
        raise RunError(
            f"the checkpoint '{name}' cannot be read",
            evidence=f"{folder}: {problem}",
            remedy="use another checkpoint, or train again from the run's recipe.toml",
        ) from None


def _prune(folder: Path) -> None:
    """Remove what nothing points to: earlier bests, and what a killed writer left behind."""
    kept = {json.loads(pointer.read_text())["checkpoint"] for pointer in folder.glob("*.json")}
    for path in folder.iterdir():
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name.startswith("tmp-"):
            path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
