"""How routes answer: JSON that an unchanged reader need not load again, and one form for everything that fails."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from trainwright.lab.workers import WorkerError
from trainwright.records import to_plain


def answer(request: Request, document: Any) -> Response:
    """Return plain values as JSON; 304 without a body where the reader has the same already."""
    body = json.dumps(to_plain(document, strict=True), allow_nan=False, separators=(",", ":")).encode()
    return tagged(request, body, "application/json")


def tagged(request: Request, body: bytes, media_type: str) -> Response:
    """Return bytes under a tag of their content."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def failed(status: int, what: str, *, evidence: str = "", remedy: str = "") -> Response:
    """Return an error as the page shows it."""
    return _error(status, {"what": what, "evidence": evidence, "remedy": remedy})


def gone(what: str = "run") -> Response:
    """Return that nothing has this identifier."""
    return failed(
        404, f"there is no such {what}", evidence="its folder is not, or no longer, among those that are read"
    )


def worker_failed(problem: WorkerError) -> Response:
    """Return what a worker could not do: a value that was not legal, most of the time."""
    return _error(422, problem.error)


def _error(status: int, error: Mapping[str, str]) -> Response:
    body = json.dumps({"error": error}).encode()
    return Response(body, status_code=status, media_type="application/json", headers={"cache-control": "no-store"})


def number(request: Request, name: str, default: float | None, low: float, high: float) -> float | None:
    """Return a number of the query, kept within its limits; the default where there is none that can be read."""
    text = request.query_params.get(name, "")
    try:
        value = float(text)
    except ValueError:
        return default
    return min(max(value, low), high) if value == value else default
