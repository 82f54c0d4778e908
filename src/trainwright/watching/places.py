"""The user's own line behind a call, found quickly: this runs inside of somebody's training loop."""

from __future__ import annotations

import sys
from typing import Any

from trainwright.records import Location
from trainwright.vitals.frames import node_frame, standing

Place = tuple[str, int]
"""File and line."""

_standing: dict[str, int] = {}  # by file name: a training loop calls from few files, ever again


def caller() -> Place | None:
    """Return the innermost line of the user's own on the stack.

    Where there is none, the innermost of an installed library that is neither torch nor this one; else None.
    """
    frame = sys._getframe(1)
    library: Place | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        whose = _standing.get(file)
        if whose is None:
            whose = _standing[file] = standing(file)
        if whose == 0:
            return file, frame.f_lineno
        if whose == 1 and library is None:
            library = (file, frame.f_lineno)
        frame = frame.f_back
    return library


def making_line(node: Any) -> Place | None:
    """Return the user's line that made a node of the graph, None where autograd does not remember it."""
    file, line = (None, None) if node is None else node_frame(node, 0)
    return (file, line) if file is not None and line is not None else None


def by_library() -> bool:
    """Say whether an installed library stands between torch and the user's own line on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        whose = standing(frame.f_code.co_filename)
        if whose < 2:
            return whose == 1
        frame = frame.f_back
    return False


def location(place: Place | None, *, module: str | None = None, parameter: str | None = None) -> Location:
    """Return a place as records have it."""
    file, line = place if place is not None else (None, None)
    return Location(file=file, line=line, module=module, parameter=parameter)
