"""The weights that a run kept, in the order of their steps: of the best, of the last, and of the states between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from trainwright.errors import RunError
from trainwright.runs.layout import CHECKPOINTS
from trainwright.training import checkpoint

LARGEST = 1 << 30
"""Bytes of one checkpoint above which it is not read for a page."""
_POINTERS = ("best", "last")

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The weights after `step` updates. `name` is "best", "last", both, or "step 10"."""

    name: str
    step: int
    weights: Weights


def kept_weights(folder: Path) -> list[Kept]:
    """Return the weights in a run's folder, each once, by their steps; what is damaged or being removed is left out."""
    place = folder / CHECKPOINTS
    pointers = {name: _pointed(place / f"{name}.json") for name in _POINTERS}
    found: dict[str, Kept] = {}
    for path in _folders(place):
        try:
            if (path / checkpoint.MODEL).stat().st_size > LARGEST:
                continue
            facts = checkpoint.checked(path)
            digest, step = str(facts["digest"]), int(facts["step"])
            named = [name for name, target in pointers.items() if target == path.name]
            if digest in found and not named:
                continue
            weights = found[digest].weights if digest in found else load_file(path / checkpoint.MODEL)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, RunError):
            continue
        found[digest] = Kept(name=" and ".join(named) or f"step {step}", step=step, weights=weights)
    return sorted(found.values(), key=lambda each: (each.step, each.name == "last"))


def _folders(place: Path) -> Iterator[Path]:
    """Yield the checkpoints, the named ones last, so that of two with the same weights the name stays."""
    for pattern in ("state-*", "step-*"):
        yield from (path for path in sorted(place.glob(pattern)) if path.is_dir() and not path.is_symlink())


def _pointed(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
