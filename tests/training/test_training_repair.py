"""A run that would end in numbers that are none is put right, or the repair that would have is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training_courses import Record, Watcher, carried_out, make_course, net, quantities, task
from training_repaired import diverging, last_loss, linear, repaired, repairs, sound_books, with_bad

from trainwright.parts.losses import mse
from trainwright.randomness import isolated
from trainwright.records import StepRecord
from trainwright.tensors import copy_state, digest
from trainwright.training.averaging import ExponentialAverage, OptimizerAverage
from trainwright.training.course import Conclusion, Course
from trainwright.training.health import EARLY, WINDOW, Health
from trainwright.training.precision import Precision
from trainwright.training.repair import MOST_REPAIRS, RATE_FACTOR
from trainwright.training.snapshot import Snapshot


def test_a_run_that_diverges_is_repaired_and_ends_well_beside_the_same_run_without() -> None:
    without, course = diverging(), repaired(diverging())
    lost, saved = carried_out(without), carried_out(course)
    assert lost.outcome.status == "diverged"
    assert saved.outcome.status == "finished"
    assert "went back" in saved.outcome.reason
    assert last_loss(saved) < 0.05 < 1 < last_loss(lost)
    assert sound_books(saved)
    assert saved.outcome.ledger is not None
    assert saved.outcome.ledger.repairs == len(repairs(course)) > 0
    assert saved.outcome.ledger.undone > 0


def test_a_finding_stays_and_says_what_was_done() -> None:
    course = repaired(diverging())
    (finding,) = [one for one in carried_out(course).findings if one.kind == "learning-rate-too-high"]
    assert finding.severity == "error"
    assert any(evidence.name.startswith("repaired: ") for evidence in finding.evidence)


def test_every_repair_is_on_record_with_its_step_its_goal_and_its_rate() -> None:
    course = repaired(diverging())
    carried_out(course)
    for number, event in enumerate(repairs(course), start=1):
        assert event.detail["applied"]
        assert event.detail["action"] == "go back"
        assert event.detail["to_step"] <= event.step
        assert event.detail["undone"] > 0
        assert event.detail["new_rate"] == pytest.approx(10 * RATE_FACTOR**number)
        assert event.detail["change"]["optimizer.lr"] == event.detail["new_rate"]


def draw(record: Record) -> None:
    torch.rand(2)


@pytest.mark.parametrize(
    "choices",
    [{}, {"every": 1}, {"every": 7}, {"level": "light"}, {"observers": [Watcher(draw)]}],
    ids=["again", "every step", "every 7 steps", "doctor", "observer"],
)
def test_a_repaired_run_is_the_same_bit_by_bit_however_it_is_watched(choices: dict[str, Any]) -> None:
    plain = carried_out(repaired(diverging(epochs=20)))
    assert carried_out(repaired(diverging(epochs=20, **choices))).digest == plain.digest


@pytest.mark.parametrize("apply", [True, False])
def test_a_healthy_run_is_left_alone(apply: bool) -> None:
    plain = make_course(net(), task(50), task(30, seed=1), epochs=20)
    course = repaired(make_course(net(), task(50), task(30, seed=1), epochs=20), apply=apply)
    assert carried_out(course).digest == carried_out(plain).digest
    assert repairs(course) == []


def test_a_suggestion_changes_nothing_and_names_the_patch() -> None:
    plain, course = diverging(), repaired(diverging(), apply=False)
    ended = carried_out(course)
    assert ended.digest == carried_out(plain).digest
    assert ended.outcome.status == "diverged"
    (event,) = repairs(course)
    assert not event.detail["applied"]
    assert event.detail["change"]["optimizer.lr"] == 1.0
    assert any(remedy.change == event.detail["change"] for one in ended.findings for remedy in one.remedies)


def test_a_loss_that_grew_and_stays_finite_is_repaired_and_otherwise_suggested() -> None:
    course = repaired(diverging(lr=0.2, clip_norm=100.0, weight_decay=0.0, epochs=40, optimizer="nesterov"))
    forever = diverging(lr=2.0, clip_norm=100.0, epochs=40)
    saved, lost = repaired(diverging(lr=2.0, clip_norm=100.0, epochs=40)), repaired(forever, apply=False)
    assert carried_out(saved).outcome.status == carried_out(lost).outcome.status == "finished"
    (event,) = repairs(lost)
    assert event.detail["grown"]
    assert not event.detail["applied"]
    assert repairs(saved)[0].detail["grown"]
    assert saved.best.score is not None
    assert saved.best.score < 0.1 < saved.training.history.steps[20].loss
    assert carried_out(course).outcome.status == "finished"


class Explodes(nn.Module):
    """Gives NaN in training as soon as its weights have moved."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        moved = bool(self.weight.detach().any()) and self.training
        return x @ self.weight * (torch.nan if moved else 1.0)


