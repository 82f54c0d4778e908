"""Runs that go wrong, repaired or not, and what is on record of it."""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from training_courses import Pair, make_course, quantities

from trainwright.parts.losses import mse
from trainwright.randomness import isolated
from trainwright.records import Event
from trainwright.training.course import Conclusion, Course
from trainwright.training.repair import Repair


def linear(outputs: int = 1) -> nn.Linear:
    with isolated(0):
        return nn.Linear(5, outputs)


def repaired(course: Course, *, apply: bool = True) -> Course:
    """Return the course with a repair, as the verb `train` puts it together."""
    course.training.repair = Repair(apply=apply)
    course.evaluator.finite_only = apply
    return course


def diverging(model: nn.Module | None = None, *, lr: float = 10.0, epochs: int = 60, **choices: Any) -> Course:
    """Return a course on a regression whose rate is far beyond what the curvature allows."""
    return make_course(
        model or linear(), quantities(64), quantities(32, seed=1), kind="regression", loss=mse, lr=lr, epochs=epochs,
        **choices,
    )  # fmt: skip


def with_bad(rows: tuple[int, ...], *, part: str = "inputs", value: float = math.nan, count: int = 50) -> Pair:
    x, y = quantities(count)
    (x if part == "inputs" else y)[list(rows), 0] = value
    return x, y


def repairs(course: Course) -> list[Event]:
    return [event for event in course.training.history.events if event.name == "repair"]


def last_loss(ended: Conclusion) -> float:
    return ended.outcome.best["validation"]["loss"]


def sound_books(ended: Conclusion) -> bool:
    assert ended.outcome.ledger is not None
    return ended.outcome.ledger.problems == ()
