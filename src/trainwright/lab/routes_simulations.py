"""The routes of simulations: what there is, one result at given values, or a stream of them for one that trains."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from trainwright.lab.answers import answer, failed, worker_failed
from trainwright.lab.shelf import Shelf
from trainwright.lab.workers import LONGEST_JOB, Worker, WorkerError

MOST_JOBS = 2
"""Simulations that train at the same time; the machine has other work to do."""
_LARGEST_BODY = 1 << 16


class SimulationRoutes:
    """What the page asks of the simulations."""

    def __init__(self, shelf: Shelf, worker: Worker) -> None:
        self._shelf = shelf
        self._worker = worker
        self._described: dict[str, Any] | None = None
        self._idle: list[Worker] = []
        self._jobs: dict[str, tuple[asyncio.Event, Worker]] = {}

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/simulations", self.list),
            Route("/api/simulations/{name}", self.schema),
            Route("/api/simulations/{name}/run", self.run, methods=["POST"]),
            Route("/api/simulations/{name}/stream", self.stream, methods=["POST"]),
            Route("/api/jobs/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/api/learn", self.learn),
        ]

    async def close(self) -> None:
        """End every process."""
        for worker in (self._worker, *self._idle, *(worker for _, worker in self._jobs.values())):
            await worker.close()

    async def list(self, request: Request) -> Response:
        """All simulations with their parameters."""
        try:
            return answer(request, await self._catalogue())
        except WorkerError as problem:
            return worker_failed(problem)

    async def schema(self, request: Request) -> Response:
        """One simulation's parameters, presets and claims."""
        try:
            found = [
                each for each in (await self._catalogue())["simulations"] if each["name"] == request.path_params["name"]
            ]
        except WorkerError as problem:
            return worker_failed(problem)
        return answer(request, found[0]) if found else _unknown()

    async def learn(self, request: Request) -> Response:
        """The quizzes, the misconceptions and the claims of the guides."""
        try:
            catalogue = await self._catalogue()
        except WorkerError as problem:
            return worker_failed(problem)
        return answer(request, catalogue["learn"])

    async def run(self, request: Request) -> Response:
        """One result."""
        try:
            arguments = await self._arguments(request)
            return answer(request, await self._worker.ask("simulate", arguments))
        except WorkerError as problem:
            return worker_failed(problem)

    async def stream(self, request: Request) -> Response:
        """The results of a simulation that trains, one a line, as they come; the first line names the job."""
        if len(self._jobs) >= MOST_JOBS:
            return failed(429, f"{MOST_JOBS} simulations are training already", remedy="wait for them, or cancel one")
        try:
            arguments = await self._arguments(request)
        except WorkerError as problem:
            return worker_failed(problem)
        job, cancelled = secrets.token_hex(8), asyncio.Event()
        worker = self._idle.pop() if self._idle else Worker()
        self._jobs[job] = cancelled, worker

        async def lines() -> AsyncIterator[bytes]:
            try:
                yield _line({"job": job})
                async for result in worker.stream("simulate_live", arguments, seconds=LONGEST_JOB, cancelled=cancelled):
                    if result is not None:
                        yield _line({"result": result})
            except WorkerError as problem:
                yield _line({"error": problem.error})
            finally:
                self._jobs.pop(job, None)
                if len(self._idle) < 1:
                    self._idle.append(worker)
                else:
                    worker.end()

        return StreamingResponse(lines(), media_type="application/x-ndjson", headers={"cache-control": "no-store"})

    async def cancel(self, request: Request) -> Response:
        """Ask a job to end: it gives one more result, which says so."""
        job = self._jobs.get(request.path_params["id"])
        if job is None:
            return failed(404, "there is no such job", evidence="it has ended")
        job[0].set()
        return answer(request, {"cancelled": True})

    async def _catalogue(self) -> dict[str, Any]:
        if self._described is None:
            self._described = await self._worker.ask("simulations", {})
        assert self._described is not None
        return self._described

    async def _arguments(self, request: Request) -> dict[str, Any]:
        """Return the name and the values that were asked for, folders of runs and searches in place of identifiers."""
        body = await request.body()
        try:
            asked = json.loads(body) if len(body) <= _LARGEST_BODY else None
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise WorkerError({"what": "this is no request", "evidence": "the body is no JSON object", "remedy": ""})
        name = request.path_params["name"]
        known = {each["name"]: each for each in (await self._catalogue())["simulations"]}
        if name not in known:
            raise WorkerError(
                {"what": "there is no such simulation", "evidence": "", "remedy": "choose one of the list"}
            )
        state, values = asked.get("state"), asked.get("values")
        texts = {each["name"] for each in known[name]["parameters"] if each["kind"] == "text"}
        given = dict(values) if isinstance(values, Mapping) else {}
        folders = {each: self._folder(given.pop(each), each) for each in texts & given.keys()}
        return {
            "name": name,
            "state": state if isinstance(state, str) else "",
            "values": given,
            "folders": {each: folder for each, folder in folders.items() if folder},
            "texts": sorted(texts),
        }

    def _folder(self, identifier: Any, parameter: str) -> str:
        """Return the folder of a run, or a search, that is on the shelf; nothing else may be named from outside."""
        if not identifier:
            return ""
        kind = "study" if parameter == "study" else "run"
        item = self._shelf.find(str(identifier), kind)
        if item is None:
            what = "search" if kind == "study" else "run"
            raise WorkerError({"what": f"there is no such {what}", "evidence": "", "remedy": "choose one of the list"})
        return str(item.folder)


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _unknown() -> Response:
    return failed(404, "there is no such simulation", remedy="choose one of the list")
