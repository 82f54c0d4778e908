"""The user's own line among the frames of a stack."""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

_ENGINES = tuple(f"{path}{os.sep}" for path in (Path(torch.__file__).parent, Path(__file__).parents[1]))
_INSTALLED = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("purelib", "platlib", "stdlib")})

_CELL = re.compile(r"<(ipython-input-|python-input-|cell|stdin>|console>|doctest )")
"""What a user typed or pasted and lies in no file: cells of older notebooks, consoles, programs that are piped in.

Everything else in angle brackets was written by a program (`<string>`, `<frozen ...>`, `<eval_with_key>`).
"""

CUTS = re.compile(r"\.detach\(|\.data\b|no_grad|inference_mode|\.item\(|\.numpy\(|\.tolist\(|torch\.tensor\(|argmax\(")
"""What ends the graph of autograd, as it is written in Python."""


def standing(file: str) -> int:
    """Return whose a file is: 0 the user's own, 1 an installed library's, 2 torch's or this library's, or no file.

    A cell of a notebook is the user's own, whether it is called `<ipython-input-3-0ab1>` or `/tmp/ipykernel_7/12.py`.
    """
    if file.startswith("<"):
        return 0 if _CELL.match(file) else 2
    if file.startswith(_ENGINES) or "<" in file:
        return 2
    return 1 if file.startswith(_INSTALLED) else 0


def user_frame(frames: Iterable[tuple[str, int | None]]) -> tuple[str | None, int | None]:
    """Return file and line of the innermost of `frames` (outermost first) that the user wrote.

    Where there is none, those of an installed library that is neither torch nor this one; else (None, None).
    """
    outside = [frame for frame in reversed(list(frames)) if standing(frame[0]) < 2]
    own = [frame for frame in outside if standing(frame[0]) == 0]
    return next(iter([*own, *outside]), (None, None))


def node_frame(node: Any, depth: int) -> tuple[str | None, int | None]:
    """Return file and line of the user's code that made a node of the graph under `recording_frames`.

    The outermost `depth` frames are not looked at: they called for the forward pass and are not part of it.
    """
    matches = [re.match(r'\s*File "(.+)", line (\d+)', frame) for frame in node.metadata.get("traceback_", [])[depth:]]
    return user_frame((match[1], int(match[2])) for match in matches if match)


@contextmanager
def recording_frames() -> Iterator[None]:
    """Let autograd keep, with each node of the graph made in the block, the stack of the call that made it."""
    was_on, was_checking = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    try:
        yield
    finally:
        torch.autograd.set_detect_anomaly(was_on, was_checking)
