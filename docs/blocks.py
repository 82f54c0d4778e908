"""The fenced blocks of a page: which are run, which are files that they need, and where what they print is written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OUTPUT = "text output"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```[ ]*$", re.DOTALL | re.MULTILINE)
_WRITTEN = re.compile(rf"\A\n\n *```{OUTPUT}\n.*?^ *```[ ]*$", re.DOTALL | re.MULTILINE)
_GENERATED = ("reference", "decisions")

Kind = Literal["python", "console", "file"]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fence that is run, or written to a file first. `words` are those of its first line: `exec`, `peers`, ...

    `start` and `end` are its place in the text of the page, `written_end` is the end of the output under it.
    """

    kind: Kind
    words: tuple[str, ...]
    body: str
    indent: str
    start: int
    end: int
    written_end: int
    written: str

    @property
    def of_peers(self) -> bool:
        """Whether another library is needed, which has an environment of its own."""
        return "peers" in self.words

    def option(self, name: str) -> str | None:
        """Return VALUE of a word `name=VALUE`, None where there is no such word."""
        found = [word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")]
        return found[0] if found else None


def pages() -> list[Path]:
    """Return the pages that are written by hand, README first."""
    own = [path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).parts[0] not in _GENERATED]
    return [ROOT / "README.md", *sorted(own)]


def name_of(page: Path) -> str:
    """Return the name of a page, from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    for match in _FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        file = next((word for word in words if word.startswith("file=")), None)
        if "exec" not in words and file is None:
            continue
        if "exec" in words and language not in ("python", "console"):
            raise ValueError(f"a block of {language or 'no language'} cannot be run: {match['body'][:60]!r}")
        indent = match["indent"]
        body = "\n".join(line.removeprefix(indent) for line in match["body"].splitlines())
        under = _WRITTEN.match(text[match.end() :])
        yield Block(
            kind=language if "exec" in words else "file",  # type: ignore[arg-type]
            words=tuple(words),
            body=body,
            indent=indent,
            start=match.start(),
            end=match.end(),
            written_end=match.end() + (under.end() if under else 0),
            written=_inside(under.group(), indent) if under else "",
        )


def _inside(fence: str, indent: str) -> str:
    lines = fence.strip("\n").splitlines()[1:-1]
    return "\n".join(line.removeprefix(indent) for line in lines)


def with_outputs(text: str, outputs: Sequence[tuple[Block, str]]) -> str:
    """Return the page with what each block printed under it; nothing is written under a block that printed nothing."""
    for block, output in reversed(outputs):
        fence = ""
        if output:
            shown = "\n".join(f"{block.indent}{line}".rstrip() for line in output.splitlines())
            fence = f"\n\n{block.indent}```{OUTPUT}\n{shown}\n{block.indent}```"
        text = text[: block.end] + fence + text[block.written_end :]
    return text


def fingerprint(text: str, *, of_peers: bool = False) -> str:
    """Return the SHA-256 of the blocks of a page and of what is written under them; "" for a page without any.

    With `of_peers`, of the blocks alone that need another library.
    """
    found = [block for block in blocks_of(text) if block.of_peers or not of_peers]
    if not found:
        return ""
    told = "\0".join("\0".join((block.kind, *block.words, block.body, block.written)) for block in found)
    return hashlib.sha256(told.encode()).hexdigest()
