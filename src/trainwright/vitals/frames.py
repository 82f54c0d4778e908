"""The user's own line among the frames of a stack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))


def user_frame(frames: Iterable[tuple[str, int | None]]) -> tuple[str | None, int | None]:
    """Return file and line of the innermost of `frames` (outermost first) that is neither torch's nor ours."""
    for file, line in reversed(list(frames)):
        if not file.startswith(_LIBRARIES) and "<" not in file:
            return file, line
    return None, None


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
