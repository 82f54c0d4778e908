"""One thread for each worker, and the same random numbers for every test whatever ran before it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

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
