"""A run that was broken off and gone on with is the run that never was: every bit, every record, wherever the cut."""

from __future__ import annotations

from typing import Any

import pytest
from training_resumed import COURSES, run_through, traces, untouched

_WHOLE: dict[str, tuple[dict[str, Any], int]] = {}


def whole(name: str) -> tuple[dict[str, Any], int]:
    """Return the traces of the uninterrupted run, and its steps; made once."""
    if name not in _WHOLE:
        course, conclusion = run_through(COURSES[name])
        _WHOLE[name] = traces(course, conclusion), len(course.training.history.steps)
    return _WHOLE[name]


@pytest.mark.parametrize("name", COURSES)
def test_a_cut_after_any_step_leaves_no_trace(name: str) -> None:
    expected, steps = whole(name)
    for cut in {*range(1, steps + 1, 1 + steps // 25), steps}:
        got = traces(*run_through(COURSES[name], [cut]))
        assert {key for key in got if got[key] != expected[key]} == set(), f"cut after step {cut}"


@pytest.mark.parametrize("name", COURSES)
def test_several_cuts_leave_no_trace_either(name: str) -> None:
    expected, steps = whole(name)
    for cuts in ([1, 2], [2, 3], [1, steps - 1, steps], [steps // 2, steps // 2 + 1, steps // 2 + 2]):
        got = traces(*run_through(COURSES[name], sorted(set(cuts))))
        assert {key for key in got if got[key] != expected[key]} == set(), f"cuts after steps {cuts}"


NOT_NEEDED = {
    "seconds": "how long a run took is no part of what it computes",
    "generators/torch": "seeded anew before each step; kept for code of the user's that draws outside a step",
    "generators/cuda": "the same, and there is no such device here",
    "rates/base_rate": "the same in an optimizer that is made again as it was; kept against one that was not",
    "rates/base_rates": "the same",
    "rates/planned_steps": "the same unless the run is made longer",
    "rates/since": "0 unless the run was made longer before",
    "snapshot/step": "told by the place as well",
    "best/direction": "a loss is always best when it is lowest",
    "repair/health/constant_loss": "not known in these courses",
    "best_values": "measured again where they are missing, and the same then",
    "clip/value": "no course clips entry by entry",
}
"""Entries whose loss no course can show, and why."""


def entries(tree: dict[str, Any]) -> list[str]:
    """Return every entry of a state by its path: those of plain dicts one by one, tensors and their like as a whole."""
    inner = ("place", "snapshot", "rates", "clip", "repair", "best", "generators")
    found = []
    for key, value in tree.items():
        parts = [f"{key}/{part}" for part in value] if key in inner and isinstance(value, dict) else [key]
        found += parts
    return found


def without(tree: dict[str, Any], fresh: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the state with one entry as it stands where it was not put back."""
    key, _, part = path.partition("/")
    if not part:
        return {**tree, key: fresh[key]}
    old = fresh[key][part] if fresh[key] is not None else _NOT_BEGUN[part]
    return {**tree, key: {**tree[key], part: old}}


_NOT_BEGUN = {
    "made": 0, "bad_batches": 0, "undone": 0, "known_bad": [], "anchor": 0, "newer": None, "goal": None, "health": {},
}  # fmt: skip
"""Of a repair that has not begun."""


ENTRIES = [path for path in entries({**untouched(COURSES["repaired"]), "repair": _NOT_BEGUN}) if path not in NOT_NEEDED]


@pytest.mark.parametrize("path", ENTRIES)
def test_no_entry_of_the_state_can_be_left_out(path: str) -> None:
    assert any(notices(name, path) for name in COURSES), f"nothing came out differently without {path}"


def notices(name: str, path: str) -> bool:
    """Say whether some cut of a course comes out differently where `path` is not put back."""
    expected, steps = whole(name)
    fresh = untouched(COURSES[name])
    for cut in sorted({2, steps // 2, steps - 1, steps}):
        try:
            course, conclusion = run_through(COURSES[name], [cut], lambda tree: without(tree, fresh, path))
        except Exception:  # what breaks is noticed as well
            return True
        if traces(course, conclusion) != expected:
            return True
    return False
