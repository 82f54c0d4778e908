"""The checkpoints that a run can go on from: written as one commit, read back newest first, the damaged ones told."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from trainwright.errors import RunError
from trainwright.runs import durable
from trainwright.runs.small import read_json
from trainwright.tensors import digest
from trainwright.training import checkpoint
from trainwright.training.packing import Tree, pack, tensors_of, unpack

STATE, TENSORS = "state.json", "state.safetensors"
WEIGHTS = "snapshot/weights/"
_NAME = re.compile(r"state-(\d{6,})-step-(\d+)")
_DAMAGED = "damaged-"
_WITHOUT_STRICT = "leave --strict out to go on from the newest one that is whole"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A checkpoint that was found whole. `log` are the bytes of each log when it was made, by file name."""

    path: Path
    step: int
    plain: Any
    facts: Mapping[str, Any]

    @property
    def log(self) -> Mapping[str, int]:
        """The bytes of each log, by file name, that belong to the state."""
        return self.facts["log"]

    def tree(self, device: torch.device) -> Tree:
        """Return the state, tensors of an accelerator on `device`. Raises `RunError` where it cannot be read."""
        try:
            if not (self.path / TENSORS).exists():
                return unpack(self.plain, _parts(self.path), device)
            tensors = load_file(self.path / TENSORS)
            weights = load_file(self.path / checkpoint.MODEL)
            tensors |= {WEIGHTS + name: value for name, value in weights.items()}
            return unpack(self.plain, tensors, device)
        except (OSError, KeyError, ValueError, TypeError, AttributeError, SafetensorError) as problem:
            raise RunError(
                f"the checkpoint {self.path} cannot be read",
                evidence=f"its files are whole, and do not hold what they should: {type(problem).__name__}: {problem}",
                remedy=f"remove {self.path}, and resume from the one before it",
            ) from None


def write(folder: Path, tree: Tree, *, facts: Mapping[str, Any], keep_last: int) -> Path:
    """Write the state of a run as one commit under `folder`, point "latest" to it, and remove all but `keep_last`.

    `facts` go into the manifest. Raises `OSError` where the disk refuses; what was there is then still whole.
    """
    plain, tensors = pack(tree)
    weights = {name.removeprefix(WEIGHTS): value for name, value in tensors.items() if name.startswith(WEIGHTS)}
    others = {name: value for name, value in tensors.items() if not name.startswith(WEIGHTS)}
    durable.make_folder(folder)
    step = tree["place"]["step"]
    facts = {"kind": "training", "step": step, "digest": digest(weights), **facts}
    target = _next(folder, step)
    checkpoint.commit(target, {STATE: json.dumps(plain)}, {checkpoint.MODEL: weights, TENSORS: others}, facts)
    _settle(folder, target, keep_last)
    return target


def commit_parts(folder: Path, part: Path, plain: Any, facts: Mapping[str, Any], keep_last: int) -> Path:
    """Make the state of a run whole whose tensors several ranks have written into the folder `part` of `folder`."""
    target = _next(folder, int(facts["step"]))
    checkpoint.commit(target, {STATE: json.dumps(plain)}, {}, facts, begun=part)
    _settle(folder, target, keep_last)
    return target


def _next(folder: Path, step: int) -> Path:
    number = 1 + max((_number(path) for path in folder.iterdir() if _NAME.search(path.name)), default=0)
    return folder / f"state-{number:06d}-step-{step:08d}"


def _settle(folder: Path, target: Path, keep_last: int) -> None:
    """Point "latest" to a state that has just been made, and remove all but `keep_last`."""
    checkpoint.point(folder, checkpoint.LATEST, target)
    older = [path.name for path in _numbered(folder) if path != target]
    checkpoint.prune(folder, also=frozenset([target.name, *older[: keep_last - 1]]))


