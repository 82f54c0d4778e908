"""The routes of searches: read in a process of their own, and kept for as long as the search stays as it is."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trainwright.lab.answers import answer, gone, worker_failed
from trainwright.lab.shelf import Shelf
from trainwright.lab.told import signature
from trainwright.lab.workers import Worker, WorkerError


class StudyRoutes:
    """What the page asks about searches."""

    def __init__(self, shelf: Shelf, worker: Worker) -> None:
        self._shelf = shelf
        self._worker = worker
        self._studies: dict[str, tuple[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/studies", self.studies),
            Route("/api/studies/{id}", self.study),
            Route("/api/studies/{id}/importance", self.mattered),
        ]

    async def studies(self, request: Request) -> Response:
        """All searches, the newest first."""
        found = await asyncio.to_thread(self._shelf.scan)
        studies = sorted((item for item in found.values() if item.kind == "study"), key=lambda item: -item.written)
        lines = [
            {"id": item.id, "name": item.name, "written": item.written, "signature": signature(item)}
            for item in studies
        ]
        return answer(request, {"studies": lines})

    async def study(self, request: Request) -> Response:
        """One search as `trainwright tune --json` tells it."""
        return await self._study(request, "study")

    async def mattered(self, request: Request) -> Response:
        """How much each setting of a search mattered."""
        return await self._study(request, "mattered")

    async def _study(self, request: Request, task: str) -> Response:
        item = await asyncio.to_thread(self._shelf.find, request.path_params["id"], "study")
        if item is None:
            return gone("search")
        key, now = f"{task} {item.id}", signature(item)
        known = self._studies.get(key)
        if known is None or known[0] != now:
            try:
                known = now, await self._worker.ask(task, {"folder": str(item.folder)})
            except WorkerError as problem:
                return worker_failed(problem)
            self._studies[key] = known
        return answer(request, known[1] | {"id": item.id, "folder": str(item.folder), "path": item.name})
