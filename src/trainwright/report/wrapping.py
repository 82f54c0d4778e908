"""Lines that fit a terminal: how wide text is there, and how it breaks."""

from __future__ import annotations

import unicodedata


def display_width(text: str) -> int:
    """Return how many terminal columns `text` takes: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def clip(text: str, width: int) -> str:
    """Return `text`, cut to `width` columns with an ellipsis where it is longer."""
    if display_width(text) <= width:
        return text
    used, kept = 0, []
    for character in text:
        used += _columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def wrap(text: str, width: int) -> list[str]:
    """Break `text` at blanks into lines of at most `width` columns; a longer word stays whole, so it can be copied."""
    lines: list[str] = []
    line, used = "", 0
    for word in text.split(" "):
        columns = display_width(word)
        if line and used + 1 + columns > width:
            lines.append(line)
            line, used = word, columns
        else:
            line = f"{line} {word}" if line else word
            used += columns + (1 if used else 0)
    return [*lines, line]


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
