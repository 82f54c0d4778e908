"""The tensors of a chunk on disk: a file that is whole or not there, its hash kept in the journal."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from trainwright.runs.durable import sha256_of, sync
from trainwright.search.arena import State
from trainwright.search.ledger import Key, Saved

FOLDER = "arrays"


def save(folder: Path, key: Key, steps: int, state: State) -> Saved:
    """Write a state beside its place, flush it, move it there, and return what the journal should say of it."""
    target = folder / FOLDER / f"round-{key[0]}-chunk-{key[1]}-step-{steps}-{uuid.uuid4().hex[:8]}.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    # Rows of one array share storage, which safetensors refuses: a copy of each is written.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.tensors.items()}
    save_file(tensors, temporary, metadata={"facts": json.dumps(dict(state.facts))})
    for path in (temporary, target.parent):
        sync(path)
    digest = sha256_of(temporary)
    temporary.replace(target)
    sync(target.parent)
    return Saved(steps=steps, file=f"{FOLDER}/{target.name}", sha256=digest)


def load(folder: Path, saved: Saved) -> State | None:
    """Return the state, or None where the file is gone or damaged: the chunk then starts again from its first step."""
    path = folder / saved.file
    try:
        if sha256_of(path) != saved.sha256:
            return None
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            return State(tensors={name: file.get_tensor(name) for name in file.keys()}, facts=facts)  # noqa: SIM118
    except (OSError, ValueError, SafetensorError):
        return None


def tidy(folder: Path, key: Key, keep: Saved) -> None:
    """Remove the chunk's other files: earlier snapshots, and what a killed writer left."""
    for path in (folder / FOLDER).glob(f"round-{key[0]}-chunk-{key[1]}-step-*"):
        if path.name != Path(keep.file).name:
            path.unlink(missing_ok=True)
