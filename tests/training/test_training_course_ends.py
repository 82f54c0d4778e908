"""How a course ends other than by its last step: by divergence, by an interrupt, by an error."""

from __future__ import annotations

import itertools
import math
from typing import Any, cast

import pytest
import torch
from torch import nn
from training_courses import (
    Record,
    Watcher,
    carried_out,
    make_course,
    net,
    quantities,
    task,
)
from training_overfitting import overfitting_course, validation_records

from trainwright.interruption import Interrupted
from trainwright.parts.losses import mse
from trainwright.records import EvalRecord
from trainwright.tensors import digest
from trainwright.training.course import Conclusion, Course
from trainwright.training.evaluate import Evaluator


def runaway(rate: float = 1e12, **choices: Any) -> tuple[Course, Conclusion]:
    course = make_course(net(1), quantities(), quantities(20, seed=1), kind="regression", loss=mse, lr=rate, **choices)
    return course, carried_out(course)


@pytest.mark.parametrize("level", ["off", "light", "full"])
def test_divergence_is_an_outcome_and_leaves_finite_weights(level: str) -> None:
    course, conclusion = runaway(level=level)
    assert conclusion.outcome.status == "diverged"
    steps = course.training.history.steps
    assert conclusion.outcome.steps == len(steps) - 1 == steps[-1].step
    assert f"not finite at step {steps[-1].step}" in conclusion.outcome.reason
    norm = steps[-1].gradient_norm
    assert not math.isfinite(steps[-1].loss) or (norm is not None and not math.isfinite(norm))
    assert all(bool(value.isfinite().all()) for value in course.training.model.state_dict().values())
    events = [event for event in course.training.history.events if event.name == "non-finite"]
    assert [event.step for event in events] == [steps[-1].step]
    assert conclusion.outcome.best_step is not None
    assert math.isfinite(conclusion.outcome.best["validation"]["loss"])


def test_a_diverged_run_is_the_same_at_every_level_of_the_doctor() -> None:
    assert len({runaway(level=level)[1].digest for level in ("off", "light", "full")}) == 1


def test_the_loss_that_was_not_finite_stays_on_record() -> None:
    course = make_course(net(), task(50), loss=_nan_at_five())
    conclusion = carried_out(course)
    losses = [record.loss for record in course.training.history.steps]
    assert (conclusion.outcome.status, conclusion.outcome.steps) == ("diverged", 5)
    assert all(map(math.isfinite, losses[:-1]))
    assert math.isnan(losses[-1])


def _nan_at_five() -> Any:
    """Return a loss whose sixth value in training is NaN, and which has no effect on evaluation."""
    seen = 0

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        value = nn.functional.cross_entropy(output, target)
        if not output.requires_grad:
            return value
        seen += 1
        return value * math.nan if seen >= 6 else value

    return loss


def interrupt_at(count: int) -> Watcher:
    left = itertools.count(count, -1)

    def action(record: Record) -> None:
        if next(left) == 0:
            raise KeyboardInterrupt

    return Watcher(action)


@pytest.mark.parametrize("count", range(15))
def test_an_interrupt_at_any_record_is_an_outcome_and_leaves_the_best_model(count: int) -> None:
    course = overfitting_course(level="full", observers=[interrupt_at(count)])
    conclusion = carried_out(course)
    outcome = conclusion.outcome
    history = course.training.history
    assert outcome.status == "interrupted"
    assert outcome.steps == len(history.steps)
    assert all(bool(value.isfinite().all()) for value in course.training.model.state_dict().values())
    # What is left is what was said: the best evaluation but for one that the interrupt cut short.
    again = course.evaluator(course.splits["validation"], split="validation", step=0, epoch=0.0)
    assert outcome.best["validation"]["loss"] == again.loss
    if outcome.best_step is not None:
        known = {record.step: record.loss for record in validation_records(course)}
        assert known[outcome.best_step] == again.loss


def test_an_interrupt_before_the_first_evaluation_has_ended_leaves_the_untrained_model() -> None:
    course = overfitting_course(observers=[interrupt_at(0)])
    untrained = digest(course.training.model.state_dict())
    outcome = carried_out(course).outcome
    assert (outcome.status, outcome.steps, outcome.best_step) == ("interrupted", 0, None)
    assert digest(course.training.model.state_dict()) == untrained


def test_an_interrupt_of_the_closing_measurements_is_an_outcome_too() -> None:
    class AtTheEnd:
        """The evaluator, which is interrupted where the split is measured that only the end asks for."""

        def __init__(self, evaluator: Evaluator) -> None:
            self.evaluator = evaluator

        def __getattr__(self, name: str) -> Any:
            return getattr(self.evaluator, name)

        def __call__(self, feed: Any, *, split: str, **place: Any) -> EvalRecord:
            if split == "train":
                raise Interrupted("told to end (SIGTERM)", 143)
            return self.evaluator(feed, split=split, **place)

    course = overfitting_course()
    course.evaluator = cast(Evaluator, AtTheEnd(course.evaluator))
    course.splits = {"validation": course.splits["validation"], "train": course.splits["train"]}
    outcome = carried_out(course).outcome
    assert (outcome.status, outcome.reason) == ("interrupted", "told to end (SIGTERM)")
    assert list(outcome.best) == ["validation"]


def test_an_error_of_an_observer_is_not_swallowed() -> None:
    def fail(record: Record) -> None:
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        carried_out(make_course(net(), task(20), observers=[Watcher(fail)]))
