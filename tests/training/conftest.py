from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from trainwright.randomness import isolated

# Several workers of one thread each are faster than as many of several threads, which wait for one another.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_randomness() -> Iterator[None]:
    """Let every test draw the same numbers, whatever ran before it."""
    with isolated(0):
        yield
