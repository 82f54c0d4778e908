"""Live runs: seen as they begin, stalled when they are killed, and never slowed by those who look."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_server import LabServer, plant, serving, step_line
from playwright.sync_api import Browser

WRITER = """
import sys, time
from pathlib import Path
from trainwright.records import EvalRecord, RunInfo, StepRecord
from trainwright.runs.writer import RunWriter
writer = RunWriter(Path(sys.argv[1]), RunInfo(name="live", planned_steps=100000), recipe="", facts={})
print("begun", flush=True)
for step in range(100000):
    loss = 1.0 / (step + 1)
    writer.observe(StepRecord(step=step, epoch=0, loss=loss, rate=0.1, samples=1, seconds=0.02))
    if step % 10 == 0:
        facts = dict(metrics={}, samples=1)
        writer.observe(EvalRecord(step=step, epoch=0, split="validation", loss=loss, loss_error=0.0, **facts))
    time.sleep(0.02)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabServer]:
    (tmp_path / "runs").mkdir()
    with serving(tmp_path / "runs") as lab:
        yield lab


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "runs" / "live")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.browser
def test_a_live_run_appears_grows_is_killed_and_shown_as_stalled(
    server: LabServer, browser: Browser, writer: subprocess.Popen[str]
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.address)
    page.wait_for_selector("text=runs/live", timeout=20_000)
    page.get_by_role("link", name="runs/live").click()
    page.wait_for_selector("text=running")
    page.wait_for_selector(".plot canvas")

    def steps() -> int:
        return int(re.sub(r"\D.*", "", page.locator(".figures dd").last.inner_text().replace("\u202f", "")))

    before = steps()
    page.wait_for_timeout(3_000)
    assert steps() > before
    writer.send_signal(signal.SIGKILL)
    page.wait_for_selector("text=stalled: nothing written", timeout=30_000)
    context.close()


def test_a_new_run_is_told_of_within_two_seconds(server: LabServer, writer: subprocess.Popen[str]) -> None:
    head = b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-token-of-tests-0123456789\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        text = b""
        while text.count(b"event: changes") < 3:  # what was there, and two more as it is written
            text += connection.recv(4096)
    identifier = server.run("runs/live")
    assert text.count(identifier.encode()) >= 2


@pytest.mark.browser
def test_eight_tabs_share_one_stream_and_all_are_live(
    server: LabServer, browser: Browser, writer: subprocess.Popen[str]
) -> None:
    context = browser.new_context()
    pages = [context.new_page() for _ in range(8)]
    streams: list[str] = []
    context.on("request", lambda request: streams.extend([request.url] if "/api/stream" in request.url else []))
    for page in pages:
        page.goto(server.address)
    for page in pages:
        page.wait_for_selector("text=runs/live", timeout=30_000)
        page.wait_for_selector(".connection.live", timeout=30_000)
    assert len(streams) == 1
    context.close()


@pytest.mark.slow
def test_twenty_readers_change_nothing_of_a_training(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[data]\nsource = "digits"\n[train]\nepochs = 8\n')

    def trained(name: str) -> str:
        folder = tmp_path / "runs" / name
        command = [sys.executable, "-m", "trainwright", "train", str(recipe), "--folder", str(folder)]
        subprocess.run(command, check=True, capture_output=True, env=os.environ)
        return json.loads((folder / "run.json").read_text())["digest"]

    quiet = trained("quiet")
    over = threading.Event()
    with serving(tmp_path / "runs") as server:

        def read() -> None:
            while not over.is_set():
                for run in server.json("/api/runs")["runs"]:
                    for path in ("", "/tags", "/series?tag=loss", "/layers", "/events?cursor=0"):
                        server.ask(f"/api/runs/{run['id']}{path}")
                time.sleep(0.01)

        readers = [threading.Thread(target=read) for _ in range(20)]
        for reader in readers:
            reader.start()
        watched = trained("watched")
        over.set()
        for reader in readers:
            reader.join()
    assert watched == quiet


@pytest.mark.slow
def test_five_runs_of_a_million_steps_are_drawn_with_their_spike(tmp_path: Path) -> None:
    first = plant(tmp_path / "runs" / "long-0")
    line = step_line(123, 0.5).replace('"step": 123', '"step": %d').replace('"loss": 0.5', '"loss": %s')
    with open(first / "metrics.jsonl", "w") as file:
        file.writelines(line % (step, 99.0 if step == 517_331 else 0.5) for step in range(1_000_000))
    for number in range(1, 5):
        shutil.copytree(first, first.with_name(f"long-{number}"))
    with serving(tmp_path / "runs", cache=tmp_path / "cache") as server:
        for number in range(5):
            path = f"/api/runs/{server.run(f'long-{number}')}"
            while server.json(f"{path}/tags")["read"] < 1.0:
                pass
            series = server.json(f"{path}/series?tag=loss&format=json&px=900")["series"][0]
            assert series["total"] == 1_000_000
            assert series["shown"] <= 3_604
            assert series["x"][series["y"].index(99.0)] == 517_331
    with serving(tmp_path / "runs", cache=tmp_path / "cache") as server:  # from what was kept, at the first question
        begun = server.json(f"/api/runs/{server.run('long-0')}/series?tag=loss&format=json")
        assert begun["read"] == 1.0
        assert begun["series"][0]["total"] == 1_000_000
