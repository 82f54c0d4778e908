"""A fixed slice of the ward: sick programs are named at their lines, their twins and the controls get no alarm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SICK = (
    "loop_no_zero_grad_trainer",
    "loop_zero_grad_before_step",
    "loop_no_step",
    "loop_output_layer_not_in_optimizer",
    "loop_clip_before_unscale",
    "loss_softmax_module",
    "loss_broadcast_mse",
    "rate_sgd_diverges",
    "rate_scheduler_never_stepped",
    "modes_eval_not_restored_dropout",
)
HEALTHY = ("plain_cnn", "accumulate_eight", "gan_zeroed_generator", "lbfgs_closure", "mc_dropout")
VISIT = """
import json, sys
import numpy, sklearn.datasets, torch
import trainwright.watching.watch
from ward.patient import WARD, plain, visit
from ward.program import Program

torch.set_num_threads(1)
for job in sys.argv[1:]:
    folder, name, variant = job.split("|")
    program = Program.read(WARD / folder / f"{name}.py")
    seen = plain(visit(program, variant, program.tasks[0], 0))
    print(json.dumps({**seen, "right": [program.kind, *program.also], "places": program.places}))
"""


@pytest.fixture(scope="session")  # other modules of its group may run between its tests
def visits() -> dict[tuple[str, str], dict]:
    """Run the whole slice in processes forked from one that has imported torch."""
    jobs = [f"fitting|{name}|{variant}" for name in SICK for variant in ("sick", "fixed")]
    jobs += [f"controls|{name}|healthy" for name in HEALTHY]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", VISIT, *jobs], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return {(seen["name"], seen["variant"]): seen for seen in map(json.loads, done.stdout.splitlines())}


@pytest.mark.xdist_group("ward")
@pytest.mark.parametrize("name", SICK)
def test_a_sick_program_is_named_first_at_its_line_and_its_twin_is_not(name: str, visits) -> None:
    sick, fixed = visits[name, "sick"], visits[name, "fixed"]
    first = sick["findings"][0]
    assert first["kind"] in sick["right"]
    assert first["line"] in sick["places"]
    assert len(sick["findings"]) <= 3
    assert [found for found in fixed["findings"] if found["severity"] != "note"] == []
    assert sick["problem"] == fixed["problem"] == ""


@pytest.mark.xdist_group("ward")
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_control_gets_no_alarm(name: str, visits) -> None:
    seen = visits[name, "healthy"]
    assert [found for found in seen["findings"] if found["severity"] != "note"] == []
    assert seen["problem"] == seen["error"] == ""
    assert seen["steps"] > 0
