"""The source of a program as a tree, and its statements: what is looked for in passing must not cost a walk of it."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

from trainwright.watching.places import Place


def text_of(file: str) -> str:
    """Return the source of a file, "" where it cannot be read."""
    return "".join(linecache.getlines(file))


def tree_of(file: str) -> ast.Module | None:
    """Return the syntax tree of a file, None where it has none."""
    try:
        return ast.parse(text_of(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements inside of a tree, those on the outside first. Expressions, most of a tree, are passed by."""
    queue = [tree]
    for node in queue:
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inside = getattr(node, name, None)
            if isinstance(inside, list):  # a lambda's body, and a condition's, is an expression
                queue += inside
                yield from (part for part in inside if isinstance(part, ast.stmt))


def scope_of(place: Place | None) -> ast.AST | None:
    """Return the innermost function around a line, or the module."""
    tree = None if place is None else tree_of(place[0])
    if place is None or tree is None:
        return None
    found: ast.AST = tree
    for node in ast.walk(tree):  # breadth first: the innermost comes last
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno <= place[1] <= (
            node.end_lineno or node.lineno
        ):
            found = node
    return found
