"""Checkpoints on disk: folders that are whole or not there, and pointers to the best, the last and the latest.

Written beside, flushed, then renamed, so that a kill at any moment leaves the old state or the new one. The pointer
moves last, and only then are folders removed that nothing points to. safetensors and JSON; no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from trainwright.errors import RunError
from trainwright.runs import durable
from trainwright.runs.small import read_json
from trainwright.tensors import digest

MODEL, MANIFEST, LATEST = "model.safetensors", "manifest.json", "latest"
_MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError)
"""What a file that is missing, torn or no checkpoint may raise."""


def save(folder: Path, name: str, state: Mapping[str, torch.Tensor], *, step: int, facts: Mapping[str, Any]) -> Path:
    """Write `state` as a checkpoint of `step` under `folder`, and point `name` ("best", "last") to it.

    `facts` go into the manifest beside the hashes. Returns the checkpoint's folder. Raises `RunError` where the disk
    refuses; what was there before is then still whole.
    """
    try:
        return put(folder, name, state, step=step, facts=facts)
    except OSError as problem:
        raise RunError(
            f"the checkpoint of step {step} could not be written",
            evidence=str(problem),
            remedy="free space or choose another folder; earlier checkpoints are untouched",
        ) from None


def put(folder: Path, name: str, state: Mapping[str, torch.Tensor], *, step: int, facts: Mapping[str, Any]) -> Path:
    """Do what `save` does, but leave an `OSError` of the disk as it is: to try again, or to tell in its own way."""
    content = digest(state)
    target = folder / f"step-{step:08d}-{content[:8]}"
    if not target.exists():
        commit(target, {}, {MODEL: state}, {"step": step, "digest": content, **facts})
    point(folder, name, target)
    prune(folder, also=frozenset(path.name for path in folder.glob("state-*")))
    return target


def load(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the manifest of the checkpoint that `name` points to, after checking every hash.

    Raises `RunError` where it is missing, truncated, or a bit of it has flipped.
    """
    try:
        target = folder / Path(read_json(folder / f"{name}.json")["checkpoint"]).name
        manifest = checked(target)
        return load_file(target / MODEL), manifest
    except RunError as problem:
        remedy = "use another checkpoint, or train again from the run's recipe.toml"
        raise RunError(f"the checkpoint '{name}' is damaged", evidence=problem.what, remedy=remedy) from None
    except _MALFORMED as problem:
        raise RunError(
            f"the checkpoint '{name}' cannot be read",
            evidence=f"{folder}: {problem}",
            remedy="use another checkpoint, or train again from the run's recipe.toml",
        ) from None


def commit(
    target: Path,
    texts: Mapping[str, str],
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    facts: Mapping[str, Any],
    *,
    begun: Path | None = None,
) -> None:
    """Make the folder `target`, whole or not at all: files of text, files of tensors, and the manifest of all of them.

    What is in the folder `begun`, made by `durable.temporary_beside`, is taken over; that folder becomes the target.
    Raises `OSError` where the disk refuses; what was written until then is removed.
    """
    durable.make_folder(target.parent)
    temporary = durable.temporary_beside(target) if begun is None else begun
    try:
        there = [] if begun is None else sorted(path.name for path in begun.iterdir())
        for file in there:
            durable.sync(temporary / file)
        if begun is None:
            durable.make_folder(temporary)
        for file, text in texts.items():
            durable.write_synced(temporary / file, text.encode())
        for file, named in tensors.items():
            durable.write_synced(temporary / file, lambda path, named=named: _write_tensors(named, path))
        names = [*there, *texts, *tensors]
        files = {
            name: {"bytes": (temporary / name).stat().st_size, "sha256": durable.sha256_of(temporary / name)}
            for name in names
        }
        manifest = {"schema": 1, "files": files, "torch": torch.__version__, **facts}
        sealed = json.dumps({**manifest, "seal": _seal(manifest)}, indent=1)
        durable.write_synced(temporary / MANIFEST, sealed.encode())
        durable.sync(temporary)
        durable.move(temporary, target)
    except OSError:
        durable.remove(temporary)
        raise
    durable.sync(target.parent)


def point(folder: Path, name: str, target: Path) -> None:
    """Let `name` point to the checkpoint `target` of `folder`."""
    durable.replace(folder / f"{name}.json", json.dumps({"checkpoint": target.name}))


def checked(target: Path) -> dict[str, Any]:
    """Return the manifest of the checkpoint in `target` after checking it and every file of it.

    Raises `RunError` with the file that is not what it was, and `OSError`, `ValueError`, `KeyError` or `TypeError`
    where the manifest cannot be read at all.
    """
    manifest = read_json(target / MANIFEST)
    for file, expected in manifest["files"].items():
        place = target / Path(file).name
        size = place.stat().st_size
        if expected.get("bytes", size) != size:  # told at once, however large it has become
            raise RunError(f"{target / file} has {size:,} bytes, and its manifest states {expected['bytes']}")
        if durable.sha256_of(place) != expected["sha256"]:
            raise RunError(f"{target / file} does not have the SHA-256 that its manifest states")
    seal = manifest.pop("seal", None)
    if seal is not None and seal != _seal(manifest):  # those of earlier versions have none
        raise RunError(f"{target / MANIFEST} is not as it was written")
    return manifest


def prune(folder: Path, *, also: frozenset[str] = frozenset()) -> None:
    """Remove what nothing points to and `also` does not name: earlier checkpoints, and what a killed writer left."""
    kept = set(also)
    for pointer in folder.glob("*.json"):
        try:
            kept.add(read_json(pointer)["checkpoint"])
        except _MALFORMED:
            return  # nobody knows what a torn pointer pointed to
    for path in folder.iterdir():
        made_here = path.name.startswith(("step-", "state-", durable.TEMPORARY))
        if made_here and path.name not in kept:
            durable.remove(path)


def _write_tensors(named: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors, each as one of its own: safetensors refuses those that share memory, as tied weights do."""
    own: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in named.items():
        tensor = value.detach().cpu().contiguous()  # syncs an accelerator
        storage = tensor.untyped_storage()
        shared = storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes
        own[name] = tensor.clone() if shared else tensor
        seen.add(storage.data_ptr())
    try:
        save_file(own, path)
    except SafetensorError as problem:  # its library tells the disk's refusals as errors of its own
        number = re.search(r"os error (\d+)", str(problem))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def _seal(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
