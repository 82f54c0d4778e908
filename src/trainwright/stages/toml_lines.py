"""On which line of a TOML file each key stands: what the standard parser does not tell, and good errors need."""

from __future__ import annotations

import re
import tomllib
from typing import Literal

_TOKEN = re.compile(
    r'''(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')'''
    r"|(?P<comment>\#[^\n]*)|(?P<word>[A-Za-z0-9_-]+)|(?P<sign>[\n\[\]{}=,])",
    re.DOTALL,
)


def key_lines(text: str) -> dict[str, int]:
    """Return the line (from 1) of every section ("train") and every key ("train.epochs") of a valid TOML text.

    What stands in a string or a comment is no key; keys of inline tables are.
    """
    lines: dict[str, int] = {}
    number = 1
    section: list[str] = []  # of the last header
    key: list[str] = []  # as far as it has been read
    named: list[str] = []  # the key whose value is being read
    tables: list[list[str] | None] = []  # what is open within the value: inline tables by name, None for an array
    place: Literal["key", "header", "value"] = "key"
    for match in _TOKEN.finditer(text):
        token = match[0]
        if match.lastgroup in ("word", "text"):
            if place != "value":
                key.append(token if match.lastgroup == "word" else _unquoted(token))
            number += token.count("\n")
        elif token == "\n":
            number += 1
            if not tables:
                key, place = [], "key"
        elif token == "=" and place == "key":
            named = [*((tables[-1] if tables else section) or ()), *key]
            _note(lines, named, number)
            key, place = [], "value"
        elif token == "[" and place == "value":
            tables.append(None)
        elif token == "[":
            place = "header"
        elif token == "]" and place == "header":
            section, key = key or section, []  # the second bracket of [[section]] changes nothing
            _note(lines, section, number)
        elif token == "{":
            tables.append(named)
            key, place = [], "key"
        elif token in "]}" and tables:
            tables.pop()
            place = "value"
        elif token == "," and tables and tables[-1] is not None:
            key, place = [], "key"
    return lines


def _note(lines: dict[str, int], name: list[str], number: int) -> None:
    lines.setdefault(name[0], number)
    lines.setdefault(".".join(name), number)


def _unquoted(token: str) -> str:
    return next(iter(tomllib.loads(f"{token} = 0")))
