"""Runs a script as `python script.py` would, with the doctor beside it. Nothing here imports torch: the script does.

A script may set its environment before it imports torch, so torch is not touched until then; the watcher attaches
itself the moment that the script's own import is done.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import os
import signal
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from types import TracebackType
from typing import Any

from trainwright.errors import UsageError

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FROZEN = "<frozen "


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is to be run: its code, the module that it becomes, and what `sys.argv[0]` and `sys.path[0]` are to it."""

    module: types.ModuleType
    make_code: Callable[[], Any]
    argument: str
    folder: str


def script_program(script: str) -> Program:
    """Return the program of a file, or of a folder with a `__main__.py`. Raises `UsageError` where there is none."""
    file = os.path.join(script, "__main__.py") if os.path.isdir(script) else script
    if not os.path.isfile(file):
        raise UsageError(
            f"there is no script '{script}'",
            evidence=f"looked for {os.path.abspath(file)}",
            remedy="give the path of a Python file, or -m and the name of a module",
        )
    path = os.path.abspath(file)
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    module = types.ModuleType("__main__")
    module.__file__, module.__loader__, module.__spec__, module.__package__ = path, loader, None, None
    folder = script if os.path.isdir(script) else os.path.dirname(os.path.realpath(path))
    return Program(
        module=module,
        make_code=lambda: loader.source_to_code(loader.get_data(path), path),
        argument=script,
        folder=folder,
    )


def module_program(name: str) -> Program:
    """Return the program of `python -m name`. Raises `UsageError` where there is no such module."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as problem:
        raise UsageError(f"the module '{name}' cannot be found", evidence=str(problem)) from None
    loader = None if spec is None else spec.loader
    if spec is None or not hasattr(loader, "get_code"):
        raise UsageError(
            f"there is no module '{name}' that can be run",
            evidence=f"looked in {os.getcwd()} and in the installed packages",
            remedy="a package needs a __main__.py",
        )
    module = types.ModuleType("__main__")
    module.__file__, module.__loader__, module.__spec__ = spec.origin, loader, spec
    module.__package__ = spec.parent
    return Program(
        module=module,
        make_code=lambda: loader.get_code(spec.name),  # type: ignore[union-attr]
        argument=spec.origin or name,
        folder=os.getcwd(),
    )


class _WhenTorchIsThere(MetaPathFinder):
    """Calls a function once, when an import of torch has been done."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: types.ModuleType) -> None:
            load(module)
            self._then()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def run_program(
    program: Program, arguments: Sequence[str], *, attach: Callable[[], None], finish: Callable[[str], None]
) -> int:
    """Run the program to its end and return its exit status, as the interpreter would have left with it.

    `attach` is called when torch has been imported (or at once, where it is already); `finish` is called once, with how
    the program ended ("finished", "exited", "failed", "interrupted"), before a traceback is shown and before `os._exit`.
    """
    sys.argv = [program.argument, *arguments]
    sys.path[0] = program.folder
    sys.modules["__main__"] = program.module
    vars(program.module)["__builtins__"] = builtins
    if "torch" in sys.modules:
        attach()
    else:
        sys.meta_path.insert(0, _WhenTorchIsThere(attach))
    leave = os._exit
    process = os.getpid()
    finished = False

    def end(how: str) -> None:
        nonlocal finished
        if not finished and os.getpid() == process:
            finished = True
            _flush()
            finish(how)

    def leave_at_once(status: int) -> Any:
        end("exited")
        leave(status)

    os._exit = leave_at_once  # type: ignore[assignment]
    try:
        exec(program.make_code(), vars(program.module))
        end("finished")
        return 0
    except SystemExit as request:
        end("exited")
        return _status(request.code)
    except KeyboardInterrupt as problem:
        _show(problem)
        end("interrupted")
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # leave as the interpreter does: by the signal itself
        os.kill(os.getpid(), signal.SIGINT)
        return 130
    except BaseException as problem:
        _show(problem)
        end("failed")
        return 1
    finally:
        os._exit = leave


def _status(code: Any) -> int:
    """Return the status that `sys.exit(code)` means; anything but a number or None is printed."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def _show(problem: BaseException) -> None:
    """Print a traceback as the interpreter would have, by the program's own hook, without this library's frames."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [problem]
    while queue:
        shown = queue.pop()
        if shown is None or id(shown) in seen:
            continue
        seen.add(id(shown))
        shown.__traceback__ = _own(shown.__traceback__)
        queue += [shown.__cause__, shown.__context__]
    _flush()
    sys.excepthook(type(problem), problem, problem.__traceback__)


def _own(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this library, and of the import system above the program."""
    frames = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_HERE) and not (not frames and file.startswith(_FROZEN)):
            frames.append(trace)
        trace = trace.tb_next
    following: TracebackType | None = None
    for frame in reversed(frames):
        frame.tb_next = following
        following = frame
    return following
