"""Two small formats that logs are made of: the fields of a protobuf message, and the checksum CRC-32C.

Sources: protobuf.dev, "Encoding"; RFC 3720, appendix B.4. Four kinds of field and a table of 256 numbers: no library
is needed to read a log.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

Value: TypeAlias = int | bytes
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field: an int for a varint, bytes for all else (4 or 8 for a fixed number).

    Raises `ValueError` where the bytes are no message.
    """
    place, end = 0, len(message)
    while place < end:
        key, place = varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = varint(message, place)
            yield number, value
            continue
        if wire == _BYTES:
            size, place = varint(message, place)
        elif wire in (_EIGHT, _FOUR):
            size = 8 if wire == _EIGHT else 4
        else:
            raise ValueError(f"no field has the type {wire}")
        if number == 0 or place + size > end:
            raise ValueError("a field reaches beyond its message")
        yield number, message[place : place + size]
        place += size


def varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at `place`, 7 bits a byte, and where it ends. Raises `ValueError` where it does not."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        value |= (data[place] & 0x7F) << shift
        place += 1
        if not data[place - 1] & 0x80:
            return value, place
    raise ValueError("a number does not end")


def packed(value: Value, form: str) -> list[float]:
    """Return the numbers of a repeated field: one (unpacked) or many (packed) of `form` "f", "d" or "v" (varints)."""
    if isinstance(value, int):
        return [float(signed(value))]
    if form == "v":
        numbers, place = [], 0
        while place < len(value):
            number, place = varint(value, place)
            numbers.append(float(signed(number)))
        return numbers
    size = struct.calcsize(form)
    if len(value) % size:
        raise ValueError("numbers are cut")
    return list(struct.unpack(f"<{len(value) // size}{form}", value))


def signed(value: int) -> int:
    """Return a varint as the signed 64-bit number that it encodes."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def text(value: Value) -> str:
    """Return a field's bytes as text. Raises `ValueError` where it is a number."""
    if isinstance(value, int):
        raise ValueError("a number stands for a text")
    return value.decode("utf-8", errors="replace")


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE = _table()


def masked_crc(data: bytes) -> int:
    """Return CRC-32C of `data`, rotated and shifted as TensorFlow's record files have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
