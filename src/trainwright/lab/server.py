"""The lab's server: which route is whose, the files of the page, and an end that leaves no process behind."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from trainwright.lab.answers import failed, tagged
from trainwright.lab.changes import Changes
from trainwright.lab.curves import Curves
from trainwright.lab.guard import Guard
from trainwright.lab.routes_runs import RunRoutes
from trainwright.lab.routes_simulations import SimulationRoutes
from trainwright.lab.routes_studies import StudyRoutes
from trainwright.lab.shelf import Root, Shelf
from trainwright.lab.workers import Worker

PAGE = "index.html"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a lab shows and to whom. `hosts` are the names under which it may be asked for, beside the loopback's.

    `warm` starts the process that computes before anybody asks for it: importing torch takes seconds.
    """

    roots: tuple[Root, ...]
    token: str
    port: int
    hosts: frozenset[str] = frozenset()
    cache: Path | None = None
    warm: bool = True


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The application, and the switch that ends its streams."""

    app: ASGIApp
    runs: RunRoutes


def make_lab(settings: Settings) -> Lab:
    """Return the whole application; it computes nothing before it is asked, but for a worker that warms up."""
    # Two processes: a search that takes long to read must not keep a slider waiting.
    shelf, worker, reader = Shelf(settings.roots), Worker(), Worker()
    runs = RunRoutes(shelf, Curves(settings.cache), Changes(shelf), reader)
    studies = StudyRoutes(shelf, reader)
    simulations = SimulationRoutes(shelf, worker)
    files = page_files()

    async def static(request: Request) -> Response:
        path = request.path_params["path"] or PAGE
        found = files.get(path)  # looked up among the files of the package: no path is made of what was asked
        if found is None:
            return await _lost(request, HTTPException(404))
        return tagged(request, found, mimetypes.guess_type(path)[0] or "application/octet-stream")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if settings.warm:
            await worker.start()
        yield
        await simulations.close()
        await reader.close()

    routes = [*runs.routes(), *studies.routes(), *simulations.routes(), Route("/{path:path}", static)]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _lost, 405: _lost, 500: _broken})
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=3)
    return Lab(app=Guard(app, token=settings.token, port=settings.port, hosts=settings.hosts), runs=runs)


def page_files() -> Mapping[str, bytes]:
    """Return the files of the page by their names."""
    folder = resources.files("trainwright.lab").joinpath("static")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


async def _lost(request: Request, problem: Exception) -> Response:
    if request.headers.get("sec-fetch-dest") == "document":  # somebody typed an address: they get the page
        return RedirectResponse("/#/nowhere")
    return failed(404, "there is nothing at this address", remedy="start again at /")


async def _broken(request: Request, problem: Exception) -> Response:
    return failed(500, "the lab made a mistake", evidence=type(problem).__name__, remedy="its terminal says more")
