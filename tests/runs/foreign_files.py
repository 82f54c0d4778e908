"""Logs as their writers would leave them, written byte by byte: the readers must not be tested against themselves."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainwright.runs.foreign import ForeignRun, find_logs, read_log


def read(path: Path, **chosen: str) -> ForeignRun:
    """Read the one log at `path`."""
    [log] = find_logs(path)
    return read_log(log, chosen)


def losses(run: ForeignRun) -> list[float]:
    """The training losses in order."""
    return [record.loss for record in run.chart.steps]


def steps(run: ForeignRun) -> list[int]:
    """The steps of the training losses in order."""
    return [record.step for record in run.chart.steps]


def held(run: ForeignRun) -> list[tuple[int, float]]:
    """The steps and losses of the evaluations on validation data."""
    return [(record.step, record.loss) for record in run.chart.evaluations("validation")]


def noted(run: ForeignRun, words: str) -> bool:
    """Say whether a remark holds `words`."""
    return any(words in remark for remark in run.remarks)


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    head = b""
    while number > 0x7F:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def field(number: int, value: bytes | int | float, *, double: bool = True) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        kind, form = (1, "<d") if double else (5, "<f")
        return varint(number << 3 | kind) + struct.pack(form, value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def crc32c(data: bytes) -> int:
    """CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """A record of an event file."""

    def mask(part: bytes) -> bytes:
        crc = crc32c(part)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + mask(length) + data + mask(data)


def event(step: int, tag: str, value: float) -> bytes:
    """A scalar as torch's writer logs it."""
    summary = field(1, field(1, tag.encode()) + field(2, value, double=False))
    return frame(field(1, 1.7e9) + field(2, step) + field(5, summary))


def event_tensor(step: int, tag: str, tensor: bytes) -> bytes:
    """A value as TensorFlow 2 logs it."""
    return frame(field(1, 1.7e9) + field(2, step) + field(5, field(1, field(1, tag.encode()) + field(8, tensor))))


def restart(step: int) -> bytes:
    """The mark of a session that starts at a step."""
    return frame(field(2, step) + field(7, field(1, 1)))


def version() -> bytes:
    return frame(field(1, 1.7e9) + field(3, b"brain.Event:2"))


def wandb_record(row: Mapping[str, Any], place: int = 2, *, nested: bool = True) -> bytes:
    """A history record (2), or with `place` 5 a config record."""
    items = (
        field(1, field(2 if nested else 1, name.encode()) + field(16, json.dumps(value).encode()))
        for name, value in row.items()
    )
    return field(place, b"".join(items))


def wandb_file(records: Iterable[bytes]) -> bytes:
    """A log of W&B: blocks of 32 KiB of pieces, each with its checksum."""
    written = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for record in records:
        rest, first = record, True
        while rest or first:
            left = 32768 - len(written) % 32768
            if left < 7:
                written += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if first else 4) if not rest else (2 if first else 3)
            crc = zlib.crc32(bytes([kind]) + part)
            written += struct.pack("<IHB", crc, len(part), kind) + part
            first = False
    return written


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
