"""Do the worker processes of a loader draw the same random numbers: the states of their generators, around one fetch.

A worker is a copy of this process, this library included. What it reads first is read as ever; before and after, the
states of the generators that it could draw from are hashed into memory that it shares with this process.
"""

from __future__ import annotations

import hashlib
import mmap
import random
from collections import deque
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

_WORKERS = 64
_SOURCES = 12  # generators that are looked at
_OBJECTS = 400  # that are searched for generators
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
_WORDS = _WORKERS * _SOURCES * 2
_GLOBAL = ("numpy's global generator", "Python's global generator", "torch's global generator")


class WorkerDraws:
    """The first fetch of each worker of one pass over a loader."""

    def __init__(self, dataset: Any) -> None:
        self._memory = mmap.mmap(-1, 8 * _WORDS)  # shared with the processes that are forked from here on
        self._seen = np.frombuffer(self._memory, dtype=np.int64).reshape(_WORKERS, _SOURCES, 2)
        self._names = [name for name, _ in _generators(dataset)]
        self.done = False

    def fetch(self, original: Any, fetcher: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Read what a worker was asked for; the first time, look at the generators around it."""
        info = get_worker_info()
        if info is None or self.done or info.id >= _WORKERS:
            return original(fetcher, *arguments, **named)
        self.done = True  # in this worker
        before = _states(info.dataset)
        result = original(fetcher, *arguments, **named)
        after = _states(info.dataset)
        if before is not None and after is not None and len(before) == len(after):
            self._seen[info.id, : len(after), 1] = after
            self._seen[info.id, : len(before), 0] = before
        return result

    def repeated(self) -> tuple[int, int, str] | None:
        """Return how many workers drew what another one drew, among how many, and from which generator; None if none.

        They began in the same state, drew, and ended in the same state: a generator that is seeded anew for each
        sample, by its index, does not.
        """
        there = self._seen[(self._seen[:, :, 0] != 0).any(1)]
        if len(there) < 2:
            return None
        for source in range(min(_SOURCES, len(self._names))):
            before, after = there[:, source, 0], there[:, source, 1]
            drawn = [tuple(pair) for pair in zip(before, after, strict=True) if pair[0] != 0 and pair[0] != pair[1]]
            shared = sum(drawn.count(pair) > 1 for pair in drawn)
            if shared:
                return shared, len(there), self._names[source]
        return None


def _states(dataset: Any) -> list[int] | None:
    try:
        return [_hash(generator) for _, generator in _generators(dataset)]
    except Exception:  # whatever a foreign object does when it is looked at: the worker must not feel it
        return None


def _hash(generator: Any) -> int:
    if generator is np.random:
        state = np.random.get_state(legacy=False)
    elif isinstance(generator, np.random.Generator):
        state = generator.bit_generator.state
    elif isinstance(generator, np.random.RandomState):
        state = generator.get_state(legacy=False)
    elif generator is random or isinstance(generator, random.Random):
        state = generator.getstate()
    else:
        state = (torch.get_rng_state() if generator is torch else generator.get_state()).numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(_bytes(state), digest_size=8).digest(), "big", signed=True) or 1


def _bytes(state: Any) -> bytes:
    if isinstance(state, dict):
        return b"".join(_bytes(part) for part in state.values())
    return state.tobytes() if isinstance(state, np.ndarray) else repr(state).encode()


def _generators(dataset: Any) -> list[tuple[str, Any]]:
    """Return the generators that a data set can draw from: the global ones, its own, and those of its module."""
    found: list[tuple[str, Any]] = list(zip(_GLOBAL, (np.random, random, torch), strict=True))
    queue: deque[tuple[str, Any]] = deque([(type(dataset).__name__, dataset)])
    known: set[int] = set()
    while queue and len(known) < _OBJECTS and len(found) < _SOURCES:
        path, thing = queue.popleft()
        if id(thing) in known:
            continue
        known.add(id(thing))
        if isinstance(thing, _GENERATORS):
            found.append((path, thing))
        elif isinstance(thing, list | tuple) and len(thing) <= 64:
            queue.extend((path, part) for part in thing)
        elif isinstance(thing, dict) and len(thing) <= 64:
            queue.extend((path, part) for part in thing.values())
        elif not isinstance(thing, type) and isinstance(getattr(thing, "__dict__", None), dict):
            queue.extend((f"{path}.{name}", part) for name, part in vars(thing).items() if not _plain(part))
            function = getattr(type(thing), "__getitem__", None) or vars(type(thing)).get("__call__")
            names = getattr(getattr(function, "__code__", None), "co_names", ())
            around = getattr(function, "__globals__", {})
            queue.extend((name, around[name]) for name in names if isinstance(around.get(name), _GENERATORS))
    return found


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | torch.Tensor | np.ndarray | torch.nn.Module) or value is None
