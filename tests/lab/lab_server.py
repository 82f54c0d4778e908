"""A lab for tests: the real application on a real port, planted run folders, and requests as bytes where it matters."""

from __future__ import annotations

import http.client
import json
import math
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from trainwright.lab.guard import ASKED_HEADER
from trainwright.lab.server import Settings, make_lab
from trainwright.lab.shelf import Root

TOKEN = "a-token-of-tests-0123456789"
_JSON = {"content-type": "application/json", ASKED_HEADER.decode(): "1"}


@dataclass(frozen=True)
class LabServer:
    """A running lab and how to ask it."""

    port: int
    folder: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.base}/?token={TOKEN}"

    def ask(
        self, path: str, *, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body; the token comes along."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"authorization": f"Bearer {TOKEN}", **(_JSON if body is not None else {}), **(headers or {})}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        result = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        connection.close()
        return result

    def json(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """Return the answer as values; the test fails where it is an error."""
        status, _, text = self.ask(path, method=method, body=body)
        assert status == 200, text
        return json.loads(text)

    def run(self, name: str) -> str:
        """Return the identifier of the run called `name`."""
        return next(run["id"] for run in self.json("/api/runs")["runs"] if run["name"].endswith(name))

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return the whole answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def serving(folder: Path, *, cache: Path | None = None) -> Iterator[LabServer]:
    """Serve the runs in `folder` from a thread of this process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        port = int(listening.getsockname()[1])
        lab = make_lab(Settings(roots=(Root(folder=folder),), token=TOKEN, port=port, cache=cache, warm=False))
        config = uvicorn.Config(lab.app, log_level="error", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        lab.runs.is_over = lambda: server.should_exit
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield LabServer(port, folder)
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def step_line(step: int, loss: float, **facts: Any) -> str:
    """Return a line as the run writer writes it."""
    record = {
        "record": "step",
        "step": step,
        "epoch": step // 10,
        "loss": loss,
        "rate": 0.1,
        "samples": 32,
        "penalty": None,
        "gradient_norm": 1.5,
        "clipped_norm": 1.5,
        "clipped": False,
        "skipped": False,
        "update_ratio": None,
        "probe": None,
        "seconds": 0.01,
    }
    return json.dumps(record | facts) + "\n"


def plant(
    folder: Path,
    losses: Sequence[float] = (1.0, 0.5),
    *,
    title: str = "planted",
    outcome: str | None = "finished",
    findings: Sequence[Any] = (),
    schema: int = 1,
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder by hand."""
    folder.mkdir(parents=True)
    info = {"name": title, "task": "classification", "loss": "cross_entropy", "optimizer": "adamw", "model": "mlp"}
    info |= {"outputs": 10, "planned_steps": len(losses), "steps_per_epoch": 10, "metric": "accuracy"}
    head: dict[str, Any] = {"schema": schema, "info": info | {"settings": settings or {}}, "findings": list(findings)}
    if outcome:
        head["outcome"] = {"status": outcome, "reason": "", "best": {}, "steps": len(losses), "seconds": 1.0}
    (folder / "run.json").write_text(json.dumps(head), encoding="utf-8")
    lines = "".join(step_line(step, loss) for step, loss in enumerate(losses))
    (folder / "metrics.jsonl").write_text(lines, encoding="utf-8")
    (folder / "events.jsonl").write_text("", encoding="utf-8")
    return folder


def finding(**facts: Any) -> dict[str, Any]:
    """Return a finding as a run's file holds it."""
    return {
        "code": "TW803",
        "kind": "non-finite-loss",
        "severity": "error",
        "title": "the loss is not finite",
        "where": {"file": "train.py", "line": 41, "module": None, "parameter": None},
        "step": 3,
        "evidence": [{"name": "loss", "value": math.nan, "threshold": None, "step": 3, "unit": ""}],
        "because": "the logarithm of zero is minus infinity",
        "remedies": [{"text": "keep the input of the logarithm above zero", "change": None}],
        "confidence": 1.0,
    } | facts
