"""A program's file, parsed: what stands where, which block a statement belongs to, and what its edits would make of it.

All places are offsets in the bytes of the file, so that line ends, tabs and everything that is not edited stay.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

MAX_BYTES = 2 * 1024 * 1024
"""Larger files are not edited: no program that a person wrote is."""
_MARK = b"\xef\xbb\xbf"

Loop: TypeAlias = ast.For | ast.AsyncFor | ast.While
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unclear(Exception):
    """The finding does not settle what would have to be written. The message says why, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """The bytes from `start` to `end` are to give way to `text`."""

    start: int
    end: int
    text: bytes


class Source:
    """A file of Python. Raises `Unclear` where it cannot be edited safely."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path, self.content = path, content
        if len(content) > MAX_BYTES:
            raise Unclear("the file is too large")
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            content.decode("utf-8")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the user's source may hold a questionable escape
                self.tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise Unclear("the file cannot be parsed as Python") from None
        if encoding not in ("utf-8", "utf-8-sig"):
            raise Unclear(f"the file is written in {encoding}, not in UTF-8")
        if b"\r" in content.replace(b"\r\n", b"") or b"\f" in content:
            raise Unclear("the file has line ends of its own kind")
        self._mark = len(_MARK) if content.startswith(_MARK) else 0
        self._starts = [0, *(place + 1 for place, byte in enumerate(content) if byte == 0x0A), len(content) + 1]
        self.newline = b"\r\n" if b"\r\n" in content else b"\n"
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where the text of an expression or a statement begins and ends."""
        first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
        start = self._starts[first - 1] + getattr(node, "col_offset", 0) + (self._mark if first == 1 else 0)
        end = self._starts[last - 1] + getattr(node, "end_col_offset", 0) + (self._mark if last == 1 else 0)
        return start, end

    def text(self, node: ast.AST) -> str:
        """Return an expression as it is written."""
        start, end = self.span(node)
        return self.content[start:end].decode()

    def statement(self, line: int | None) -> ast.stmt:
        """Return the innermost statement on a line. Raises `Unclear` where there is none."""
        if line is None:
            raise Unclear("no line is known")
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.stmt))
        there = [node for node in nodes if node.lineno <= line <= (node.end_lineno or node.lineno)]
        if not there:
            raise Unclear(f"there is no statement on line {line}")
        return min(there, key=lambda node: self.span(node)[1] - self.span(node)[0])

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node stands in, from the inside out."""
        while node in self._parents:
            node = self._parents[node]
            yield node

    def holder(self, node: ast.AST) -> ast.stmt:
        """Return the statement that an expression belongs to."""
        return next(outer for outer in (node, *self.parents(node)) if isinstance(outer, ast.stmt))

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return the statements that stand beside one, itself among them."""
        parent = self._parents[statement]
        for name in ("body", "orelse", "finalbody"):
            block = getattr(parent, name, None)
            if isinstance(block, list) and statement in block:
                return block
        raise Unclear("the statement stands in no block")

    def function(self, node: ast.AST) -> ast.AST:
        """Return the function that a node is in, the module where there is none."""
        return next((outer for outer in self.parents(node) if isinstance(outer, _FUNCTIONS)), self.tree)

    def owner(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class whose method a node is in."""
        return next((outer for outer in self.parents(node) if isinstance(outer, ast.ClassDef)), None)

    def loops(self, node: ast.AST) -> list[Loop]:
        """Return the loops around a node within its function, innermost first."""
        found: list[Loop] = []
        for outer in self.parents(node):
            if isinstance(outer, _FUNCTIONS):
                break
            if isinstance(outer, _LOOPS):
                found.append(outer)
        return found

    def visible(self, words: str, written: ast.AST, wanted: ast.AST) -> bool:
        """Say whether an expression of one place (`optimizer`, `self.optimizer`) names the same thing at another."""
        here, there = self.function(written), self.function(wanted)
        if here is there or here in self.parents(there) or (here is self.tree and not self._local(words, there)):
            return True
        owner = self.owner(written)
        return words.startswith("self.") and owner is not None and owner is self.owner(wanted)

    def _local(self, words: str, function: ast.AST) -> bool:
        name = words.split(".")[0].split("[")[0]
        return any(name in bound(node) for node in ast.walk(function)) or name in parameters(function)

    # Edits.

    def replace(self, node: ast.AST, text: str) -> Edit:
        """Return the edit that writes something else for an expression."""
        start, end = self.span(node)
        return Edit(start=start, end=end, text=text.encode())

    def insert_before(self, statement: ast.stmt, *lines: str) -> Edit:
        """Return the edit that puts lines before a statement (and its decorators), as deep as it is."""
        start = self._lines(statement)[0]
        return Edit(start=start, end=start, text=self._indented(statement, lines))

    def insert_after(self, statement: ast.stmt, *lines: str) -> Edit:
        """Return the edit that puts lines behind a statement, as deep as it is."""
        end = self._lines(statement)[1]
        text = self._indented(statement, lines)
        if end and self.content[end - 1 : end] != b"\n":  # the last line of the file ends without a line end
            text = self.newline + text.removesuffix(self.newline)
        return Edit(start=end, end=end, text=text)

    def delete(self, statement: ast.stmt) -> Edit:
        """Return the edit that takes out the lines of a statement."""
        start, end = self._lines(statement)
        if len(self.block(statement)) == 1:
            raise Unclear("nothing would be left in its block")
        return Edit(start=start, end=end, text=b"")

    def move_before(self, statement: ast.stmt, other: ast.stmt) -> tuple[Edit, ...]:
        """Return the edits that put a statement before another, as deep as that one."""
        return self.delete(statement), self.insert_before(other, self._single(statement))

    def move_after(self, statement: ast.stmt, other: ast.stmt) -> tuple[Edit, ...]:
        """Return the edits that put a statement behind another, as deep as that one."""
        return self.delete(statement), self.insert_after(other, self._single(statement))

    def _single(self, statement: ast.stmt) -> str:
        """Return a statement that may be written at another depth, with the comment at its end."""
        start, end = self._lines(statement)
        text = self.content[start:end].decode().strip()
        if "\n" in text:
            raise Unclear(f"the statement on line {statement.lineno} goes over several lines")
        return text

    def _lines(self, statement: ast.stmt) -> tuple[int, int]:
        """Return where the lines begin and end that a statement has to itself. Raises `Unclear` where it has not."""
        first = min([statement.lineno, *(node.lineno for node in getattr(statement, "decorator_list", ()))])
        start, end = self._starts[first - 1], min(self._starts[statement.end_lineno or first], len(self.content))
        begin, finish = self.span(statement)
        rest = self.content[finish:end].strip()
        before = self.content[start:begin] if first == statement.lineno else b""
        if before.removeprefix(_MARK).strip() or (rest and not rest.startswith(b"#")):
            raise Unclear(f"line {statement.lineno} holds more than one statement")
        return start, end

    def _indented(self, statement: ast.stmt, lines: tuple[str, ...]) -> bytes:
        start = self._starts[statement.lineno - 1]
        depth = self.content[start : self.span(statement)[0]].removeprefix(_MARK)
        return b"".join(depth + line.encode() + self.newline for line in lines)


def edited(source: Source, edits: tuple[Edit, ...]) -> bytes:
    """Return the file with all edits made. Raises `Unclear` where they overlap, or make no program."""
    content, before = source.content, len(source.content) + 1
    for edit in sorted(edits, key=lambda one: (one.start, one.end), reverse=True):
        if edit.end > before:
            raise Unclear("two edits overlap")
        content, before = content[: edit.start] + edit.text + content[edit.end :], edit.start
    if content == source.content:
        raise Unclear("nothing would change")
    Source(source.path, content)
    return content


def bound(node: ast.AST) -> set[str]:
    """Return the names that a statement or expression binds by itself."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return {name}
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name.split(".")[0] for alias in names}
        case _:
            return set()


def parameters(function: ast.AST) -> list[str]:
    """Return the names of a function's parameters, those by position first."""
    if not isinstance(function, _FUNCTIONS):
        return []
    given = function.args
    return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