def test_after_so_many_repairs_the_run_ends_as_diverged_and_says_so() -> None:
    course = repaired(diverging(Explodes()))
    ended = carried_out(course)
    assert ended.outcome.status == "diverged"
    assert f"{MOST_REPAIRS} repairs did not help" in ended.outcome.reason
    assert len(repairs(course)) == MOST_REPAIRS
    assert sound_books(ended)


def test_what_is_not_finite_at_the_healthy_weights_is_no_matter_of_the_rate() -> None:
    course = repaired(diverging())
    course.training.step.loss = lambda output, target: (output - target).mean() * torch.nan
    ended = carried_out(course)
    assert ended.outcome.status == "diverged"
    assert ended.outcome.reason.startswith("the loss was not finite at step 0; the weights are those")
    assert repairs(course) == []


def test_the_schedule_goes_on_as_a_function_of_the_step_times_the_factor() -> None:
    course = repaired(diverging(schedule=lambda step: 1 - step / 1000))
    ended = carried_out(course)
    changes = {event.step + 1 for event in repairs(course)}
    factor = 1.0
    for record in course.training.history.steps:
        factor *= RATE_FACTOR if record.step in changes else 1.0
        assert record.rate == pytest.approx(10.0 * (1 - record.step / 1000) * factor)
    assert ended.outcome.ledger is not None
    assert ended.outcome.ledger.rate_deviation == pytest.approx(0.0, abs=1e-9)


def test_where_the_gradient_jumped_it_is_clipped_near_what_was_healthy() -> None:
    course = repaired(diverging())
    carried_out(course)
    first = repairs(course)[0].detail
    healthy = course.training.history.steps[0].gradient_norm
    assert first["clip_norm"] == pytest.approx(3 * healthy, rel=0.05) if healthy is not None else False
    assert course.training.step.clip.norm == first["clip_norm"]


def records(losses: list[float], *, start: int = 0) -> list[StepRecord]:
    return [
        StepRecord(step=start + place, epoch=0, loss=loss, rate=0.1, samples=8, gradient_norm=1.0)
        for place, loss in enumerate(losses)
    ]


def test_a_loss_is_waited_for_unless_it_is_far_gone() -> None:
    health = Health(1000, constant_loss=2.0)
    health.see(records([1.0])[0])
    assert health.grown(records([7.0] * (EARLY - 1))) is None  # may yet come down
    assert health.grown(records([7.0] * EARLY)) is not None
    assert health.grown(records([5.0] * 200)) is None
    assert health.grown(records([201.0] * WINDOW)) is not None
    assert health.grown(records([1.0] * 100 + [1e9])) is None  # a single leap


def test_weights_are_worth_going_back_to_only_where_the_loss_is_low() -> None:
    health = Health(1000, constant_loss=None)
    health.see(records([2.0])[0])
    assert health.well(records([1.9] * 20))
    assert health.well(records([0.1] * 20))
    assert not health.well(records([0.5] * 20))  # was at 0.1 already
    assert not health.well(records([math.nan] * 20))
    losing = Health(1000, constant_loss=None)  # a loss may be negative
    losing.see(records([-1.0])[0])
    assert losing.well(records([-5.0] * 20))
    assert not losing.well(records([0.5] * 20))
    assert losing.grown(records([1e9] * 100)) is None


def test_a_repair_must_have_brought_something_by_the_end_of_its_trial() -> None:
    health = Health(2000, constant_loss=1.0)
    health.see(records([1.0])[0])
    health.since = 10
    assert health.trial == 100
    assert health.on_trial(10)
    assert not health.on_trial(110)
    assert health.no_better(records([1.0] * 110)) is not None
    assert health.no_better(records([1.0] * 109)) is None
    assert health.no_better(records([0.5] * 110)) is None


