"""TensorBoard's event files, without TensorBoard: framed records, each an Event message whose scalars are taken.

A record is its length (8 bytes), the masked CRC-32C of the length, the data, and the CRC of the data. Fields of Event:
2 step, 5 summary, 7 session log; of Summary: 1 value; of Value: 1 tag, 2 simple_value, 8 tensor; of TensorProto: 1
type, 4 content, 5 floats, 6 doubles, 7 ints, 10 longs. Source: TensorFlow's event.proto, summary.proto, tensor.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainwright.runs.foreign_table import Table, split_of, unreadable
from trainwright.runs.foreign_wire import fields, masked_crc, packed, signed, text
from trainwright.runs.small import open_regular

_HEAD, _TAIL = 12, 4
_CONTENT = {1: "f", 2: "d", 3: "i", 9: "q", 19: "e"}
"""Type of a tensor (float, double, int32, int64, half) -> how its content is packed."""
_LISTS = {5: "f", 6: "d", 7: "v", 10: "v"}
_SESSION_START = 1


@dataclass(frozen=True, kw_only=True)
class _Scalar:
    """One number that was logged, or (without a tag) a restart from `step`."""

    tag: str
    step: int
    value: float


def is_event_file(path: Path) -> bool:
    """Say whether a file is one of TensorBoard's, by its name or its first record."""
    if "tfevents" in path.name:
        return True
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return len(head) == _HEAD and masked_crc(head[:8]) == struct.unpack("<I", head[8:])[0]


def made_by_add_scalars(paths: Sequence[Path]) -> bool:
    """Say whether a folder's files are one curve of `add_scalars`, which calls the folder by tag and curve."""
    tags = (scalar.tag for path in paths for scalar in _scalars(path, []) if scalar.tag)
    tag = next(tags, None)
    return tag is not None and paths[0].parent.name.startswith(tag.replace("/", "_") + "_")


def read_events(paths: Sequence[Path], source: Path) -> Table:
    """Read event files that are one run: several in a folder, and those of the splits in folders below `source`.

    Raises `RunError` where none holds a scalar.
    """
    rows: list[dict[str, float]] = []
    notes: list[str] = []
    for path in sorted(paths, key=lambda path: (path.parent, path.name)):
        for scalar in _scalars(path, notes):
            if not scalar.tag:
                before = len(rows)
                rows = [row for row in rows if row["step"] < scalar.step]
                notes += [f"restarted at step {scalar.step}: what was logged from there on is dropped"] * (
                    len(rows) < before
                )
                continue
            tag = _in_folder(scalar.tag, path.parent, source if source.is_dir() else path.parent)
            rows.append({"step": float(scalar.step), tag: scalar.value})
    if not rows:
        why = "; ".join(notes) or "it holds no number that was logged by add_scalar"
        raise unreadable(source, why, remedy="was the writer closed, or flushed, before the run ended?")
    return Table(source=source, form="TensorBoard's event files", rows=rows, notes=tuple(notes))


def _in_folder(tag: str, folder: Path, top: Path) -> str:
    """Return a tag with the split that its folder stands for: `train/` of Keras, `loss_train/` of add_scalars."""
    if folder == top:
        return tag
    name = folder.name
    start = tag.replace("/", "_") + "_"
    if name.startswith(start):
        return f"{tag}/{name.removeprefix(start)}"
    return f"{split_of(name) or name}/{tag}"


def _scalars(path: Path, notes: list[str]) -> Iterator[_Scalar]:
    damaged = 0
    for data, crc in _records(path, notes):
        try:
            found = list(_event(data))
        except (ValueError, struct.error):
            damaged += 1
            continue
        # The checksum is slow in Python, and pictures are large: it is taken where there is something to trust.
        if found and masked_crc(data) != crc:
            damaged += 1
            continue
        yield from found
    if damaged:
        notes.append(f"{damaged} {'record' if damaged == 1 else 'records'} of {path.name} damaged, and left out")


def _records(path: Path, notes: list[str]) -> Iterator[tuple[bytes, int]]:
    """Yield the data of each whole record and the checksum that it should have; note where the file ends before."""
    try:
        with open_regular(path) as file:
            size = path.stat().st_size
            place = 0
            while head := file.read(_HEAD):
                whole = len(head) == _HEAD
                if whole and masked_crc(head[:8]) != struct.unpack("<I", head[8:])[0]:
                    if not head.strip(b"\0"):  # blocks that a crashed machine never wrote
                        head = b""
                    what = "is no record of TensorBoard's" if head else "holds zeros"
                    notes.append(f"{path.name} {what} from byte {place} on; what stands before was read")
                    return
                length = struct.unpack("<Q", head[:8])[0] if whole else 0
                if not whole or place + _HEAD + length + _TAIL > size:
                    notes.append(f"{path.name} ends within a record, at byte {size}; what stands before was read")
                    return
                data = file.read(length)
                yield data, struct.unpack("<I", file.read(_TAIL))[0]
                place += _HEAD + length + _TAIL
            if size == 0:
                notes.append(f"{path.name} is empty")
    except OSError as problem:
        notes.append(f"{path.name} cannot be read: {problem.strerror or problem}")


def _event(data: bytes) -> Iterator[_Scalar]:
    step, summaries, restarted = 0, list[bytes](), False
    for number, value in fields(data):
        if number == 2 and isinstance(value, int):
            step = signed(value)
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
        elif number == 7 and isinstance(value, bytes):
            restarted = (1, _SESSION_START) in list(fields(value))
    if restarted:
        yield _Scalar(tag="", step=step, value=0.0)
    for summary in summaries:
        for number, value in fields(summary):
            if number == 1 and isinstance(value, bytes):
                tag, scalar = _value(value)
                if tag and scalar is not None:
                    yield _Scalar(tag=tag, step=step, value=scalar)


def _value(message: bytes) -> tuple[str, float | None]:
    tag, scalar = "", None
    for number, value in fields(message):
        if number == 1:
            tag = text(value)
        elif number == 2 and isinstance(value, bytes):
            scalar = struct.unpack("<f", value)[0]
        elif number == 8 and isinstance(value, bytes):
            scalar = _tensor(value)
    return tag, scalar


def _tensor(message: bytes) -> float | None:
    """Return the one number of a tensor, None for a text, a histogram or a picture."""
    kind, held, numbers = 0, b"", list[float]()
    for number, value in fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 4 and isinstance(value, bytes):
            held = value
        elif number in _LISTS:
            numbers += packed(value, _LISTS[number])
    form = _CONTENT.get(kind)
    if form is None:
        return None
    if held and len(held) == struct.calcsize(form):
        numbers = [float(number) for number in struct.unpack(f"<{form}", held)]
    return numbers[0] if len(numbers) == 1 and not (held and len(held) > 8) else None
