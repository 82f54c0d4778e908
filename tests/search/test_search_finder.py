"""The finder on real trainings: what it suggests, when it refuses, and that every group keeps its multiple."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError, UsageError
from trainwright.parts.schedules import Schedule
from trainwright.randomness import isolated
from trainwright.search.finder import HIGHEST, LOWEST, find, steps_for, transferred
from trainwright.search.finder_trials import Lane, Question, at_rate, base_rate
from trainwright.stacked.member import Member
from trainwright.stacked.room import rows_at_once

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(128, 4, generator=generator)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(128, 1, generator=generator)


def question(
    *, loss: Loss = F.mse_loss, steps: int = 30, held: bool = True, model: nn.Module | None = None, **more: Any
) -> Question:
    x, y = data()

    def member(repeat: int) -> Member:
        with isolated(repeat):
            made = nn.Linear(4, 1) if model is None else model
        return Member(model=made, optimizer=torch.optim.SGD(made.parameters(), lr=0.1), loss=loss)

    def batches(repeat: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for epoch in count():
            order = torch.randperm(96, generator=torch.Generator().manual_seed(100 * repeat + epoch))
            for rows in order.split(32):
                yield x[rows], y[rows]

    return Question(
        member=member,
        batches=batches,
        held=(lambda repeat: [(x[96:], y[96:])]) if held else None,
        schedule=Schedule(body=lambda place: 1.0),
        planned_steps=steps,
        optimizer="sgd",
        evaluation_loss=loss,
        judged_by="the loss of 32 samples held out",
        **more,
    )


@pytest.mark.parametrize("held", [True, False])
def test_gradient_descent_on_a_quadratic_gets_a_rate_below_its_stability_limit(held: bool) -> None:
    x, _ = data()
    curvature = float(torch.linalg.eigvalsh(2 * x[:96].T @ x[:96] / 96)[-1])
    found = find(question(held=held), repeats=2, trial_steps=30)
    assert found.suggestion is not None, found.reason
    assert 0.1 / curvature < found.suggestion < 2 / curvature
    assert found.interval is not None
    assert found.interval[0] <= found.suggestion <= found.interval[1]
    assert (found.method, found.steps, found.planned_steps, found.repeats) == ("array", 30, 30, 2)


def test_the_curve_spans_all_decades_and_says_which_rates_diverge() -> None:
    found = find(question(), repeats=1, trial_steps=30)
    rates = [point.rate for point in found.curve]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (LOWEST, HIGHEST)
    assert found.curve[-1].loss == math.inf or found.curve[-1].loss > found.loss_at_start
    assert found.best is not None
    assert found.best.loss < 0.1 * found.loss_at_start


def test_the_same_question_has_the_same_answer() -> None:
    answers = [find(question(), repeats=2, trial_steps=20) for _ in range(2)]
    assert answers[0].curve == answers[1].curve
    assert answers[0].suggestion == answers[1].suggestion


def test_no_answer_where_no_rate_helps() -> None:
    def blind(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 1.0 + 0.0 * output.mean()

    found = find(question(loss=blind), repeats=1, trial_steps=5)
    assert found.suggestion is None
    assert "flat" in found.reason
    assert not found.ok


def test_no_answer_where_the_loss_is_not_finite_from_the_start() -> None:
    found = find(question(loss=lambda output, target: output.mean() * math.nan), repeats=1, trial_steps=5)
    assert found.suggestion is None
    assert "before the first step" in found.reason


def test_no_answer_where_the_best_rate_stands_at_the_end_of_what_can_be_tried() -> None:
    found = find(question(loss=lambda output, target: 1e-3 * F.mse_loss(output, target)), repeats=1, trial_steps=8)
    assert found.suggestion is None
    assert "upper end" in found.reason


def test_a_run_longer_than_its_trials_gets_a_lower_rate_than_was_best_in_them() -> None:
    found = find(question(steps=300), repeats=1, trial_steps=30)
    assert found.suggestion is not None
    assert found.tried_best is not None
    assert found.suggestion == pytest.approx(transferred(found.tried_best, 30, 300))
    assert found.suggestion < found.tried_best / 2


def test_the_sweep_answers_in_the_same_form() -> None:
    found = find(question(), method="sweep", repeats=2)
    assert found.method == "sweep"
    assert found.suggestion is not None, found.reason
    assert 1e-4 < found.suggestion < 1


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(1, 4, batch_first=True)
        self.output = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.cell(x[:, :, None])[0][:, -1])


def test_a_network_that_cannot_be_stacked_is_tried_row_by_row() -> None:
    found = find(question(model=Recurrent()), repeats=1, trial_steps=12)
    assert found.suggestion is not None, found.reason
    assert "one by one" not in found.lane


def test_rows_too_large_to_stand_beside_one_another_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = find(question(), repeats=1, trial_steps=10)
    monkeypatch.setattr("trainwright.stacked.room.available_memory", lambda device: 1_000)
    apart = find(question(), repeats=1, trial_steps=10)
    assert rows_at_once(question().member(0).model) < 5
    assert [point.loss for point in apart.curve] == pytest.approx([point.loss for point in whole.curve], rel=1e-4)


def test_the_answer_is_the_same_where_the_caller_has_switched_gradients_off() -> None:
    with torch.no_grad():
        assert find(question(), repeats=1, trial_steps=10).suggestion is not None
        assert not torch.is_grad_enabled()


def test_groups_keep_their_multiples() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    groups = [{"params": model[0].parameters(), "lr": 0.02}, {"params": model[1].parameters()}]
    member = Member(model=model, optimizer=torch.optim.SGD(groups, lr=0.2), loss=F.mse_loss)
    assert base_rate(member.optimizer) == 0.2
    moved = at_rate(member, 1e-3)
    assert [group["lr"] for group in moved.optimizer.param_groups] == pytest.approx([1e-4, 1e-3])
    assert [group["lr"] for group in member.optimizer.param_groups] == [0.02, 0.2]
    assert not {id(p) for p in moved.model.parameters()} & {id(p) for p in model.parameters()}


def test_trials_are_as_long_as_the_run_where_that_is_cheap_and_shorter_where_it_is_not() -> None:
    cheap = Lane(stacked=True, reason="", row_seconds=1e-5, alone_seconds=1e-3)
    dear = Lane(stacked=False, reason="", row_seconds=1e-1, alone_seconds=1e-1)
    assert steps_for(1000, 3, cheap) == 1000
    assert 50 <= steps_for(10_000, 3, dear) < 1000
    assert steps_for(20, 3, dear) == 20


def test_large_models_are_tried_a_few_at_a_time() -> None:
    assert rows_at_once(question().member(0).model) > 1000
    with torch.device("meta"):
        large = nn.Linear(40_000, 40_000)
    assert rows_at_once(large) == 1
    assert rows_at_once(nn.Linear(1, 1), row_bytes=10**15) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"method": "aray"}, "did you mean 'array'"),
        ({"repeats": 0}, "repeats must be a whole number from 1"),
        ({"trial_steps": 1}, "trial_steps must be a whole number from 2"),
        ({"trial_steps": 2.5}, "trial_steps must be a whole number"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find(question(), **asked)


@pytest.mark.parametrize("method", ["array", "sweep"])
def test_a_model_that_cannot_take_the_data_is_told_without_a_traceback(method: Any) -> None:
    with pytest.raises(ModelError, match="cannot make a training step"):
        find(question(model=nn.Linear(7, 1)), method=method, repeats=1, trial_steps=60)
