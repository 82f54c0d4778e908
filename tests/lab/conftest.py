"""One lab for a file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_server import LabServer, serving


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with serving(tmp_path_factory.mktemp("shelf") / "runs") as server:
        yield server
