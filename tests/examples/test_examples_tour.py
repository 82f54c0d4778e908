"""The tour notebook runs from its first cell to its last, and no cell is flooded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOUR = Path(__file__).parents[2] / "examples" / "tour.ipynb"
# In a process of its own, whose kernel is this interpreter, whatever kernels are installed.
EXECUTE = """
import sys
import jupyter_client, nbclient, nbformat
manager = jupyter_client.KernelManager()
manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": "."}}).execute()
nbformat.write(notebook, sys.argv[2])
"""


def code_cells(file: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(file.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_every_cell_of_the_tour_runs_and_none_is_flooded(tmp_path: Path) -> None:
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package, reason="comes with the extra 'test'")
    folder, executed = tmp_path / "empty", tmp_path / "executed.ipynb"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(TOUR), str(executed)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(folder.iterdir()) == []  # a tour leaves nothing behind
    shown = []
    for cell in code_cells(executed):
        kinds = [output["output_type"] for output in cell["outputs"]]
        assert kinds in ([], ["display_data"], ["execute_result"], ["display_data", "execute_result"]), cell["source"]
        shown += [output["data"] for output in cell["outputs"] if output["output_type"] == "execute_result"]
    assert sum("text/html" in data for data in shown) >= 7
    text = "\n".join("".join(data["text/plain"]) for data in shown)
    assert "error[TW501]" in text
    assert "error[TW301]" in text


def test_the_tour_is_kept_without_its_outputs() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(TOUR))
