"""What any log of others comes down to: sparse rows of named numbers, in the order in which they were written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.records import Setting
from trainwright.runs.small import open_regular

Row = Mapping[str, float]

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation", "holdout"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""What others call a split -> what it is called here."""

LARGEST = 1 << 30
"""Bytes above which a text is data, not a log: reading it would only fill the memory."""
_WRAPPED = re.compile(r"tensor\(\s*([^,)\s]+).*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A log as it was read. A number that is absent from a row was not logged there; NaN and infinity were.

    `source` is the file, `form` what it is in words, `settings` what the log holds of the run's settings, `notes` what
    was wrong with it and could be read around.
    """

    source: Path
    form: str
    rows: Sequence[Row]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, int]:
        """The columns in order of appearance, each with how many of its cells hold a number."""
        counts: dict[str, int] = {}
        for row in self.rows:
            for name in row:
                counts[name] = counts.get(name, 0) + 1
        return counts


def content(path: Path) -> bytes:
    """Return the bytes of a file. Raises `RunError` where it cannot be read, or holds nothing."""
    try:
        if path.stat().st_size > LARGEST:
            raise unreadable(path, "it is larger than 1 GiB: no log of losses is", remedy="name the log itself")
        with open_regular(path) as file:
            found = file.read(LARGEST)
    except OSError as problem:
        raise unreadable(path, problem.strerror or str(problem), remedy="check the path and its permissions") from None
    if not found.strip(b" \t\r\n\0\xef\xbb\xbf"):
        raise unreadable(path, f"it is empty ({len(found)} bytes)", remedy="was the run stopped before its first step?")
    return found


def text_of(path: Path, found: bytes) -> str:
    """Return bytes as text, by their mark or as UTF-8. Raises `RunError` where they are no text."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if found.startswith(mark):
            return found.decode(encoding, errors="replace")
    if b"\0" in found.rstrip(b"\0"):  # zeros at the end are what a crash of the machine leaves
        raise unreadable(path, "its bytes are no text, and no log that is known", remedy=KNOWN)
    return found.rstrip(b"\0").decode("utf-8", errors="replace")


def unreadable(path: Path, why: str, *, remedy: str = "") -> RunError:
    """Return the error that says why a log cannot be read."""
    return RunError(f"the log {path} cannot be read", evidence=why, remedy=remedy)


KNOWN = (
    "known are a CSV file of losses, Lightning's metrics.csv, TensorBoard event files, W&B offline runs, JSON lines, "
    "trainer_state.json of Hugging Face, and run folders"
)


def number_in(cell: str, *, comma: bool = False) -> float | None:
    """Return the number that a cell holds, None where it holds none; `comma` says that 0,5 is a number.

    `tensor(0.5, device='cuda:0')` and `93.1%` are read for the number in them.
    """
    try:  # nearly every cell
        return None if "_" in cell else float(cell)
    except ValueError:
        text = cell.strip().strip("'\"").strip()
    wrapped = _WRAPPED.fullmatch(text)
    text = (wrapped.group(1) if wrapped else text).removesuffix("%").rstrip()
    if comma and text.count(",") == 1:
        text = text.replace(",", ".")
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def number_of(value: Any) -> float | None:
    """Return a value of JSON as a number; None for what is none. "NaN" and "Infinity" in quotes are numbers."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return number_in(value) if isinstance(value, str) else None


def flattened(plain: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return nested objects as one: {"val": {"loss": 1}} as {"val/loss": 1}."""
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping) and depth < 8:
            flat |= flattened(value, f"{prefix}{name}/", depth + 1)
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def json_of(text: str) -> Any:
    """Return the value that `text` holds as JSON, None where it is none, or too deep."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def split_of(word: str) -> str | None:
    """Return the split that a word names, None where it names none."""
    return SPLITS.get(word.strip().lower())


def shown(path: Path) -> str:
    """Return a path for a message: relative to the current folder where it lies in it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
