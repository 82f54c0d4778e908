"""On which line of a TOML file each key stands: what the standard parser does not tell, and good errors need."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def key_lines(text: str) -> dict[str, int]:
    """Return the line (from 1) of every section ("train") and every key ("train.epochs") of a valid TOML text.

    Lines inside a multi-line string or array belong to the key that opened it.
    """
    lines: dict[str, int] = {}
    section, fence, depth = "", "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if fence:
            fence = "" if fence in line else fence
            continue
        if depth > 0:
            depth += _brackets(line)
            continue
        header = _HEADER.match(line)
        if header:
            section = _plain(header[1])
            lines.setdefault(section, number)
            continue
        key = _KEY.match(line)
        if key:
            name = _plain(key[1])
            full = f"{section}.{name}" if section else name
            lines.setdefault(full, number)
            lines.setdefault(full.split(".")[0], number)
            value = line[key.end() :]
            fence = next((mark for mark in ('"""', "'''") if value.count(mark) % 2), "")
            depth = 0 if fence else _brackets(value)
    return lines


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))


def _brackets(text: str) -> int:
    """Return how many square brackets stay open, those in strings and comments left out."""
    bare = re.sub(r"""("(?:\\.|[^"\\])*"|'[^']*'|#.*$)""", "", text)
    return bare.count("[") - bare.count("]")
