"""Worker processes from the server's side: kept warm, bounded in time, ended where they do not end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

LONGEST_REQUEST = 60.0
"""Seconds that a request of one answer may take."""
LONGEST_JOB = 300.0
"""Seconds that a simulation which trains may take."""
GRACE = 2.0
"""Seconds that a cancelled one has to end by itself."""
_LONGEST_LINE = 64 << 20


class WorkerError(Exception):
    """A request that failed, with what, evidence and remedy as the page shows them."""

    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(error["what"])
        self.error = error


class Worker:
    """One process, one request at a time. It is started when first needed, and anew after it was ended."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._numbers = itertools.count()
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.subprocess.Process:
        """Start the process where there is none."""
        if self._process is None or self._process.returncode is not None:
            # One thread: the trainings that the lab watches need the other cores.
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            command = (sys.executable, "-m", "trainwright.lab.worker")
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, env=environment, limit=_LONGEST_LINE, start_new_session=True
            )
        return self._process

    async def ask(self, task: str, arguments: dict[str, Any], *, seconds: float = LONGEST_REQUEST) -> Any:
        """Return the last answer to a request. Raises `WorkerError`."""
        last = None
        async for answer in self.stream(task, arguments, seconds=seconds):
            last = answer if answer is not None else last
        return last

    async def stream(
        self, task: str, arguments: dict[str, Any], *, seconds: float, cancelled: asyncio.Event | None = None
    ) -> AsyncIterator[Any]:
        """Yield the answers to a request as they come. A reader that leaves ends the process. Raises `WorkerError`."""
        async with self._lock:
            clean = False
            try:
                process = await self.start()
                assert process.stdin is not None
                assert process.stdout is not None
                identifier = str(next(self._numbers))
                await self._send({"id": identifier, "task": task, "arguments": arguments})
                ends = asyncio.get_running_loop().time() + seconds
                told = False
                reading = asyncio.ensure_future(process.stdout.readline())
                try:
                    while True:
                        line = await self._line(reading, ends, cancelled if not told else None)
                        if line is None:
                            told = True
                            await self._send({"cancel": identifier})
                            ends = asyncio.get_running_loop().time() + GRACE
                            continue
                        message = json.loads(line) if line else {"id": identifier, "error": _DIED, "more": False}
                        if "error" in message:
                            clean = bool(line)
                            raise WorkerError(message["error"])
                        if not message["more"]:
                            clean = True
                            yield message["result"]
                            return
                        yield message["result"]
                        reading = asyncio.ensure_future(process.stdout.readline())
                finally:
                    if not reading.done():
                        reading.cancel()
            finally:
                if not clean:
                    self.end()

    def end(self) -> None:
        """End the process, whatever it does. Its remains are waited for beside: this may be called while cancelled."""
        process, self._process = self._process, None
        if process is not None:
            task = asyncio.ensure_future(_buried(process))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End the process and wait until nothing is left of it."""
        self.end()
        await asyncio.gather(*self._ending)

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            await self._process.stdin.drain()

    async def _line(self, reading: asyncio.Future[bytes], ends: float, cancelled: asyncio.Event | None) -> bytes | None:
        """Return the next line, None where the request was cancelled first. Raises `WorkerError` when time is up."""
        waiting = [reading] if cancelled is None else [reading, asyncio.ensure_future(cancelled.wait())]
        rest = max(ends - asyncio.get_running_loop().time(), 0.0)
        try:
            done, _ = await asyncio.wait(waiting, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting[1:]:
                each.cancel()
        if reading in done:
            return reading.result()
        if done:
            return None
        raise WorkerError(_LATE)


async def _buried(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
    if process.stdout is not None:  # its pipe is closed once it was read to the end
        with contextlib.suppress(ValueError, RuntimeError, ConnectionError):
            await process.stdout.read()


_DIED = {
    "what": "the process that computes has ended",
    "evidence": "it was killed, or the system ran out of memory",
    "remedy": "try again with smaller values",
}
_LATE = {
    "what": "this took too long and was ended",
    "evidence": f"more than {LONGEST_REQUEST:.0f} seconds, or {LONGEST_JOB:.0f} for one that trains",
    "remedy": "try again with smaller values",
}
