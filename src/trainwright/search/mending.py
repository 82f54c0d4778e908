"""What can be saved of a damaged journal: a line of which one byte is wrong, exactly; else all that stood before it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from trainwright.runs.small import parse

HEAD = b'{"check":"%s","body":'
_START = len(HEAD % (b"0" * 16))
_LONGEST = 20_000
"""Bytes of a line up to which a wrong one is looked for: every place times every value is tried, a second for 2,000."""


def check(text: bytes) -> bytes:
    """Return the checksum of a line's body."""
    return hashlib.blake2b(text, digest_size=8).hexdigest().encode()


def body(line: bytes) -> dict[str, Any] | None:
    """Return what a line holds, None where it does not fit its checksum."""
    text = line[_START:-1]
    if line[:_START] != HEAD % check(text) or line[-1:] != b"}":
        return None
    try:
        found = parse(text.decode())
    except ValueError:  # a checksum is no signature
        return None
    return found if isinstance(found, dict) else None


def mended(line: bytes) -> bytes | None:
    """Return a line with its one wrong byte set right, None where no byte does it.

    The checksum has 64 bits: of a million wrong lines that are tried, one in ten million million fits it by chance.
    """
    text = line[_START:-1]
    told = check(text)
    whole = (HEAD % told) + text + b"}"
    if len(line) > _START and sum(one != other for one, other in zip(line, whole, strict=True)) == 1:
        return whole  # the body is as it was: what is wrong lies around it
    told = line[10:26]
    if len(text) > _LONGEST or line[:_START] != HEAD % told or line[-1:] != b"}":
        return None
    trial = bytearray(text)
    for place, byte in enumerate(text):
        for value in range(256):
            trial[place] = value
            if hashlib.blake2b(trial, digest_size=8).hexdigest().encode() == told:
                return HEAD % told + bytes(trial) + b"}"
        trial[place] = byte
    return None


def set_aside(path: Path, kept: int) -> Path:
    """Cut a file after its first `kept` bytes, and return the file beside it that now holds the whole of it."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number:03d}{path.suffix}")).exists():
        number += 1
    raw = path.read_bytes()
    aside.write_bytes(raw)
    with open(path, "r+b") as file:
        file.truncate(kept)
    return aside
