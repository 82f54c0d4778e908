"""A program that trains in several processes: what each of them saw of itself, laid side by side at the end.

Nothing is exchanged while it runs: a collective of ours among those of the program could be the one that it hangs in.
Each process leaves a file in a folder that those of one launch on this machine share, and the first reads them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from trainwright.records import Event
from trainwright.vitals.fingerprints import fingerprint

FIRST, EVERY = 8, 128
"""Steps after which weights are summed up: the first, and then ever so many. Those are followed call by call anyway."""
BATCHES = 8
"""First batches whose bits are summed up."""
BATCHES_ALIKE = 5
WAIT_SECONDS = 5.0
"""For the files of the others: they end at about the same time, or were ended."""
_FEWEST_TIMES = 20
_WRAPPER = "DistributedDataParallel"


class RankBooks:
    """Keeps what tells this process from the others of its launch. Alone it keeps nothing."""

    def __init__(self) -> None:
        self.rank, self.world = _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1)
        self.many = self.world > 1
        self.events: list[Event] = []
        self._wrapper: weakref.ref[Any] | None = None
        self._weights: dict[int, list[float]] = {}
        self._batches: dict[int, list[float]] = {}
        self._rows: dict[int, int] = {}
        self._seconds: dict[int, float] = {}
        self._since = 0.0
        self._over = False

    def made(self, module: Any) -> None:
        """A module was made."""
        if self.many and type(module).__name__ == _WRAPPER:
            self._wrapper = weakref.ref(module)

    def passed(self, inputs: Sequence[Any], step: int) -> None:
        """A model was called in training."""
        if not self.many or step in self._batches:
            return
        tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
        if not tensors or not tensors[0].dim():
            return
        self._rows[step] = len(tensors[0])
        if step < BATCHES:
            self._batches[step] = fingerprint(tensors)

    def learning(self, step: int) -> None:
        """A backward pass begins: until here, a process works by itself."""
        if self.many and self._since:
            self._seconds.setdefault(step, time.perf_counter() - self._since)

    def stepped(self, step: int) -> None:
        """Update `step`, from 0, is made."""
        if not self.many:
            return
        wrapper = None if self._wrapper is None else self._wrapper()
        if wrapper is not None and (step < FIRST or step % EVERY == 0) and _spans(wrapper):
            self._weights[step] = fingerprint(wrapper.parameters())
        self._since = time.perf_counter()

    def finish(self) -> None:
        """The program is over: leave what was seen, and as the first process read what the others left."""
        if not self.many or self._over:
            return
        self._over = True
        folder = _folder()
        own = {
            "weights": self._weights,
            "batches": self._batches,
            "rows": self._rows,
            "seconds": self._seconds,
        }
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            part = folder / f"{self.rank}.part"
            part.write_text(json.dumps(own))
            part.replace(folder / f"{self.rank}.json")
        if self.rank == 0:
            self.events = list(events(_gathered(folder, self.world)))
            shutil.rmtree(folder, ignore_errors=True)


def events(ranks: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> Iterator[Event]:
    """Yield what `ranks`, what each process kept by the name of the column and the step, show beside each other."""
    if len(ranks) < 2:
        return
    yield Event(step=0, name="ranks", detail={"ranks": sorted(ranks)})
    for step in _common(ranks, "weights"):
        first = ranks[min(ranks)]["weights"][step]
        odd = [rank for rank, kept in ranks.items() if kept["weights"][step] != first]
        if odd:
            yield Event(step=int(step), name="ranks-differ", detail={"ranks": odd, "world": len(ranks)})
            break
    yield from _alike(ranks)
    steps = _common(ranks, "seconds")[FIRST:]
    if len(steps) >= _FEWEST_TIMES:
        own = [[kept["seconds"][step] for kept in ranks.values()] for step in steps]
        medians = [statistics.median(each) for each in zip(*own, strict=True)]
        slowest = max(range(len(medians)), key=medians.__getitem__)
        last = sum(max(each) == each[slowest] for each in own) / len(own)
        detail = {"seconds": medians, "slowest": slowest, "share": last, "steps": len(steps)}
        yield Event(step=int(steps[-1]), name="ranks-times", detail=detail)
    steps = _common(ranks, "rows")
    if len(steps) >= BATCHES_ALIKE:
        rows = [sum(kept["rows"][step] for step in steps) for kept in ranks.values()]
        yield Event(step=int(steps[-1]), name="ranks-rows", detail={"rows": rows})


def _alike(ranks: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> Iterator[Event]:
    """Yield that all processes saw the same batches, each of them another one: a constant input says nothing."""
    steps = _common(ranks, "batches")
    first = ranks[min(ranks)]["batches"]
    same = [step for step in steps if all(kept["batches"][step] == first[step] for kept in ranks.values())]
    if (
        len(same) >= BATCHES_ALIKE
        and len(same) == len(steps)
        and len({tuple(first[step]) for step in same}) == len(same)
    ):
        detail = {"ranks": sorted(ranks), "batches": len(same), "world": len(ranks)}
        yield Event(step=int(same[-1]), name="ranks-alike", detail=detail)


def _common(ranks: Mapping[int, Mapping[str, Mapping[str, Any]]], column: str) -> list[str]:
    """Return the steps of which every process has kept something, in order."""
    steps = set.intersection(*(set(kept[column]) for kept in ranks.values()))
    return sorted(steps, key=int)


def _spans(wrapper: Any) -> bool:
    """Say whether the wrapper brings the gradients of all processes together, and not of a group of them."""
    distributed = sys.modules.get("torch.distributed")
    try:
        return distributed is not None and wrapper.process_group.size() == distributed.get_world_size()
    except (AttributeError, RuntimeError, ValueError):  # the group is gone already
        return False


def _gathered(folder: Path, world: int) -> dict[int, Any]:
    """Return what each process left, by rank; those that do not come in time are left out."""
    found: dict[int, Any] = {}
    until = time.monotonic() + WAIT_SECONDS
    while len(found) < world:
        for rank in set(range(world)) - set(found):
            with suppress(OSError, ValueError):
                found[rank] = json.loads((folder / f"{rank}.json").read_text())
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return dict(sorted(found.items()))


def _folder() -> Path:
    """Return the folder of this launch: the same for all processes that one launcher started on this machine."""
    named = [os.environ.get(name, "") for name in ("MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")]
    parent = str(os.getppid()) if hasattr(os, "getppid") else ""
    key = hashlib.sha256("\n".join([*named, parent]).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"trainwright-ranks-{os.getuid() if hasattr(os, 'getuid') else ''}-{key}"


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default
