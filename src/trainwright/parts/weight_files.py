"""Weights from a file: safetensors, or torch's own format read as weights alone. Nothing in a file is ever run."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from trainwright.errors import RunError, UsageError, did_you_mean
from trainwright.parts.weight_archive import check_archive

TORCH = (".pt", ".pth", ".bin", ".ckpt")
SAFE = ".safetensors"
_INSIDE = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
"""Where training programs put the weights among the rest of a checkpoint."""
_MALFORMED = (
    *(OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(AssertionError, struct.error, RecursionError, MemoryError, OverflowError),
)
"""What torch raises on a pickle that is torn, or made to confuse it."""


def is_weights(path: Path) -> bool:
    """Say whether a file is named like weights."""
    return path.suffix.lower() in (SAFE, *TORCH)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by their names, on the CPU.

    Of a checkpoint that holds more than weights ("state_dict", "optimizer", ...), the weights.

    Raises `RunError` where the file cannot be read, is damaged, or names classes: to make those, a file would have to
    run code, and it is refused. Raises `UsageError` for a file that is no weights, and where there is none.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no regular file", remedy="name a run's folder, a .safetensors or a .pt file")
    if not path.is_file():
        near = (
            sorted(other.name for other in path.parent.iterdir() if is_weights(other)) if path.parent.is_dir() else []
        )
        raise UsageError(
            f"there is no file of weights {path}",
            remedy=did_you_mean(path.name, near) if near else "name a run's folder, a .safetensors or a .pt file",
        )
    if path.suffix.lower() == SAFE:
        try:
            return load_file(path)
        except (OSError, SafetensorError, ValueError) as problem:
            raise _damaged(path, problem) from None
    if not is_weights(path):
        raise UsageError(
            f"{path} is no file of weights",
            evidence=f"its name ends in '{path.suffix}'" if path.suffix else "its name has no ending",
            remedy=f"weights end in {SAFE}, or, as torch saves them, in {', '.join(TORCH)}",
        )
    content, sizes = _read_torch(path)
    state = _tensors(content, path)
    if sizes is not None:
        _check_sizes(state, sizes, path)
    return state


def _read_torch(path: Path) -> tuple[Any, list[int] | None]:
    """Return what a file of torch holds, and the bytes of its tensors where it is an archive."""
    try:
        # Mapped, since torch believes the sizes in an archive's names: of a mapping, no byte beyond the file is read.
        sizes = check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=sizes is not None), sizes
    except pickle.UnpicklingError as problem:
        named = re.search(r"(?:GLOBAL|global|class|function)[: `']+([A-Za-z_][\w.]*\.[\w.]+)", str(problem))
        if named is None:
            raise _damaged(path, problem) from None
        raise RunError(
            f"{path} holds more than weights, and is not read",
            evidence=f"it names {named[1]}: to read it would be to run code that the file chooses",
            remedy="where you trust it, save its weights alone: torch.save(model.state_dict(), FILE)",
        ) from None
    except _MALFORMED as problem:
        raise _damaged(path, problem) from None


def _check_sizes(state: Mapping[str, torch.Tensor], sizes: list[int], path: Path) -> None:
    """Raise `RunError` where tensors claim more, or other, bytes than the archive holds for them."""
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in state.values()}
    wrong = Counter(size for size in storages.values() if size) - Counter(sizes)
    if wrong:
        raise RunError(
            f"{path} is damaged: a tensor claims to be of another size than its bytes in the archive",
            evidence=f"{next(iter(wrong)):,} bytes are claimed; the archive has {', '.join(map(str, sizes[:8]))}",
            remedy="copy or download it again, or start from another checkpoint",
        )


def _damaged(path: Path, problem: Exception) -> RunError:
    words = str(problem).strip().splitlines()
    return RunError(
        f"the weights in {path} cannot be read: the file is damaged, or no weights",
        evidence=f"{type(problem).__name__}: {words[0] if words else 'the file ends early'}",
        remedy="copy or download it again, or start from another checkpoint",
    )


def _tensors(content: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of what a file holds: all of it, or one of its entries."""
    found = _state(content)
    if found is not None:
        return found
    inside = {str(key): state for key, value in _entries(content) if (state := _state(value)) is not None}
    chosen = next((name for name in _INSIDE if name in inside), None)
    if chosen is None and len(inside) == 1:
        chosen = next(iter(inside))
    if chosen is not None:
        return inside[chosen]
    held = ", ".join(str(key) for key, _ in list(_entries(content))[:8]) or f"a {type(content).__name__}"
    raise UsageError(
        f"{path} holds no weights",
        evidence=f"it holds {held}",
        remedy="save them by name: torch.save(model.state_dict(), FILE)",
    )


def _entries(content: Any) -> list[tuple[Any, Any]]:
    return list(content.items()) if isinstance(content, Mapping) else []


def _state(content: Any) -> dict[str, torch.Tensor] | None:
    """Return the tensors of a state dict (entries that are none are left out), None for what is no such thing."""
    entries = _entries(content)
    tensors = {str(key): value for key, value in entries if isinstance(value, torch.Tensor)}
    plain = all(isinstance(key, str) for key, _ in entries) and len(tensors) > 0.5 * len(entries)
    return tensors if plain and tensors else None
