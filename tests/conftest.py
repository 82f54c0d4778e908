"""One thread for each worker, the same random numbers for every test whatever ran before it, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

# Before torch is imported, and for the processes that tests start: pytest-xdist starts a worker for each core, and
# several workers of several threads each wait for one another most of the time.
os.environ["OMP_NUM_THREADS"] = "1"

import torch

from trainwright.randomness import isolated

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_randomness() -> Iterator[None]:
    """Let every test draw the same numbers."""
    with isolated(0):
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "no chromium on the path, so the page cannot be looked at"
        if os.environ.get("TRAINWRIGHT_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()
