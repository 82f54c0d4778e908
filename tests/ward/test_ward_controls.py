"""The healthy controls of the ward are what they say: plain programs that train to the score they state."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

WARD = Path(__file__).resolve().parents[2] / "ward"
CONTROLS = sorted((WARD / "controls").glob("*.py"))
TASKS = set(re.findall(r'^    "(\w+)": \(_', (WARD / "tasks.py").read_text(), re.MULTILINE)) | {"own"}
PORTED = set(range(1, 26))  # the rows of the list of controls that naive rules would flag
SLICE = ("plain_mlp", "manual_sgd", "lbfgs_closure", "evaluate_only", "never_trains")

# Imports torch once and forks for every control, so that each has a process of its own and none waits for an import.
RUN_ALL = """
import os, runpy, sys, warnings
import numpy, sklearn.datasets, sklearn.model_selection, torch.utils.data, torch.optim, tasks

warnings.simplefilter("error", UserWarning)
for job in sys.argv[1:]:
    path, task, seed = job.split("|")
    print(f"job {path}|{task}", flush=True)
    child = os.fork()
    if not child:
        sys.argv = [path, seed, task]
        runpy.run_path(path, run_name="__main__")
        sys.exit()
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{path} failed on {task}")
"""


def _facts(path: Path) -> dict[str, str]:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return dict(re.findall(r"^(control|tasks|score): (.+)$", docstring, re.MULTILINE))


def _shortfalls(paths: list[Path], seed: int = 0, tasks: int | None = None) -> dict[str, str]:
    """Run controls to their ends, each in its own process, and return those that miss the score they state."""
    stated = {path: _facts(path) for path in paths}
    jobs = [f"{path}|{task}|{seed}" for path in paths for task in stated[path]["tasks"].split(", ")[:tasks]]
    environment = {**os.environ, "PYTHONPATH": str(WARD), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *jobs], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^job (.+)\|(\w+)\n(?:(?!job ).*\n)*?score (-?[\d.]+)$", done.stdout, re.MULTILINE)
    assert len(found) == len(jobs)
    return {f"{path} {task}": score for path, task, score in found if float(score) < float(stated[Path(path)]["score"])}


def test_every_control_declares_what_it_is_where_it_runs_and_what_it_reaches() -> None:
    for path in CONTROLS:
        facts = _facts(path)
        assert set(facts) == {"control", "tasks", "score"}, path
        assert set(facts["tasks"].split(", ")) <= TASKS, path
        assert 0.5 < float(facts["score"]) < 1, path


def test_every_control_is_an_ordinary_program_that_never_names_the_doctor() -> None:
    for path in CONTROLS:
        text = path.read_text()
        assert "trainwright" not in text, path
        assert "# sick" not in text, path
        assert 'print(f"score ' in text, path


def test_every_control_of_the_catalogue_has_its_program() -> None:
    numbers = [int(number) for path in CONTROLS for number in re.findall(r"\d+", _facts(path)["control"])]
    assert set(numbers) >= PORTED
    assert len(CONTROLS) >= 60


def test_a_slice_of_the_controls_runs_to_its_end_and_reaches_the_scores_stated() -> None:
    assert not _shortfalls([WARD / "controls" / f"{name}.py" for name in SLICE], tasks=1)


@pytest.mark.slow
def test_every_control_reaches_its_score_on_every_task() -> None:
    assert not _shortfalls(CONTROLS)
