"""Importing a module of the user's own: from the right folder, and with an error that names the user's line."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from trainwright.errors import ModelError, TrainwrightError, UsageError, did_you_mean

_INSTALLED = ("site-packages", "dist-packages")
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextmanager
def importable(folders: Sequence[str]) -> Iterator[None]:
    """Let Python import from `folders`, before all other places, for the block."""
    sys.path[:0] = folders
    importlib.invalidate_caches()  # a file written a moment ago is not in Python's list of the folder
    try:
        yield
    finally:
        for folder in folders:
            with suppress(ValueError):  # the user's own code may have changed the path
                sys.path.remove(folder)


def import_module(name: str, folders: Sequence[str]) -> ModuleType:
    """Import the module `name`, as an import statement would, while `folders` are `importable`.

    Raises `UsageError` where there is no such module, or where it has the name of one of Python's own, and `ModelError`
    with file and line where importing it fails.
    """
    if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
        stem = os.path.splitext(os.path.basename(name))[0]
        raise UsageError(
            f"'{name}' is not the name of a module",
            evidence="an import statement could not name it",
            remedy=f"write it as package.module:factory, such as '{stem if stem.isidentifier() else 'net'}:build'",
        )
    _make_way(name.partition(".")[0], folders)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        missing = problem.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise _import_failed(name, problem, folders) from problem
        parent = sys.modules.get(missing.rpartition(".")[0])
        places = list(getattr(parent, "__path__", [])) if "." in missing else list(folders)
        beside = [found.name for found in pkgutil.iter_modules(places)]
        raise UsageError(
            f"there is no module '{missing}'",
            evidence=f"looked in {' and '.join(places) or missing.rpartition('.')[0]}"
            + ("" if "." in missing else ", and where Python finds its packages"),
            remedy=did_you_mean(missing.rpartition(".")[2], beside) if beside else "write the module there",
        ) from None
    except TrainwrightError:
        raise
    except (Exception, SystemExit) as problem:
        raise _import_failed(name, problem, folders) from problem


def told(problem: BaseException, folders: Sequence[str]) -> str:
    """Return an exception in a line: the user's own line that it came from, its kind, and its words."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{problem.filename}:{problem.lineno}: {type(problem).__name__}: {problem.msg}"
    words = str(problem).strip().splitlines()
    text = f"{type(problem).__name__}: {words[0]}" if words else type(problem).__name__
    files = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(problem.__traceback__)]
    foreign = [(file, line) for file, line in files if os.path.isfile(file) and not _inside(file, [_PACKAGE])]
    own = [(file, line) for file, line in foreign if _inside(file, folders) and not _is_installed(file)]
    for file, line in (own or foreign)[-1:]:
        return f"{file}:{line}: {text}"
    return text


def _import_failed(name: str, problem: BaseException, folders: Sequence[str]) -> ModelError:
    return ModelError(
        f"the module '{name}' cannot be imported",
        evidence=told(problem, folders),
        remedy=f"mend it until this works: python -c 'import {name}'",
    )


def _make_way(top: str, folders: Sequence[str]) -> None:
    """Forget a module `top` that came from another folder for an earlier recipe; refuse to hide one of Python's own."""
    found, loaded = PathFinder.find_spec(top), sys.modules.get(top)
    known = loaded.__spec__ if loaded is not None else None
    if found is None or (loaded is not None and known is None):
        return
    here, there = _places(found), _places(known)
    # A package without a file of its own may have parts in several folders: those that are loaded may be the old ones.
    if (here == there and found.has_location) or not any(_inside(place, folders) for place in here):
        return
    if top in sys.stdlib_module_names or any(map(_is_installed, there)):
        raise UsageError(
            f"the module '{top}' has the name of one that Python already uses",
            evidence=f"{here[0]} would hide {there[0] if there else 'a module of the standard library'}",
            remedy="give the file another name",
        )
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]


def _places(spec: ModuleSpec | None) -> list[str]:
    """Return where a module comes from: its file, or the folders of a package that has none."""
    if spec is None:
        return []
    if spec.has_location and spec.origin:
        return [os.path.realpath(spec.origin)]
    return [os.path.realpath(place) for place in spec.submodule_search_locations or ()]


def _inside(file: str, folders: Sequence[str]) -> bool:
    return any(os.path.realpath(file).startswith(os.path.realpath(folder) + os.sep) for folder in folders)


def _is_installed(file: str) -> bool:
    return any(part in file.split(os.sep) for part in _INSTALLED)
