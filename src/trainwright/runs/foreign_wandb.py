"""Offline runs of Weights & Biases: a log of protobuf records in blocks, or the JSON files beside it.

The file is LevelDB's log: a head of 7 bytes, then blocks of 32 KiB of pieces, each with its CRC-32, its length and its
type (whole, first, middle, last). Fields of Record: 2 history, 5 config, 17 run; of HistoryRecord: 1 item; of an item:
1 key, 2 nested key, 4 to 7 plain values, 16 a value as JSON. Source: wandb/proto/wandb_internal.proto.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainwright.records import Setting
from trainwright.runs.foreign_json import read_json
from trainwright.runs.foreign_table import Table, content, flattened, json_of, number_of, unreadable
from trainwright.runs.foreign_wire import fields, signed, text

MARK = b":W&B"
_BLOCK, _FILE_HEAD, _PIECE_HEAD = 32768, 7, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_HISTORY, _CONFIG, _RUN, _RUN_CONFIG = 2, 5, 17, 4


def read_wandb(path: Path) -> Table:
    """Read a `run-*.wandb` file. Raises `RunError` where it is none, or no number was logged."""
    found = content(path)
    if not found.startswith(MARK):
        raise unreadable(path, "it does not begin as a log of W&B does", remedy="was the file cut at its start?")
    notes: list[str] = []
    rows: list[dict[str, float]] = []
    settings: dict[str, Setting] = {}
    odd = 0
    for record in _records(found, notes):
        try:
            for number, value in fields(record):
                if number == _HISTORY and isinstance(value, bytes):
                    items = _items(value).items()
                    row = {name: cell for name, plain in items if (cell := number_of(plain)) is not None}
                    rows += [row] if row else []
                elif number == _CONFIG and isinstance(value, bytes):
                    settings |= _settings(value)
                elif number == _RUN and isinstance(value, bytes):
                    for inner, config in fields(value):
                        if inner == _RUN_CONFIG and isinstance(config, bytes):
                            settings |= _settings(config)
        except (ValueError, struct.error):
            odd += 1
    if odd:
        notes.append(f"{odd} {'record is' if odd == 1 else 'records are'} no message, and left out")
    if not rows:
        why = "; ".join(notes) or "nothing was logged by run.log"
        raise unreadable(path, why, remedy="was the run stopped before its first step?")
    return Table(source=path, form="an offline run of W&B", rows=rows, settings=settings, notes=tuple(notes))


def read_wandb_json(path: Path) -> Table:
    """Read `wandb-history.jsonl`, or `wandb-summary.json`, which holds the last values alone."""
    table = read_json(path)
    summary = path.name == "wandb-summary.json"
    notes = (*table.notes, *(("a summary holds the last value of each metric: no curve",) if summary else ()))
    return Table(source=path, form="an offline run of W&B", rows=table.rows, notes=notes)


def _records(found: bytes, notes: list[str]) -> Iterator[bytes]:
    """Yield whole records; note damaged and missing ones."""
    place, parts, damaged = _FILE_HEAD, list[bytes](), 0
    while place < len(found):
        left = _BLOCK - place % _BLOCK
        if left < _PIECE_HEAD:
            place += left
            continue
        head = found[place : place + _PIECE_HEAD]
        crc, size, kind = struct.unpack("<IHB", head) if len(head) == _PIECE_HEAD else (0, 0, -1)
        data = found[place + _PIECE_HEAD : place + _PIECE_HEAD + size]
        if kind == 0 and not head.strip(b"\0"):  # zeros to the end of a block, or of a file never written out
            place += left
            parts = []
            continue
        if kind == -1 or len(data) < size:
            notes.append(f"the file ends within a record, at byte {len(found)}; what stands before was read")
            break
        if kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST) or zlib.crc32(data, zlib.crc32(bytes([kind]))) != crc:
            damaged += 1
            place += left  # the frame is lost: the next block begins a new one
            parts = []
            continue
        place += _PIECE_HEAD + size
        if kind == _WHOLE:
            parts = []
            yield data
        elif kind == _FIRST:
            parts = [data]
        elif parts:
            parts.append(data)
            if kind == _LAST:
                yield b"".join(parts)
                parts = []
    else:
        if parts:
            notes.append(f"the file ends within a record, at byte {len(found)}; what stands before was read")
    if damaged:
        notes.append(f"{damaged} {'block is' if damaged == 1 else 'blocks are'} damaged, and read as far as it goes")


def _items(message: bytes) -> dict[str, Any]:
    """Return the items of a history or config record."""
    found: dict[str, Any] = {}
    for number, item in fields(message):
        if number != 1 or not isinstance(item, bytes):
            continue
        key, nested, plain = "", list[str](), None
        for inner, value in fields(item):
            if inner == 1:
                key = text(value)
            elif inner == 2:
                nested.append(text(value))
            elif inner == 5 and isinstance(value, int):
                plain = signed(value)
            elif inner == 6 and isinstance(value, bytes):
                plain = struct.unpack("<d", value)[0]
            elif inner in (7, 8, 16) and isinstance(value, bytes):
                plain = text(value) if inner == 7 else json_of(text(value))
        name = key or "/".join(nested)
        found |= flattened(plain, f"{name}/") if isinstance(plain, Mapping) else {name: plain}
    return found


def _settings(config: bytes) -> dict[str, Setting]:
    plain = {name: value for name, value in _items(config).items() if not name.startswith("_wandb")}
    return {name: Setting(value=value) for name, value in plain.items() if isinstance(value, str | int | float)}
