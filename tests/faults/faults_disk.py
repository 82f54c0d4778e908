"""Disks that fail: the n-th operation is refused, torn, or ends the process; or the power fails, and they forget."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.runs.durable import Trap, trapped

TRIES: Counter[str] = Counter()
"""Faults that were tried in this process."""


class Ended(BaseException):
    """Stands for the end of the process: nothing in the program may catch it."""


class Refusing:
    """The n-th operation fails with an error of the system, and with `lasting` all that follow, until `again`."""

    def __init__(self, number: int, error: int, *, lasting: bool = False) -> None:
        self.left, self.error, self.lasting = number, error, lasting
        self.fired = 0

    def __call__(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == -1 or (self.left < -1 and self.lasting):
            self.fired += 1
            raise OSError(self.error, os.strerror(self.error), str(arguments[0]))
        return operation(*arguments, **options)


class Ending:
    """The process ends in the n-th operation: before it, or with `torn` in the middle of what it writes."""

    def __init__(self, number: int, *, torn: bool = False) -> None:
        self.left, self.torn = number, torn
        self.fired = 0

    def __call__(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == -1:
            self.fired += 1
            if self.torn and operation.__name__ == "append":
                _, handle, content = arguments
                os.write(handle, content[: len(content) // 2])
            if self.torn and operation.__name__ == "write":
                operation(*arguments)
                arguments[0].write_bytes(arguments[0].read_bytes()[: arguments[0].stat().st_size // 2])
        if self.left <= -1:
            raise Ended
        return operation(*arguments, **options)


@dataclass
class Node:
    """A file or a folder as the system shows it, and as the disk has it."""

    shown: Any
    kept: Any = None


@dataclass
class Recorder:
    """Lets every operation through and remembers it, with the bytes that it left."""

    seen: list[tuple[str, tuple[Path, ...], Any]] = field(default_factory=list)

    def __call__(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        name, path = operation.__name__, arguments[0]
        content = None
        answer = operation(*arguments, **options)
        if name in ("write", "append", "cut"):
            content = path.read_bytes()
        paths = (path, arguments[1]) if name == "move" else (path,)
        self.seen.append((name, paths, content))
        return answer

    def crashes(self, root: Path, into: Path) -> Iterator[tuple[int, str, Path]]:
        """Yield a folder for each moment and each way in which the power may fail: as `root` would look afterwards.

        What was not flushed is gone; names that were not flushed are gone ("names") or are there ("no names").
        """
        for count in range(len(self.seen) + 1):
            disk = _played(self.seen[:count], root)
            for way in ("names lost", "names kept"):
                target = into / f"{count}-{way.replace(' ', '-')}"
                _laid_out(disk, target, lost=way == "names lost")
                TRIES["all"] += 1
                yield count, way, target


def _played(seen: list[tuple[str, tuple[Path, ...], Any]], root: Path) -> Node:
    top = Node(shown={}, kept={})

    def folder_of(path: Path) -> Node:
        node = top
        for part in path.relative_to(root).parts[:-1]:
            node = node.shown.setdefault(part, Node(shown={}, kept={}))
        return node

    for name, paths, content in seen:
        path = paths[0]
        if root not in path.parents and path != root:
            continue
        if path == root:
            if name == "sync":
                top.kept = dict(top.shown)
            continue
        home = folder_of(path)
        if name == "make_folder":
            home.shown.setdefault(path.name, Node(shown={}, kept={}))
        elif name in ("write", "append", "cut"):
            home.shown.setdefault(path.name, Node(shown=b"")).shown = content
        elif name == "sync":
            node = home.shown[path.name]
            node.kept = dict(node.shown) if isinstance(node.shown, dict) else node.shown
        elif name == "move":
            folder_of(paths[1]).shown[paths[1].name] = home.shown.pop(path.name)
        elif name == "remove":
            home.shown.pop(path.name, None)
    return top


def _laid_out(node: Node, target: Path, *, lost: bool) -> None:
    target.mkdir(parents=True)
    for name, part in (node.kept if lost else node.shown).items():
        if isinstance(part.shown, dict):
            _laid_out(part, target / name, lost=lost)
        else:
            (target / name).write_bytes(part.kept or b"")


def swept(make: Callable[[int], Trap], act: Callable[[Trap], None], *, most: int = 2_000) -> Iterator[tuple[int, Any]]:
    """Call `act` with the trap of operation 0, 1, 2, ... until one no longer fires; yield each after it was used."""
    for number in range(most):
        trap = make(number)
        with trapped(trap):
            act(trap)
        TRIES["all"] += 1
        yield number, trap
        if not trap.fired:  # type: ignore[attr-defined]
            return
    raise AssertionError(f"there were more than {most} operations")
