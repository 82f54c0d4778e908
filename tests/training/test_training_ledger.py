"""The books of a run balance, or say where they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from training_courses import carried_out, make_course, net, task

from trainwright.records import Ledger
from trainwright.training.ledger import ledger_of

SOUND = Ledger(planned=10, attempted=10, performed=9, skipped=1, refused=0, clipped=3, samples=160, planned_samples=160)


def test_books_that_balance_have_no_problem() -> None:
    assert SOUND.problems == ()
    assert replace(SOUND, attempted=4, performed=4, skipped=0, samples=64, complete=False).problems == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"performed": 8}, "performed"),
        ({"attempted": 9, "performed": 8}, "planned"),
        ({"attempted": 11, "performed": 10, "complete": False}, "planned"),
        ({"samples": 159}, "samples"),
        ({"rate_deviation": 0.01}, "schedule"),
    ],
)
def test_books_that_do_not_balance_are_marked(change: dict[str, float], word: str) -> None:
    (problem, *_) = replace(SOUND, **change).problems  # type: ignore[arg-type]
    assert word in problem


def test_a_finished_run_accounts_for_every_sample_and_rate() -> None:
    course = make_course(net(), task(50), epochs=3, batch_size=16, clip_norm=1e-3, schedule=lambda step: 1 - step / 50)
    course.training.step.rates.planned_steps = 1000
    ledger = carried_out(course).outcome.ledger
    assert ledger is not None
    assert (ledger.planned, ledger.attempted, ledger.performed) == (12, 12, 12)
    assert (ledger.samples, ledger.planned_samples) == (150, 150)
    assert ledger.clipped == 12
    assert ledger.rate_deviation == 0.0
    assert ledger.problems == ()


def test_a_rate_that_somebody_else_set_is_found() -> None:
    course = make_course(net(), task(32), epochs=2, batch_size=16)
    carried_out(course)
    history = course.training.history
    history.steps[1] = replace(history.steps[1], rate=history.steps[1].rate * 2)
    ledger = ledger_of(course.training, complete=True)
    assert ledger.rate_deviation == pytest.approx(1.0)
    assert "schedule" in ledger.problems[0]


def test_a_refused_step_is_an_attempt_that_was_not_performed() -> None:
    class Explodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5, 3))
            self.passes = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.passes += self.training
            return x @ self.weight * (torch.inf if self.passes > 3 else 1.0)

    outcome = carried_out(make_course(Explodes(), task(64), epochs=2, batch_size=16)).outcome
    assert outcome.status == "diverged"
    assert outcome.ledger is not None
    assert (outcome.ledger.attempted, outcome.ledger.performed, outcome.ledger.refused) == (4, 3, 1)
    assert outcome.ledger.problems == ()


def test_a_run_of_a_given_number_of_steps_ends_within_an_epoch() -> None:
    course = make_course(net(), task(64), epochs=3, batch_size=16)
    course.training.steps_limit = 6
    outcome = carried_out(course).outcome
    assert outcome.steps == 6
    assert outcome.ledger is not None
    assert outcome.ledger.planned_samples is None
    assert outcome.ledger.problems == ()
    assert course.training.history.evals[-1].step == 6
