"""The step of an optimizer that evaluates the loss several times."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training_courses import carried_out, make_course, quantities, task, train_step

from trainwright.parts.losses import mse
from trainwright.tensors import copy_state, digest
from trainwright.training.step import TrainStep


def lbfgs_step(model: nn.Module, **options: object) -> TrainStep:
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, line_search_fn="strong_wolfe")
    return train_step(model, loss=mse, optimizer=optimizer, closure=True, **options)  # type: ignore[arg-type]


def test_a_quadratic_is_solved_in_a_few_steps() -> None:
    x, y = quantities(60)
    x, y = x.double(), y.double()
    model = nn.Linear(5, 1, dtype=torch.float64)
    step = lbfgs_step(model)
    for number in range(4):
        result = step([(x[:25], y[:25]), (x[25:], y[25:])], number)
        assert result.refused is None
    inputs = torch.cat([x, torch.ones(60, 1, dtype=torch.float64)], 1)
    exact = torch.linalg.lstsq(inputs, y).solution.squeeze(1)
    torch.testing.assert_close(model.weight.detach().squeeze(0), exact[:5], rtol=1e-5, atol=1e-6)
    assert step.rates.performed == 4


def test_the_reported_loss_is_that_before_the_search() -> None:
    x, y = quantities(30)
    model = nn.Linear(5, 1)
    step = lbfgs_step(model)
    before = mse(model(x), y).item()
    assert float(step([(x, y)], 0).loss) == pytest.approx(before, rel=1e-6)
    assert mse(model(x), y).item() < before


def test_a_search_that_leaves_the_numbers_is_refused_and_the_weights_are_put_back() -> None:
    def cliff(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.where(output.abs().max() > 1.5, torch.nan, -output.mean())

    model = nn.Linear(5, 1)
    nn.init.zeros_(model.weight)
    nn.init.ones_(model.bias)
    step = lbfgs_step(model)
    step.loss = cliff
    before = digest(copy_state(model))
    result = step([quantities(16)], 0)
    assert result.refused == "loss"
    assert digest(copy_state(model)) == before


def test_a_course_takes_one_step_an_epoch_on_all_of_the_data() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    course = make_course(model, task(50), epochs=5, batch_size=20, accumulate=3, optimizer=optimizer, closure=True)
    outcome = carried_out(course).outcome
    assert [record.samples for record in course.training.history.steps] == [50] * 5
    first, last = course.training.history.evals[0], course.training.history.evals[-1]
    assert last.loss < 0.5 * first.loss
    assert outcome.ledger is not None
    assert outcome.ledger.problems == ()
