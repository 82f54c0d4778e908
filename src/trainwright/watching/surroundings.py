"""The loop around a line: where a program without a loader takes its batches from."""

from __future__ import annotations

import ast
import sys

from trainwright.vitals.frames import standing
from trainwright.watching.places import Place
from trainwright.watching.syntax import statements, tree_of

_FRAMES = 6  # of the user's own that are looked through


def loop_line() -> Place | None:
    """Return the innermost `for` or `while` of the user's around what is running now.

    Where the innermost function has none, the function that called it is looked at, and so on. None where the source
    cannot be read or nothing loops. This parses source: ask once.
    """
    frame = sys._getframe(1)
    left = _FRAMES
    while frame is not None and left:
        file = frame.f_code.co_filename
        if standing(file) == 0:
            left -= 1
            line = _around(file, frame.f_lineno, frame.f_code.co_firstlineno)
            if line is not None:
                return file, line
        frame = frame.f_back
    return None


def _around(file: str, line: int, first: int) -> int | None:
    """Return the line of the innermost loop around `line`, in the function that begins at line `first`."""
    tree = tree_of(file)
    found = None
    for node in statements(tree) if tree is not None else ():
        if not isinstance(node, ast.For | ast.AsyncFor | ast.While):
            continue
        if first <= node.lineno <= line <= (node.end_lineno or node.lineno):
            found = node.lineno if found is None else max(found, node.lineno)
    return found
