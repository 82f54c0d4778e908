"""Keeps the watcher out of what the program shows: tracebacks, and the places that warnings name.

Frames of this folder are left out of tracebacks, whoever prints them, and so is the one that torch adds to the call of
each module while a global hook stands.
"""

from __future__ import annotations

import dis
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, TracebackType
from typing import Any

import torch
from torch.nn.modules import module as torch_module

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_SKIPPED = "importlib._bootstrap"
"""`warnings` counts no frame of a file whose name holds both words, which is meant for the import system."""
_INNER = "Module._call_impl.<locals>.inner"
_DIRECT = "return forward_call(*args, **kwargs)"
_HOOKS = ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks")


def hide_calls(owner: type) -> None:
    """Let the functions that `owner`'s methods make count for nothing where a warning looks for its caller."""
    for function in vars(owner).values():
        if isinstance(function, FunctionType):
            function.__code__ = _skipped(function.__code__)


def _skipped(code: CodeType) -> CodeType:
    inside = tuple(_skipped(part) if isinstance(part, CodeType) else part for part in code.co_consts)
    return code.replace(co_filename=f"{code.co_filename}:{_SKIPPED}", co_consts=inside)


def hide_frames() -> None:
    """Leave the watcher's frames out of every traceback that is shown from now on."""
    for name in ("walk_tb", "_walk_tb_with_full_positions"):
        original = getattr(traceback, name, None)
        if original is not None:
            setattr(traceback, name, _walking(original))
    if sys.version_info < (3, 13):  # which shows tracebacks without asking `traceback`
        sys.excepthook = sys.__excepthook__ = _showing(sys.__excepthook__, sys.excepthook)
        default = threading.excepthook

        def show_in_thread(arguments: Any, /) -> Any:
            _clean(arguments.exc_value)
            kept = own_frames(arguments.exc_traceback)
            return default(threading.ExceptHookArgs((arguments[0], arguments[1], kept, arguments[3])))

        if default is threading.__excepthook__:
            threading.excepthook = show_in_thread


def own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback as it would be without a watcher. The one that is given stays as it is."""
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    direct = False
    for entry in reversed(entries):
        code = entry.tb_frame.f_code
        if code.co_filename.startswith(_HERE):
            continue
        if code.co_qualname == _INNER and _only_watched(entry.tb_frame.f_locals.get("self")):
            direct = True
            continue
        last, line = entry.tb_lasti, entry.tb_lineno
        if direct and code.co_name == "_call_impl":
            last, line = _direct_call(code) or (last, line)
            direct = False
        kept = TracebackType(kept, entry.tb_frame, last, line)
    return kept


def _walking(original: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    def walk(tb: TracebackType | None) -> Iterator[Any]:
        return original(own_frames(tb))

    walk.__name__, walk.__doc__ = original.__name__, original.__doc__
    return walk


def _showing(default: Callable[..., Any], current: Callable[..., Any]) -> Callable[..., Any]:
    def excepthook(kind: Any, value: Any, trace: Any, /) -> Any:
        _clean(value)
        return default(kind, value, own_frames(trace))

    return excepthook if current is default else current


def _clean(problem: BaseException | None) -> None:
    """Clean the tracebacks of an exception, of those that it came from, and of those in its group."""
    seen: set[int] = set()
    queue = [problem]
    while queue:
        shown = queue.pop()
        if shown is None or id(shown) in seen:
            continue
        seen.add(id(shown))
        shown.__traceback__ = own_frames(shown.__traceback__)
        queue += [shown.__cause__, shown.__context__, *getattr(shown, "exceptions", ())]


def _only_watched(module: Any) -> bool:
    """Say whether a module's call has hooks for no other reason than that it is watched."""
    if not isinstance(module, torch.nn.Module) or any(getattr(module, name, None) for name in _HOOKS):
        return False
    hooks = [hook for name in _HOOKS for hook in getattr(torch_module, f"_global{name}").values()]
    return all(getattr(hook, "__module__", "").startswith(f"{__package__}.") for hook in hooks)


def _direct_call(code: CodeType) -> tuple[int, int] | None:
    """Return the instruction and the line at which torch calls `forward` where there are no hooks."""
    numbers = sorted({line for _, _, line in code.co_lines() if line is not None})
    for number in numbers:
        if linecache.getline(code.co_filename, number).strip() == _DIRECT:
            calls = [
                step.offset
                for step in dis.get_instructions(code)
                if step.positions is not None and step.positions.lineno == number and step.opname.startswith("CALL")
            ]
            return (calls[-1], number) if calls else None
    return None
