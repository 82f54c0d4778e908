"""The programs of the ward are what their docstrings declare: runnable, at most three lines apart, with known kinds."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from trainwright.doctor.kinds import CATALOGUE

WARD = Path(__file__).resolve().parents[2] / "ward"
KINDS = {kind.kind for kind in CATALOGUE.values()} | {
    # promised, and on their way into the catalogue
    "accumulation-not-averaged",
    "autocast-not-applied",
    "batch-means-averaged",
    "batch-norm-statistics-stale",
    "best-value-at-edge",
    "class-weights-inverted",
    "clip-before-unscale",
    "clipping-without-effect",
    "collapsed-predictions",
    "evaluating-in-train-mode",
    "exploding-gradients",
    "fp16-underflow",
    "gradients-erased-before-step",
    "gradients-tracked-in-evaluation",
    "graph-kept-alive",
    "missing-backward",
    "missing-optimizer-step",
    "missing-zero-grad",
    "optimizer-recreated",
    "optimizer-state-lost-on-resume",
    "outliers-dominate-loss",
    "overconfident",
    "parameter-rebound",
    "scaler-keeps-skipping",
    "scheduler-before-optimizer",
    "scheduler-never-stepped",
    "slow-data-loading",
    "test-set-used-for-selection",
    "training-in-eval-mode",
    "vanishing-gradients",
    "weight-decay-too-strong",
    "weights-not-loaded",
    "zero-grad-inside-accumulation",
}


def _of_the_ward(name: str) -> ModuleType:
    """Return a module of the ward folder, which is no package: its programs say `from tasks import load`."""
    spec = importlib.util.spec_from_file_location(f"ward_{name}", WARD / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where `dataclass` looks up the annotations
    spec.loader.exec_module(module)
    return module


reader, tasks = _of_the_ward("program"), _of_the_ward("tasks")
PROGRAMS = (*reader.programs(WARD / "fitting"), *reader.programs(WARD / "reporting"))
every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)

EXAMPLE = '''"""The step is missing.

kind: missing-optimizer-step
also: weights-never-updated, underfitting
tasks: digits, blobs
"""
loss = forward()
# fixed: optimizer.zero_grad()
loss.backward()  # here
nothing = 0  # sick
if loss:
    again()  # sick here
    # fixed: optimizer.step()
'''


def _example(folder: Path, text: str = EXAMPLE) -> Path:
    path = folder / "example.py"
    path.write_text(text)
    return path


def test_a_program_is_read_into_two_variants_without_their_markers(tmp_path: Path) -> None:
    program = reader.Program.read(_example(tmp_path))
    body = {variant: program.text(variant).split('"""\n')[-1] for variant in ("sick", "fixed")}
    assert body["sick"] == "loss = forward()\nloss.backward()\nnothing = 0\nif loss:\n    again()\n"
    assert body["fixed"] == (
        "loss = forward()\noptimizer.zero_grad()\nloss.backward()\nif loss:\n    optimizer.step()\n"
    )
    assert program.changed_lines == 2


def test_places_are_counted_in_the_sick_variant(tmp_path: Path) -> None:
    program = reader.Program.read(_example(tmp_path))
    lines = program.text("sick").splitlines()
    assert [lines[place - 1].strip() for place in program.places] == ["loss.backward()", "again()"]


def test_facts_are_read_from_the_docstring_and_left_empty_where_missing(tmp_path: Path) -> None:
    program = reader.Program.read(_example(tmp_path))
    assert (program.fault, program.kind) == ("The step is missing.", "missing-optimizer-step")
    assert (program.also, program.tasks) == (("weights-never-updated", "underfitting"), ("digits", "blobs"))
    assert not program.gap
    assert not program.unseen


@pytest.mark.parametrize(("text", "complaint"), [("x = 1\n", "no docstring"), ('"""A."""\n', "declares no tasks")])
def test_a_program_that_declares_nothing_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        reader.Program.read(_example(tmp_path, text))


@every_program
def test_both_variants_compile_and_are_at_most_three_lines_apart(program) -> None:
    sick, fixed = program.text("sick"), program.text("fixed")
    for text in (sick, fixed, program.path.read_text()):
        compile(text, str(program.path), "exec")
        assert not re.search(r"\btrainwright\b", text)
    assert not re.search(r"# (sick|here|fixed:)", sick + fixed)
    changes = [line[0] for line in difflib.ndiff(sick.splitlines(), fixed.splitlines()) if line[0] in "+-"]
    assert 1 <= max(changes.count("+"), changes.count("-")) <= 3


@every_program
def test_it_declares_known_kinds_known_tasks_and_a_place(program) -> None:
    assert {program.kind, *program.also} <= KINDS
    assert program.kind not in program.also
    assert set(program.tasks) <= set(tasks.NAMES)
    assert program.tasks
    assert program.places or program.place.startswith("none, ")
    assert not program.gap or program.gap.startswith("none, ")


@pytest.mark.parametrize("name", tasks.NAMES)
def test_a_task_is_a_pure_function_of_its_seed(name: str) -> None:
    first, again, other = tasks.load(name, 3), tasks.load(name, 3), tasks.load(name, 4)
    assert first.x.equal(again.x)
    assert first.y_held_out.equal(again.y_held_out)
    assert not first.x.equal(other.x)
    assert len(first.x) + len(first.x_held_out) <= 2000


def test_an_unknown_task_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="digits"):
        tasks.load("mnist", 0)


@pytest.mark.parametrize("name", ["loss_likelihood_minimised", "model_dead_relu", "labels_log_of_zero"])
def test_the_fixed_twin_beats_the_sick_program(name: str, monkeypatch, capsys) -> None:
    program = next(program for program in PROGRAMS if program.name == name)
    task = program.tasks[1]
    monkeypatch.setitem(sys.modules, "tasks", tasks)
    monkeypatch.setattr(sys, "argv", [str(program.path), "0", task])
    scores = {}
    for variant in ("sick", "fixed"):
        exec(compile(program.text(variant), str(program.path), "exec"), {"__name__": "__main__"})
        last = capsys.readouterr().out.splitlines()[-1]
        scores[variant] = float(re.fullmatch(r"score (\S+)", last)[1])  # type: ignore[index]
    assert not scores["fixed"] < scores["sick"] + 0.05  # a sick program may end in NaN
