"""Rates at which nothing moves: what is said of them, and what is left in peace."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from cases_start import classes, made, mlp
from torch import nn
from wiring_nets import kinds

from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of


def one(subject: Subject, check: str) -> CheckResult:
    return run_check(subject, CATALOGUE[check])


def planned(rate: float, optimizer: str = "SGD", *, factor: float = 1.0, **settings: Any) -> Subject:
    """Return a training at `rate`, of which a warm-up has left `factor`."""

    def build() -> Subject:
        model = mlp(8, 32, 4)
        for part in model.modules():
            if isinstance(part, nn.Linear):
                nn.init.uniform_(part.bias, 0.1, 0.2)
        made_by = getattr(torch.optim, optimizer)(model.parameters(), lr=rate)
        if factor < 1:
            torch.optim.lr_scheduler.LinearLR(made_by, start_factor=factor, total_iters=100)
        return subject_of(model, "cross_entropy", classes(), optimizer=made_by, **settings)

    return made(build)()


@pytest.mark.parametrize("rate", [1e-12, 1e-10])
def test_a_rate_that_moves_no_digit_of_any_weight_is_an_error(rate: float) -> None:
    result = one(planned(rate), "parameters-updated")
    assert kinds(result) == ["weights-never-updated error"]
    assert result.measured["moved"] == 0
    assert "less than their last digit" in result.value


def test_a_warm_up_from_next_to_nothing_is_no_rate_that_moves_nothing() -> None:
    assert one(planned(0.1, factor=1e-11), "parameters-updated").status == "passed"
    slow = planned(0.1, schedule=lambda step: min(1.0, step / 1e12), planned_steps=10**12)
    assert one(slow, "parameters-updated").status == "passed"


@pytest.mark.parametrize(("rate", "optimizer"), [(1e-12, "SGD"), (1e-9, "SGD"), (1e-8, "SGD"), (1e-9, "AdamW")])
def test_a_rate_that_would_take_millions_of_steps_is_a_warning(rate: float, optimizer: str) -> None:
    result = one(planned(rate, optimizer), "learning-rate")
    assert kinds(result) == ["learning-rate-too-low warning"]
    steps = result.findings[0].evidence[1].value
    assert isinstance(steps, float)
    assert 1e6 < steps < math.inf


def test_a_loss_that_no_rate_moves_is_no_matter_of_the_rate() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :4] + 1e-30 * self.weight

    def build() -> Subject:
        model = Constant()
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        return subject_of(model, "mse", torch.randn(2, 40, 4).unbind(), optimizer=optimizer)

    assert one(made(build)(), "learning-rate").status == "skipped"