def _parts(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that several ranks have written, each as a whole, whatever number of ranks this is."""
    from torch.distributed import checkpoint as engine  # it takes long to import
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    found = engine.HuggingFaceStorageReader(str(path)).read_metadata().state_dict_metadata
    tensors: dict[str, torch.Tensor] = {}
    for name, kept in found.items():
        if isinstance(kept, TensorStorageMetadata):
            tensors[name] = torch.empty(kept.size, dtype=kept.properties.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one process reads
        engine.load(tensors, storage_reader=engine.HuggingFaceStorageReader(str(path)), no_dist=True)
    return tensors


def newest(folder: Path, logs: Path, *, strict: bool = False) -> tuple[Stored | None, list[str]]:
    """Return the newest checkpoint in `folder` that is whole, None where there is none, and what to say of others.

    The damaged are set aside under another name, and not removed. With `strict`, a damaged or missing one raises
    `RunError` instead. One whose logs under `logs` are shorter than when it was made cannot be gone on with; where
    there is no other, `RunError` is raised: to begin again would throw its weights away.
    """
    notes: list[str] = []
    short: list[str] = []
    missing = _missing(folder)
    if missing is not None and strict:
        raise RunError(f"{missing}, the newest checkpoint, is missing", remedy=_WITHOUT_STRICT)
    if missing is not None:
        notes.append(f"{missing}, the newest checkpoint, is missing")
    for path in _numbered(folder):
        try:
            stored = _read(path)
        except (RunError, OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            said = (
                f"the checkpoint {path.name} is damaged: {problem.what if isinstance(problem, RunError) else problem}"
            )
            if strict:
                raise RunError(said, remedy=_WITHOUT_STRICT) from None
            notes.append(said)
            durable.move(path, path.with_name(_DAMAGED + path.name))
            continue
        lost = _lost(stored, logs)
        if lost:
            short.append(f"{path.name}: {lost}")
            continue
        notes += [f"passed over {said}" for said in short]
        if notes:
            notes.append(f"went on from {path.name}, the newest that is whole")
        return stored, notes
    if short:
        weights = folder / short[0].partition(":")[0] / checkpoint.MODEL
        raise RunError(
            "the run's log has lost what its checkpoints belong to",
            evidence="; ".join(short),
            remedy=f"put the log back from a copy; else begin a new run from the weights (model.start = '{weights}'), "
            f"or remove {folder} to train this one from the start",
        )
    return None, notes


def _lost(stored: Stored, logs: Path) -> str:
    """Return which log under `logs` ends before what a checkpoint belongs to; "" where none does."""
    for name, size in stored.log.items():
        there = (logs / name).stat().st_size if (logs / name).exists() else 0
        if there < size:
            return f"{name} ends before it, at {there:,} bytes of {size:,}"
    return ""


def _missing(folder: Path) -> str | None:
    """Return the name of the state that "latest" points to, where neither it nor one set aside is there."""
    try:
        name = read_json(folder / f"{checkpoint.LATEST}.json")["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is a hint, which may be torn
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    return None if (folder / name).exists() or (folder / (_DAMAGED + name)).exists() else name


def named(folder: Path, name: str) -> Stored:
    """Return the checkpoint of that name. Raises `RunError` where it is damaged, or not to be seen from here."""
    if not (folder / name).is_dir():
        raise RunError(
            f"the checkpoint {name} is not to be seen from every process",
            evidence=f"{folder} holds none of that name here",
            remedy="on several machines, keep the run in a folder that all of them share",
        )
    return _read(folder / name)


def not_finite(tree: Tree) -> str:
    """Return what of a state is no number: weights, the optimizer's, or a buffer's; "" where all is well.

    Infinities are left alone in buffers, where masks hold them.
    """
    snapshot = tree["snapshot"]
    moments = [value for value in tensors_of(snapshot["optimizer"]) if value.is_floating_point()]
    if not all(bool(torch.isfinite(value).all()) for value in moments):
        return "the optimizer's state"
    trained = {name for group in snapshot["optimizer"].get("groups", ()) for name in group["names"]}
    for name, value in snapshot["weights"].items():
        if not value.is_floating_point():
            continue
        sound = torch.isfinite(value) if name in trained else ~torch.isnan(value)
        if not bool(sound.all()):
            return name
    return ""


def sound(weights: Mapping[str, torch.Tensor]) -> bool:
    """Say whether no weight and no buffer is NaN."""
    return not any(bool(torch.isnan(value).any()) for value in weights.values() if value.is_floating_point())


def _read(path: Path) -> Stored:
    facts = checkpoint.checked(path)
    if facts.get("kind") != "training":
        raise RunError(f"{path / checkpoint.MANIFEST} is not that of a training's state")
    plain = read_json(path / STATE)
    return Stored(path=path, step=int(facts["step"]), plain=plain, facts=facts)


def _numbered(folder: Path) -> list[Path]:
    """Return the states in `folder`, the newest first, whatever "latest" points to: it is a hint."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_number, reverse=True)


def _number(path: Path) -> int:
    found = _NAME.search(path.name)
    assert found is not None
    return int(found[1])
