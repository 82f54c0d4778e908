"""A course whose best model is not its last."""

from __future__ import annotations

from typing import Any

from training_courses import (
    make_course,
    net,
    task,
)

from trainwright.records import EvalRecord
from trainwright.training.course import Course


def overfitting_course(**choices: Any) -> Course:
    """Return a course whose validation loss has its minimum long before the end."""
    train, validation = task(40, noise=3.0), task(200, noise=3.0, seed=1)
    choices = {"epochs": 20, "lr": 0.2, "every": 2} | choices
    return make_course(net(), train, validation, **choices)


def validation_records(course: Course) -> list[EvalRecord]:
    return [record for record in course.training.history.evals if record.split == "validation"]
