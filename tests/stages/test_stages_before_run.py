"""What only the whole plan of a run shows is told before its first step; what breaks a run off is on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import ModelError, RecipeError
from trainwright.randomness import isolated
from trainwright.records import StepRecord


def clouds(samples: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    with isolated(0):
        y = torch.randint(0, 3, (samples,))
        return torch.randn(samples, 4) + 2 * nn.functional.one_hot(y, 4), y


def net() -> nn.Module:
    with isolated(1):
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def fit(**settings: Any) -> tw.Run:
    plain = {"epochs": 3, "batch_size": 20, "device": "cpu", "threads": 1, "verify": "off", "loss": "cross_entropy"}
    return tw.fit(net(), clouds(), clouds(30), **(plain | settings))


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"name": "wsd", "decay": 0.01}, "shorter than one step"),
        ({"name": "step", "every": 0.01}, "shorter than one step"),
        ({"name": "cosine_restarts", "cycles": 5}, "less than two steps to each"),
        ({"name": "cyclic", "cycles": 5}, "less than two steps to each"),
        ({"name": "plateau", "patience": 3}, "never lowered"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_a_schedule_that_the_run_is_too_short_for_is_refused(schedule: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        fit(recipe={"schedule": schedule})


@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "wsd", "decay": 0.2},
        {"name": "step", "every": 0.2},
        {"name": "cosine_restarts", "cycles": 4},
        {"name": "plateau", "patience": 2},
    ],
    ids=lambda value: value["name"],
)
def test_a_schedule_that_fits_the_run_is_not(schedule: dict[str, Any]) -> None:
    assert fit(recipe={"schedule": schedule}).outcome.status == "finished"


def test_compiling_and_recomputing_exclude_each_other() -> None:
    with pytest.raises(RecipeError, match="leave one of the two out"):
        fit(compile=True, checkpoint_activations=True)


def test_a_loss_that_is_a_sum_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelError, match="reduction='mean', with the learning rate times the batch size"):
        fit(loss=nn.CrossEntropyLoss(reduction="sum"))


def test_the_books_show_a_rate_that_something_else_has_moved() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def meddle(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = 7e-9

    optimizer.register_step_pre_hook(meddle)
    run = tw.fit(model, clouds(), loss="cross_entropy", optimizer=optimizer, epochs=2, device="cpu", threads=1)
    assert {record.rate for record in run.history.steps} == {7e-9}
    ledger = run.outcome.ledger
    assert ledger is not None
    assert any("deviate from the schedule" in problem for problem in ledger.problems)


def test_lbfgs_trains_convolutions_whose_gradients_do_not_lie_in_order() -> None:
    with isolated(0):
        x, y = torch.randn(30, 1, 8, 8), torch.randint(0, 2, (30,))
        model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        model = nn.Sequential(model, nn.Linear(256, 3))
        for weight in model.parameters():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    run = tw.fit(model, (x, y), loss="cross_entropy", optimizer="lbfgs", epochs=3, device="cpu", threads=1)
    assert run.outcome.status == "finished"
    assert run.history.steps[-1].loss < run.history.steps[0].loss


class Fragile(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            self.calls += 1
            if self.calls > 6:
                raise ValueError("the cable came loose")
        return self.net(x)


def test_a_run_that_breaks_off_says_so_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the cable came loose"):
        tw.fit(
            Fragile(),
            clouds(),
            clouds(30),
            epochs=9,
            batch_size=20,
            folder=tmp_path / "run",
            verify="off",
            device="cpu",
            threads=1,
        )
    stored = tw.read_run(tmp_path / "run")
    assert stored.outcome is not None
    assert stored.outcome.status == "stopped"
    assert "the cable came loose" in stored.outcome.reason
    assert 0 < len([record for record in stored.chart.steps if isinstance(record, StepRecord)]) == stored.outcome.steps
