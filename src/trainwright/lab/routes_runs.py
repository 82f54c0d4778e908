"""The routes of runs. All but one only read; that one computes a changed recipe and keeps nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from trainwright.lab.answers import answer, failed, gone, number, tagged, worker_failed
from trainwright.lab.changes import Changes
from trainwright.lab.curves import AXES, Curves
from trainwright.lab.facts import Facts, FactsBook, events_after
from trainwright.lab.shelf import Item, Shelf
from trainwright.lab.told import as_binary, as_json, detailed, listed
from trainwright.lab.workers import Worker, WorkerError
from trainwright.records import to_plain

_FAR = 1e15
_MOST_TAGS = 200
_LONGEST_JUDGED = 200 << 20
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


class RunRoutes:
    """What the page asks about runs."""

    def __init__(self, shelf: Shelf, curves: Curves, changes: Changes, worker: Worker) -> None:
        self._shelf = shelf
        self._curves = curves
        self._changes = changes
        self._worker = worker
        self._facts = FactsBook()
        self.is_over: Callable[[], bool] = lambda: False

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/runs", self.list),
            Route("/api/runs/{id}", self.run),
            Route("/api/runs/{id}/tags", self.tags),
            Route("/api/runs/{id}/series", self.series),
            Route("/api/runs/{id}/layers", self.layers),
            Route("/api/runs/{id}/findings", self.findings),
            Route("/api/runs/{id}/events", self.events),
            Route("/api/runs/{id}/judged", self.judged),
            Route("/api/runs/{id}/nearest", self.nearest),
            Route("/api/runs/{id}/curvature", self.curvature),
            Route("/api/runs/{id}/weights", self.weights),
            Route("/api/runs/{id}/report", self.report),
            Route("/api/runs/{id}/patched", self.patched, methods=["POST"]),
            Route("/api/changes", self.changed),
            Route("/api/stream", self.stream),
        ]

    async def list(self, request: Request) -> Response:
        """All runs, the newest first."""

        def lines() -> list[dict[str, Any]]:
            found = (item for item in self._shelf.scan().values() if item.kind == "run")
            return [listed(item, self._facts.of(item)) for item in sorted(found, key=lambda item: -item.written)]

        runs = await asyncio.to_thread(lines)
        told = {
            "runs": runs,
            "folders": [str(root.folder) for root in self._shelf.roots],
            "left_out": [{"name": name, "why": why} for name, why in self._shelf.left_out],
        }
        return answer(request, to_plain(told, strict=True))

    async def run(self, request: Request) -> Response:
        """One run: head, findings, checks, events."""
        item, facts = await self._item(request)
        if item is None:
            return gone()
        return answer(request, await asyncio.to_thread(detailed, item, facts))

    async def tags(self, request: Request) -> Response:
        """The names of a run's columns."""
        item, _ = await self._item(request)
        return gone() if item is None else answer(request, await asyncio.to_thread(self._curves.tags, item))

    async def series(self, request: Request) -> Response:
        """What is drawn of some columns."""
        item, facts = await self._item(request)
        if item is None:
            return gone()
        tags = request.query_params.getlist("tag")[:_MOST_TAGS]
        axis = request.query_params.get("x", "step")
        if axis not in AXES:
            return failed(400, f"there is no axis '{axis[:40]}'", remedy=f"known: {', '.join(AXES)}")
        pixels = number(request, "px", 800, 16, 4000)
        per_epoch = facts.head.get("info", {}).get("steps_per_epoch")
        head, drawn = await asyncio.to_thread(
            self._curves.series,
            item,
            tags,
            axis=axis,
            start=number(request, "from", None, -_FAR, _FAR),
            end=number(request, "to", None, -_FAR, _FAR),
            pixels=int(pixels or 800),
            half_life=number(request, "smooth", 0.0, 0.0, _FAR) or 0.0,
            soft=request.query_params.getlist("soft")[:_MOST_TAGS] or None,
            per_epoch=float(per_epoch) if isinstance(per_epoch, int | float) and per_epoch > 0 else None,
        )
        if request.query_params.get("format") == "json":
            return answer(request, as_json(head, drawn))
        return tagged(request, as_binary(head, drawn), "application/octet-stream")

    async def layers(self, request: Request) -> Response:
        """One number of every layer over the steps."""
        item, _ = await self._item(request)
        if item is None:
            return gone()
        field = request.query_params.get("field", "std")
        return answer(request, await asyncio.to_thread(self._curves.layers, item, field))

    async def findings(self, request: Request) -> Response:
        """The findings as they stand."""
        item, facts = await self._item(request)
        return gone() if item is None else answer(request, {"findings": list(facts.findings)})

    async def events(self, request: Request) -> Response:
        """The events after a cursor."""
        item, _ = await self._item(request)
        if item is None:
            return gone()
        cursor = int(number(request, "cursor", 0.0, 0.0, _FAR) or 0)
        events, following = await asyncio.to_thread(events_after, item.folder, cursor)
        return answer(request, {"events": events, "cursor": following})

    async def judged(self, request: Request) -> Response:
        """Which rules judged the run, and which could not."""
        return await self._read(request, "judged", long="run `trainwright report` on its folder")

    async def nearest(self, request: Request) -> Response:
        """Which recorded curves of the gallery the run looks most like."""
        return await self._read(request, "nearest", long="look at its curves")

    async def curvature(self, request: Request) -> Response:
        """How curved the loss is at the weights that the run kept."""
        return await self._read(request, "curvature")

    async def weights(self, request: Request) -> Response:
        """How the weights that the run kept are spread."""
        return await self._read(request, "weights")

    async def report(self, request: Request) -> Response:
        """The report as one page that opens without a server."""
        item, _ = await self._item(request)
        if item is None:
            return gone()
        try:
            page = await self._worker.ask("report", {"folder": str(item.folder)})
        except WorkerError as problem:
            return worker_failed(problem)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", item.folder.name).strip("-.")[:80] or "run"
        headers = {
            "content-disposition": f'attachment; filename="{name}.html"',
            "content-security-policy": _REPORT_POLICY,
            "cache-control": "no-store",
        }
        return Response(page, media_type="text/html", headers=headers)

    async def patched(self, request: Request) -> Response:
        """The run's recipe with the change of one of its own remedies."""
        item, facts = await self._item(request)
        if item is None:
            return gone()
        try:
            asked = await request.json()
            remedy = facts.findings[int(asked["finding"])]["remedies"][int(asked["remedy"])]
            change = dict(remedy["change"])
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return failed(400, "this finding has no such change")
        return await self._asked(request, "patched", {"folder": str(item.folder), "change": change})

    async def changed(self, request: Request) -> Response:
        """What changed since the reader last asked: for browsers that the stream does not reach."""
        await self._changes.look()
        return answer(request, self._changes.since(int(number(request, "since", 0.0, 0.0, _FAR) or 0)))

    async def stream(self, request: Request) -> Response:
        """Changes as they happen."""
        begun = request.headers.get("last-event-id") or request.query_params.get("since", "0")
        last = int(begun) if begun.isascii() and begun.isdigit() and len(begun) < 16 else 0
        return StreamingResponse(
            self._changes.stream(last, self.is_over),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _read(self, request: Request, task: str, *, long: str = "") -> Response:
        """Return what a worker makes of a run's folder; `long` is what to do instead where it would take too long."""
        item, _ = await self._item(request)
        if item is None:
            return gone()
        if long and item.signature[1][0] > _LONGEST_JUDGED:
            return failed(422, "the run is too long to be read again", remedy=long)
        return await self._asked(request, task, {"folder": str(item.folder)})

    async def _asked(self, request: Request, task: str, arguments: dict[str, Any]) -> Response:
        try:
            return answer(request, await self._worker.ask(task, arguments))
        except WorkerError as problem:
            return worker_failed(problem)

    async def _item(self, request: Request) -> tuple[Item | None, Facts]:
        def look() -> tuple[Item | None, Facts]:
            item = self._shelf.find(request.path_params["id"], "run")
            if item is not None:
                item = self._shelf.again(item)
            return item, Facts() if item is None else self._facts.of(item)

        return await asyncio.to_thread(look)
