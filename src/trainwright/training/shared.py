"""Whether all ranks see the folder that the first one writes: found out before anything is written or read there."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from trainwright.errors import RunError
from trainwright.runs.durable import TEMPORARY
from trainwright.training.distributed import Ranks

SEEN_SECONDS = 10.0
"""A network disk may show a new file late, though one with a name that nobody has asked for yet hardly ever."""
_LOOK_SECONDS = 0.2


def check_shared(folder: Path | None, ranks: Ranks) -> None:
    """Raise `RunError` on one rank, `SaidElsewhere` on others, where not all see the folder of the first rank.

    The first leaves a file with a name of its own in the folder, or in the nearest above it that is there, and takes it
    away again. Of the other ranks nobody needs to name the folder.
    """
    kept = Path(ranks.told("" if folder is None else str(folder.absolute()))) if ranks.many else Path()
    if kept == Path():
        return
    mark = ""
    with ranks.together():
        if ranks.leads:
            mark = _leave(kept)
    left = Path(ranks.told(mark))
    try:
        with ranks.together():
            if not _seen(left):
                raise RunError(
                    f"the folder {kept} is not shared: rank {ranks.rank} does not see what rank 0 writes there",
                    evidence=f"{left} is not there" + ("" if left.parent.is_dir() else ", nor the folder around it"),
                    remedy="keep the run in a folder that all machines share: the processes of a job that starts again "
                    "read it",
                )
    finally:
        if ranks.leads:
            left.unlink(missing_ok=True)


def _leave(folder: Path) -> str:
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    mark = place / f"{TEMPORARY}seen-{uuid.uuid4().hex}"
    try:
        mark.touch(exist_ok=False)
    except OSError as problem:
        raise RunError(
            f"the run folder {folder} cannot be written",
            evidence=f"{place}: {problem.strerror or problem}",
            remedy="choose another folder",
        ) from None
    return str(mark)


def _seen(mark: Path) -> bool:
    deadline = time.monotonic() + SEEN_SECONDS
    while not mark.exists():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
