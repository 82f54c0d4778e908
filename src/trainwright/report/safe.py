"""Outside text made harmless: what would move the cursor, the colours or the reading order is shown escaped."""

from __future__ import annotations

import html
import re
import unicodedata

# The joiners are invisible too, but several scripts and many emoji cannot be written without them.
_JOINERS = "\u200c\u200d"
# A line of ::error::text or ##[error]text is an order to the runner of GitHub Actions, wherever it is printed from.
_ORDER = re.compile(r":(?=:[A-Za-z-]+(?:[ \t][^\n]*?)?::)|#(?=#(?:\[|vso\[))")
_BLANKS = re.compile(r"[ \t\r\n]+")


def visible(text: str, *, keep: str = "") -> str:
    """Return `text` with every invisible or controlling character written as an escape such as `\\x1b`.

    That covers C0, C1, DEL, bidi overrides, line separators and lone surrogates. Characters in `keep` stay. What a
    runner of workflows would obey is broken up in the same way.
    """
    text = _ORDER.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    if text.isprintable():
        return text
    return "".join(each if _harmless(each) or each in keep else _escaped(each) for each in text)


def prose(text: str) -> str:
    """Return `text` as one harmless line: runs of blanks and line ends become one blank."""
    return visible(_BLANKS.sub(" ", text).strip())


def markup(text: str, *, keep: str = "") -> str:
    """Return `text` harmless and escaped for HTML, in an element or in a quoted attribute."""
    return html.escape(visible(text, keep=keep), quote=True)


def _harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    names = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    point = ord(character)
    if character in names:
        return names[character]
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
