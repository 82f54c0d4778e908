"""What changed on the shelf since a reader last asked: told as it happens, or asked for again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable

from trainwright.lab.shelf import Item, Shelf

PERIOD = 0.5
"""Seconds between two looks at the shelf while somebody listens; nobody looks while nobody does."""
HEARTBEAT = 15.0
_REMEMBERED = 1_000


class Changes:
    """Numbers each change of the shelf. Readers that fall behind are given all changes since their last, at once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._seen: dict[str, Item] = {}
        self._past: deque[tuple[int, frozenset[str]]] = deque(maxlen=_REMEMBERED)
        self._number = 0
        self._lock = asyncio.Lock()
        self._looked = 0.0

    async def look(self) -> int:
        """Look at the shelf, at most once a period whoever asks, and return the number of the newest change."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._looked >= PERIOD * 0.9:
                found = await asyncio.to_thread(self._shelf.scan)
                self._looked = asyncio.get_running_loop().time()
                changed = {
                    identifier
                    for identifier in found.keys() | self._seen.keys()
                    if _state(found.get(identifier)) != _state(self._seen.get(identifier))
                }
                if changed or not self._number:
                    self._number += 1
                    self._past.append((self._number, frozenset(changed)))
                self._seen = found
            return self._number

    def since(self, number: int) -> dict[str, object]:
        """Return the identifiers that changed after change `number`; `all` where that is no longer known."""
        oldest = self._past[0][0] if self._past else 1
        if number > self._number or number < oldest - 1:
            return {"number": self._number, "all": True, "changed": []}
        changed = sorted(set().union(*(each for place, each in self._past if place > number)))
        return {"number": self._number, "all": False, "changed": changed}

    async def stream(self, number: int, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield server-sent events: a change as it happens, a comment as a heartbeat, until `is_over`."""
        yield b"retry: 1000\n\n"
        await self.look()
        yield _event(self.since(number))
        number, beat = self._number, 0.0
        while not is_over():
            await asyncio.sleep(PERIOD)
            beat += PERIOD
            with contextlib.suppress(OSError):
                if await self.look() != number:
                    yield _event(self.since(number))
                    number, beat = self._number, 0.0
            if beat >= HEARTBEAT:
                yield b": still here\n\n"
                beat = 0.0


def _state(item: Item | None) -> object:
    return None if item is None else item.signature


def _event(body: dict[str, object]) -> bytes:
    return f"id: {body['number']}\nevent: changes\ndata: {json.dumps(body)}\n\n".encode()
