"""New text, some windows at a time, as a trained network takes it: each character predicted from those before it."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from trainwright.data.files import opened
from trainwright.data.newdata import Piece, Remarks, place_of
from trainwright.data.preprocessing import TextPlan
from trainwright.data.text import encode
from trainwright.errors import DataError

_WINDOWS = 256  # windows that are held at a time
_CHUNK = 2**20


def text_pieces(plan: TextPlan, data: Any, remarks: Remarks) -> Iterator[Piece]:
    """Yield a text in windows of `plan.context` characters that follow one another, the last perhaps shorter.

    `data` is the path of a text file (UTF-8, gzipped or not), or a text itself where no such file is there and it can
    be no mistyped name of one: it has a space or a line end. The first
    character is predicted by nothing, so it is no target. `places` are the characters, counted from 1, that the
    windows begin with.
    """
    start, rest = 1, torch.zeros(0, dtype=torch.int64)
    for tokens in _tokens(plan, data, remarks):
        rest = torch.cat([rest, tokens])
        while len(rest) > _WINDOWS * plan.context:
            yield _windows(rest[: _WINDOWS * plan.context + 1], plan.context, start)
            rest, start = rest[_WINDOWS * plan.context :], start + _WINDOWS * plan.context
    whole = (len(rest) - 1) // plan.context * plan.context
    if whole > 0:
        yield _windows(rest[: whole + 1], plan.context, start)
    if start == 1 and len(rest) < 2:
        raise DataError(
            "there is nothing to predict in a text of fewer than two characters",
            evidence=f"{len(rest)} characters",
            remedy="give a longer text",
        )
    if len(rest) > whole + 1:
        tail = rest[max(whole, 0) :]
        yield _windows(tail, len(tail) - 1, start + max(whole, 0))


def text_of(data: Any) -> str:
    """Return a text: that of the file which a path, or the string of one that is there, names; else the string itself.

    Raises `DataError` for what is neither, for a path where nothing lies, and for a file that is no text in UTF-8.
    """
    if isinstance(data, str) and (len(data) > 1024 or "\n" in data or not Path(data or "\0").is_file()):
        return data
    if not isinstance(data, str | os.PathLike):
        raise DataError(
            "the data are neither a text nor the path of one",
            evidence=type(data).__name__,
            remedy="pass a text, the path of a text file, or several",
        )
    return "".join(_read(place_of(data), Remarks()))


def _windows(tokens: torch.Tensor, size: int, start: int) -> Piece:
    x, y = tokens[:-1].reshape(-1, size), tokens[1:].reshape(-1, size)
    return Piece(x=x, y=y, places=range(start, start + x.numel(), size))


def _tokens(plan: TextPlan, data: Any, remarks: Remarks) -> Iterator[torch.Tensor]:
    """Yield the ids of the characters, some at a time; raises `DataError` naming the first that training lacks."""
    path = _path(data)
    before = 0
    for text in [data] if path is None else _read(path, remarks):
        try:
            yield encode(text, plan.characters)
        except DataError:
            strange = next(place for place, each in enumerate(text) if each not in plan.characters)
            raise DataError(
                f"the text holds the character {text[strange]!r}, which the training text does not",
                evidence=f"character {before + strange + 1:,}" + ("" if path is None else f" of {path}"),
                remedy="leave it out or replace it, or train on a text that has it",
            ) from None
        before += len(text)


def _path(data: Any) -> Path | None:
    if not isinstance(data, str | os.PathLike):
        raise DataError(
            "the data are neither a text nor the path of one",
            evidence=type(data).__name__,
            remedy="pass the path of a text file, or a text",
        )
    if isinstance(data, str) and (len(data) > 1024 or "\n" in data):
        return None
    try:
        return place_of(data)
    except DataError:
        if isinstance(data, str) and " " in data.strip():  # words, not the name of a file
            return None
        raise


def _read(path: Path, remarks: Remarks) -> Iterator[str]:
    """Yield a file's text; line ends become \\n, and a byte order mark is dropped, as in training."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    ended = False  # the text so far ends with \r, which may be half of a line end
    try:
        with opened(path) as stream:
            while True:
                content = stream.read(_CHUNK)
                text = decoder.decode(content, final=not content)
                if ended:
                    text = "\r" + text
                ended = bool(content) and text.endswith("\r")
                text = text[: len(text) - ended]
                if "\r" in text:
                    remarks.note(f"{path.name}: the line ends \\r\\n were read as \\n")
                    text = text.replace("\r\n", "\n").replace("\r", "\n")
                if text:
                    yield text
                if not content:
                    return
    except UnicodeDecodeError as problem:
        wide = problem.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise DataError(
            f"{path} is not in UTF-8",
            evidence=f"the byte 0x{problem.object[problem.start]:02x}" + ("; it begins like UTF-16" if wide else ""),
            remedy=f"convert it, such as: iconv -f {'UTF-16' if wide else 'WINDOWS-1252'} -t UTF-8 {path.name}",
        ) from None
