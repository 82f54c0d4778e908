"""What lies on the shelf: the runs and studies in some folders, by identifiers that say nothing of their paths."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from trainwright.runs.layout import EVENTS, METRICS, RECIPE, RUN

JOURNAL = "study.jsonl"
DEEPEST = 3
"""Folders below a root that are looked into: studies/NAME/final."""
_MOST = 20_000  # entries of one folder that are looked at
_INSIDE = frozenset({"checkpoints", "arrays", "__pycache__", "node_modules"})
_STRAY = "stray"
_FILES = (RUN, METRICS, EVENTS, RECIPE, JOURNAL)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A run or a study. `signature` changes whenever one of its files does; `written` is when that last happened."""

    id: str
    kind: str  # "run" or "study"
    folder: Path
    name: str
    signature: tuple[tuple[int, int], ...]
    written: float


@dataclass(frozen=True, kw_only=True)
class Root:
    """A folder to look through, and how far down."""

    folder: Path
    deepest: int = DEEPEST


def default_roots(folder: Path) -> tuple[Root, ...]:
    """Return where commands keep runs and studies in a folder by default, and the folder's own runs."""
    return (Root(folder=folder / "runs"), Root(folder=folder / "studies"), Root(folder=folder, deepest=1))


class Shelf:
    """Looks through `roots` again and again. Roots that are missing count as empty: a first run may make them."""

    def __init__(self, roots: tuple[Root, ...]) -> None:
        self.roots = tuple(Root(folder=root.folder.absolute(), deepest=root.deepest) for root in roots)
        self.left_out: tuple[tuple[str, str], ...] = ()
        """Folders that look like runs and are not shown: their names, and why."""
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def scan(self) -> dict[str, Item]:
        """Look again, and return what is there by its identifier."""
        found: dict[str, Item] = {}
        left_out: dict[str, str] = {}
        for root in self.roots:
            for folder, kind in _folders(root.folder, root.deepest):
                odd = f"it has a {METRICS}, but no {RUN}" if kind == _STRAY else _odd(folder)
                item = None if odd else _item(folder, kind, root.folder)
                if item is not None:
                    found.setdefault(item.id, item)
                elif odd:
                    left_out.setdefault(_name(folder, root.folder), odd)
        with self._lock:
            self._items = found
            self.left_out = tuple(left_out.items())
        return found

    def find(self, identifier: str, kind: str) -> Item | None:
        """Return what has this identifier: it is looked up, never made into a path."""
        with self._lock:
            item = self._items.get(identifier)
        if item is None:
            item = self.scan().get(identifier)
        return item if item is not None and item.kind == kind else None

    def again(self, item: Item) -> Item | None:
        """Return an item with its files as they are now, None where its folder is gone."""
        found = _item(item.folder, item.kind, item.folder)
        lost = found is None or all(size < 0 for size, _ in found.signature)
        return None if lost or found is None else replace(found, name=item.name)


def _folders(folder: Path, deeper: int) -> list[tuple[Path, str]]:
    """Return the runs and studies at and below a folder. Links are not followed below a root."""
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry, _ in zip(entries, range(_MOST), strict=False)]
        names = {entry.name for entry in seen}
        below = sorted(
            entry.name
            for entry in seen
            if entry.name not in _INSIDE and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        )
    except OSError:
        return []
    here = [(folder, kind) for name, kind in ((RUN, "run"), (JOURNAL, "study")) if name in names]
    if not here and METRICS in names:
        here = [(folder, _STRAY)]
    if RUN in names or not deeper:
        return here
    return here + [found for name in below for found in _folders(folder / name, deeper - 1)]


def _name(folder: Path, root: Path) -> str:
    return os.path.relpath(folder, root.parent) if folder != root else root.name


def _odd(folder: Path) -> str:
    """Say which file of a run is none: a link leads out of the folder, a pipe would make its reader wait."""
    for name in _FILES:
        try:
            mode = os.lstat(folder / name).st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            what = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no regular file"
            return f"its {name} is {what}"
    return ""


def _item(folder: Path, kind: str, root: Path) -> Item | None:
    signature, written = [], 0.0
    for name in _FILES:
        try:
            facts = os.lstat(folder / name)
        except OSError:
            signature.append((-1, 0))
            continue
        if not stat.S_ISREG(facts.st_mode):
            return None  # a link leads out of the folder, a pipe would make its reader wait
        signature.append((facts.st_size, facts.st_mtime_ns))
        if name != RECIPE:
            written = max(written, facts.st_mtime)
    name = _name(folder, root)
    identity = hashlib.blake2b(os.fsencode(folder), digest_size=8, person=kind.encode()).hexdigest()
    return Item(id=identity, kind=kind, folder=folder, name=name, signature=tuple(signature), written=written)
