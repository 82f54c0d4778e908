"""Whether calling a model leaves a mark on it, beside its buffers: a counter, a list that grows, a cache that fills."""

from __future__ import annotations

import io
import pickle
import types
from collections import deque
from typing import Any

import torch
from torch import nn

_BYTES = 1 << 20
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type, types.ModuleType)


class _Outline(pickle.Pickler):
    """Writes tensors by identity and version: nothing is copied, and a change in place shows."""

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, torch.Tensor):
            return "tensor", id(obj), obj._version
        if isinstance(obj, (nn.Module, *_FUNCTIONS)):
            return "module", id(obj)
        return None


class Marks:
    """The plain attributes of a model's modules, as they are now."""

    def __init__(self, root: nn.Module) -> None:
        self._kept: list[tuple[nn.Module, str, Any, Any, bytes | None]] = []
        for module in root.modules():
            for name, value in vars(module).items():
                if not name.startswith("_") and name != "training" and not isinstance(value, _FUNCTIONS):
                    self._kept.append((module, name, value, _copied(value), _outline(value)))

    def undo(self) -> bool:
        """Put back what has changed; say whether anything had, or could not be compared."""
        marked = False
        for module, name, value, copied, outline in self._kept:
            now = vars(module).get(name)
            if now is value and outline is not None and _outline(value) == outline:
                continue
            marked = True
            vars(module)[name] = value
            _restore(value, copied)
        return marked


def _outline(value: Any) -> bytes | None:
    """Return what a value consists of, None where that cannot be written down."""
    written = io.BytesIO()
    try:
        _Outline(written).dump(value)
    except Exception:  # whatever a foreign object does when it is pickled
        return None
    return written.getvalue() if written.tell() <= _BYTES else None


def _copied(value: Any) -> Any:
    """Return a shallow copy of what a container or a plain object holds."""
    if isinstance(value, list | dict | set | deque):
        return value.copy()
    return dict(vars(value)) if hasattr(value, "__dict__") and not isinstance(value, nn.Module) else None


def _restore(value: Any, copied: Any) -> None:
    if isinstance(value, list):
        value[:] = copied
    elif isinstance(value, dict | set | deque):
        value.clear()
        value.update(copied) if not isinstance(value, deque) else value.extend(copied)
    elif copied is not None:
        vars(value).clear()
        vars(value).update(copied)
