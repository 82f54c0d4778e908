"""Follows a run's metrics by byte offset: what was read is never read again, and the writer never notices."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from trainwright.lab.columns import Column, Numbers
from trainwright.runs.step_columns import parted, read_steps

if TYPE_CHECKING:
    import polars

CHUNK = 1 << 22
"""Bytes that are read at a time: about ten thousand steps."""
LONGEST_TAG = 200
_STEP_FIELDS = ("loss", "rate", "penalty", "gradient_norm", "clipped_norm", "update_ratio", "seconds")
_LAYER_FIELDS = ("mean", "std", "zero_fraction", "dead_fraction", "weight_norm", "gradient_norm", "flat_fraction")
_SYSTEM_FIELDS = ("memory", "device_memory", "processors")
_TAIL = 1024
"""Bytes that must be as they were for a file to count as continued: more than a line, which holds step and loss."""


class Follower:
    """The columns of one `metrics.jsonl`, as far as it was read.

    Tags are "loss", "rate", ... of the steps, "validation/loss", "validation/accuracy", ... of the evaluations, and
    "layer/MODULE/std", ... of the layers, "system/memory", ... of the process. Not safe for several threads at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restart()

    def restart(self) -> None:
        """Forget all: the file is another one than it was."""
        self.columns: dict[str, Column] = {}
        self.kinds: dict[str, str] = {}
        """What each layer is ("Linear"), by its module."""
        self.offset = 0
        self.torn = 0
        """Lines that could not be read."""
        self._tail = b""

    def refresh(self, seconds: float = 0.4) -> float:
        """Read on for about so long, and return which share of the file has been read. Raises `OSError`."""
        deadline = time.monotonic() + seconds
        with open_regular(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            if self.offset and not self._is_continued(file, size):
                self.restart()
            file.seek(self.offset)
            while self.offset < size:
                chunk = file.read(CHUNK)
                whole = chunk.rfind(b"\n") + 1
                if not whole:  # a line that is still being written, or one longer than any that we write
                    if len(chunk) < CHUNK:
                        break
                    whole = len(chunk)
                self._take(chunk[:whole])
                self.offset += whole
                self._tail = (self._tail + chunk[:whole])[-_TAIL:]
                file.seek(self.offset)
                if time.monotonic() > deadline:
                    break
            if not size:
                return 1.0
            return 1.0 if size - self.offset < CHUNK and self._ends(file, size) else self.offset / size

    def identity(self) -> str:
        """Return a hash of the last bytes that were read: whoever keeps the columns can tell whether they still fit."""
        return hashlib.blake2b(self._tail, digest_size=16).hexdigest()

    def restore(self, columns: dict[str, Column], kinds: dict[str, str], offset: int, identity: str) -> bool:
        """Take over columns that were kept, where the file still holds what they were made from."""
        try:
            with open_regular(self.path) as file:
                file.seek(max(offset - _TAIL, 0))
                tail = file.read(min(_TAIL, offset))
        except OSError:
            return False
        if len(tail) < min(_TAIL, offset) or hashlib.blake2b(tail, digest_size=16).hexdigest() != identity:
            return False
        self.columns, self.kinds, self.offset, self._tail = columns, kinds, offset, tail
        return True

    def steps(self) -> Numbers:
        """Return the numbers of the steps, in order."""
        return self.columns["loss"].x if "loss" in self.columns else np.empty(0)

    def _is_continued(self, file: BinaryIO, size: int) -> bool:
        if size < self.offset:
            return False
        file.seek(self.offset - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _ends(self, file: BinaryIO, size: int) -> bool:
        """Say whether nothing but a torn line is left to read."""
        file.seek(self.offset)
        # A file that grows while it is read may be read further than its size was.
        return b"\n" not in file.read(max(size - self.offset, 0))

    def _take(self, text: bytes) -> None:
        steps, others = parted(text)
        frame = read_steps(steps) if steps else None
        if frame is not None:
            self._take_steps(frame)
        elif steps:  # another hand wrote them: line by line, and in their order
            others = text.split(b"\n")
        gathered: dict[str, tuple[list[float], list[float]]] = {}
        for line in filter(None, others):
            try:
                record = json.loads(line)
                if record["record"] == "layer":
                    self.kinds.setdefault(_short(str(record["module"])), str(record.get("kind") or "")[:LONGEST_TAG])
                for tag, step, value in _values(record):
                    xs, ys = gathered.setdefault(tag, ([], []))
                    if xs and step <= xs[-1]:
                        self._extend(tag, xs, ys)
                        xs, ys = gathered[tag] = ([], [])
                    xs.append(step)
                    ys.append(value)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
                self.torn += 1
        for tag, (xs, ys) in gathered.items():
            self._extend(tag, xs, ys)

    def _take_steps(self, frame: polars.DataFrame) -> None:
        steps = frame["step"].to_numpy().astype(float)
        ends = [*(np.flatnonzero(np.diff(steps) <= 0) + 1).tolist(), len(steps)]
        for tag in ("epoch", *_STEP_FIELDS):
            column = frame[tag]
            if column.null_count() == len(column):
                continue
            kept, numbers = column.is_not_null().to_numpy(), column.to_numpy().astype(float)
            for begin, end in zip([0, *ends], ends, strict=False):
                chosen = kept[begin:end]
                self._column(tag).extend(steps[begin:end][chosen], numbers[begin:end][chosen])

    def _extend(self, tag: str, xs: Iterable[float], ys: Iterable[float]) -> None:
        self._column(tag).extend(np.array(list(xs), dtype=float), np.array(list(ys), dtype=float))

    def _column(self, tag: str) -> Column:
        return self.columns.setdefault(tag, Column())


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading where it is a regular one: a link planted in a run's folder would lead out of it."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise


def _values(line: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return (tag, step, value) of all numbers in a line."""
    kind, step = line["record"], float(line["step"])
    if kind == "step":
        pairs = [(name, line.get(name)) for name in ("epoch", *_STEP_FIELDS)]
    elif kind == "eval":
        split = str(line["split"])
        pairs = [(f"{split}/loss", line["loss"])]
        pairs += [(f"{split}/{name}", value) for name, value in dict(line.get("metrics") or {}).items()]
    elif kind == "layer":
        pairs = [(f"layer/{line['module']}/{name}", line.get(name)) for name in _LAYER_FIELDS]
    elif kind == "system":
        pairs = [(f"system/{name}", line.get(name)) for name in _SYSTEM_FIELDS]
    else:
        return []  # a later version's
    return [(_short(tag), step, float(value)) for tag, value in pairs if value is not None]


def _short(tag: str) -> str:
    """Return a tag that fits into an address; the hash keeps two long ones apart."""
    if len(tag) <= LONGEST_TAG:
        return tag
    return f"{tag[:LONGEST_TAG]}…{hashlib.blake2b(tag.encode(errors='replace'), digest_size=4).hexdigest()}"
