"""Runs a program in an interpreter of its own, in which something of ours waits for it to import torch.

The program is started by `python` itself, so that `__main__`, `sys.argv`, `sys.path`, tracebacks, signals, warnings and
the order of what runs at exit are python's own doing. Nothing here imports torch: a program may set its environment
first.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import IO, Any

from trainwright.errors import UsageError

ORDER = "TRAINWRIGHT_RUN"
"""The variable that brings an order to the new interpreter, which takes it out before the program begins."""
_PATH = "PYTHONPATH"
_BETWEEN = "\x1f"


def start(
    command: Sequence[str], order: Mapping[str, str], *, startup: str, replace: bool, log: IO[bytes] | None = None
) -> int:
    """Run `python COMMAND` with the `sitecustomize.py` of the folder `startup`, and return its exit status.

    With `replace` it takes the place of this process, as a shell's `exec` does: signals, terminal and process number
    stay the program's, and nothing is returned. With `log` all that it prints goes there, and it has nothing to read.
    Raises `UsageError` where the interpreter was told to heed no environment.
    """
    if sys.flags.ignore_environment or sys.flags.no_site or not sys.executable:
        raise UsageError(
            "a program cannot be watched from an interpreter that heeds no environment",
            evidence="python was started with -I, -E or -S",
            remedy="leave these options out, or put `with tw.watch():` into the program",
        )
    sent = dict(order)
    if _PATH in os.environ:
        sent[_PATH] = os.environ[_PATH]
    path = os.pathsep.join([startup, *filter(None, [os.environ.get(_PATH)])])
    written = _BETWEEN.join(f"{name}={value}" for name, value in sent.items())
    environment = {**os.environ, _PATH: path, ORDER: written}
    whole = [sys.executable, *_interpreter_options(own=replace), *command]
    if replace and os.name == "posix":
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os.execve(sys.executable, whole, environment)
    if log is None:
        done = subprocess.run(whole, env=environment, check=False).returncode
    else:
        done = subprocess.run(
            whole, env=environment, check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    return done if done >= 0 else 128 - done  # ended by a signal, as a shell counts it


def take_order(startup: str) -> dict[str, str] | None:
    """Return the order that this interpreter was started with, None where there is none; leave no trace of it."""
    written = os.environ.pop(ORDER, None)
    if written is None:
        return None
    order = dict(part.split("=", 1) for part in written.split(_BETWEEN))
    before = order.pop(_PATH, None)
    if before is None:
        os.environ.pop(_PATH, None)
    else:
        os.environ[_PATH] = before
    sys.path[:] = [folder for folder in sys.path if folder != startup]
    sys.path_importer_cache.pop(startup, None)
    return order


def beside(attach: Callable[[], None], finish: Callable[[str], int | None]) -> None:
    """Call `attach` when torch has been imported, and `finish` when the program is over, after all else of it.

    `finish` is told how it ended ("finished", "failed", "interrupted", "exited" by `os._exit`, "not started") and may
    return a status to leave with instead. Only in this process: what it forks is on its own.
    """
    sys.meta_path.insert(0, _WhenTorchIsThere(attach))
    process, leave = os.getpid(), os._exit
    over = False

    def end(how: str) -> int | None:
        nonlocal over
        if over or os.getpid() != process:
            return None
        over = True
        _flush()
        return finish(how)

    def leave_at_once(status: int) -> Any:
        instead = None
        try:
            instead = end("exited")
        finally:
            leave(status if instead is None or status else instead)

    def at_end() -> None:
        how = _how_it_ended()
        instead = end(how)
        if instead is not None and how != "failed":  # a program that failed has its own status
            _flush()
            leave(instead)

    os._exit = leave_at_once  # type: ignore[assignment]
    atexit.register(at_end)  # the first to be registered is the last to be called


class _WhenTorchIsThere(MetaPathFinder):
    """Calls a function once, when an import of torch has been done."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        loader = None if spec is None else spec.loader
        if loader is None:
            return spec
        load, then = loader.exec_module, self._then

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            load(module)
            then()

        # An import that fails shows no frames of the import system; this is to count as one of them.
        exec_module.__code__ = exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _how_it_ended() -> str:
    problem = getattr(sys, "last_value", None)  # set where a traceback was shown
    if problem is not None:
        return "interrupted" if isinstance(problem, KeyboardInterrupt) else "failed"
    loader = getattr(sys.modules.get("__main__"), "__loader__", None)
    begun = loader is None or getattr(loader, "__name__", "") != "BuiltinImporter"
    return "finished" if begun else "not started"


def _interpreter_options(*, own: bool) -> list[str]:
    """Return the options that this interpreter was started with: `-X dev`, `-W error`.

    `own` says that its command line is the one that asked for the program. Else Python's own guess is taken, which
    counts what the environment asks for twice.
    """
    words, rest = sys.orig_argv, len(sys.argv) - 1
    if not own or words[len(words) - rest :] != sys.argv[1:]:
        return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    head = words[1 : len(words) - rest]
    name = head.pop() if head else ""
    if not name.startswith("-m") and head and head[-1].startswith("-") and head[-1].endswith("m"):
        head[-1:] = [] if head[-1] == "-m" else [head[-1][:-1]]  # -m trainwright, or -um trainwright
    return head


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