def _ema(course: Course) -> None:
    course.training.average = ExponentialAverage(course.training.model, 0.9)


def _schedule_free(course: Course) -> None:
    training = course.training
    training.average = OptimizerAverage(training.step.optimizer, training.model, training.batches)


def _half(course: Course) -> None:
    course.training.step.precision = Precision("fp16", "cpu", initial_scale=2.0**20)


@pytest.mark.parametrize(
    ("choices", "prepare"),
    [
        ({"accumulate": 3}, lambda course: None),
        ({"optimizer": "adamw", "lr": 1e30}, lambda course: None),
        ({}, _ema),
        ({"optimizer": "schedule_free_sgd"}, _schedule_free),
        ({"lr": 3.0}, _half),
    ],
    ids=["accumulation", "adamw", "ema", "schedule-free", "float16"],
)
def test_whatever_a_run_is_made_of_goes_back_with_it(choices: dict[str, Any], prepare: Callable[..., None]) -> None:
    def run() -> tuple[Course, Conclusion]:
        course = repaired(diverging(epochs=25, **choices))
        prepare(course)
        return course, carried_out(course)

    (course, ended), (_, again) = run(), run()
    assert repairs(course)
    assert ended.digest == again.digest
    assert sound_books(ended)
    assert all(bool(torch.isfinite(value).all()) for value in copy_state(course.training.model).values())
    assert ended.outcome.status == ("diverged" if choices.get("lr") == 1e30 else "finished")


def test_a_line_search_goes_back_too_and_is_not_clipped() -> None:
    def cliff(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.where(output.abs().max() > 50, torch.nan, -output.mean())

    model = nn.Linear(5, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=20.0, max_iter=1)
    course = repaired(
        make_course(
            model, quantities(16), kind="regression", optimizer=optimizer, closure=True, epochs=8, loss=cliff, lr=20.0
        )
    )
    ended = carried_out(course)
    first = repairs(course)[0]
    assert first.detail["clip_norm"] is None
    assert first.detail["new_rate"] == 2.0
    assert ended.outcome.status == "finished"
    assert sound_books(ended)


@pytest.mark.parametrize("name", ["momentum", "adamw", "schedule_free", "muon"])
def test_from_a_snapshot_a_run_goes_on_exactly_as_it_did_before(name: str) -> None:
    course = make_course(net(), task(48), optimizer=name, epochs=4, batch_size=16, lr=0.01)
    training = course.training
    training.average = ExponentialAverage(training.model, 0.9)

    def on(steps: range) -> str:
        with isolated():
            for step in steps:
                training.step(list(training.batches.epoch(0))[:1], step)
                training.average.update()
        with training.average.shown():
            return digest(copy_state(training.model))

    training.model.train()
    on(range(3))
    kept = Snapshot.take(training, 3)
    first = on(range(3, 8))
    for _ in range(2):  # the snapshot serves more than once
        kept.restore(training)
        training.step.rates.performed = kept.performed
        assert on(range(3, 8)) == first


@settings(max_examples=20, deadline=None)
@given(
    bad=st.sets(st.integers(0, 39), max_size=6),
    lr=st.sampled_from([0.01, 0.5, 3.0, 100.0, 1e6]),
    batch_size=st.sampled_from([4, 13]),
    accumulate=st.integers(1, 2),
    apply=st.booleans(),
)
def test_whatever_happens_the_books_balance_and_the_weights_are_finite(
    bad: set[int], lr: float, batch_size: int, accumulate: int, apply: bool
) -> None:
    def run() -> tuple[Course, Conclusion]:
        data = with_bad(tuple(bad), count=40)
        course = make_course(
            linear(), data, kind="regression", loss=mse, lr=lr, batch_size=batch_size, accumulate=accumulate, epochs=3
        )
        return course, carried_out(repaired(course, apply=apply))

    (course, ended), (_, again) = run(), run()
    ledger = ended.outcome.ledger
    assert ledger is not None
    assert ledger.problems == ()
    assert ledger.repairs <= MOST_REPAIRS
    assert ledger.attempted <= ledger.planned
    assert ended.digest == again.digest
    assert all(bool(torch.isfinite(value).all()) for value in copy_state(course.training.model).values())
    if not apply:
        assert ledger.repairs == ledger.bad_batches == 0
