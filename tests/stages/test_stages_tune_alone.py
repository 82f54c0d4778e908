"""A trial by itself: the recipe that names both of its seeds gives the losses that its row had in the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import RunError, UsageError
from trainwright.search import arrays
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.probe import Choice
from trainwright.stacked.stacked_array import StackedArray
from trainwright.stages.entrants import order_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.resume_fields import changed, check, class_of
from trainwright.stages.study import BEST
from trainwright.stages.train import Run, train
from trainwright.stages.tune import tune_recipe

GENERATOR = torch.Generator().manual_seed(0)
RATES = {"lr": tw.log_uniform(1e-3, 1e-1)}
SHORT: dict[str, Any] = {"trials": 3, "rounds": 1, "epochs": 3, "batch_size": 16, "final": 0, "weight_decay": 0.1}
IMAGES = torch.rand(50, 1, 6, 6, generator=GENERATOR, dtype=torch.float64)
POINTS = torch.randn(50, 6, generator=GENERATOR, dtype=torch.float64)
CLASSES = torch.arange(50) % 3


def mlp(width: int = 8, dropout: float = 0.2) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 3)).double()


def cnn(width: int = 4) -> nn.Module:
    norm = nn.BatchNorm2d(width)
    return nn.Sequential(nn.Conv2d(1, width, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(16 * width, 3)).double()


def losses(run: Run) -> dict[int, float]:
    return {record.step: record.loss for record in run.history.evals if record.split == "validation"}


def in_lane(monkeypatch: pytest.MonkeyPatch, lane: str) -> None:
    def choose(members: Any, x: Any, y: Any, ids: Any, *, planned_steps: int) -> Any:
        array = (StackedArray if lane == "stacked" else LoopArray)(members, ids)
        return array, Choice(lane=lane, reason="asked for", step_seconds={})  # type: ignore[arg-type]

    monkeypatch.setattr(arrays, "choose", choose)


@pytest.mark.parametrize("lane", ["stacked", "loop"])
@pytest.mark.parametrize("kind", ["mlp with dropout", "cnn with batch norm"])
def test_a_trial_by_itself_has_the_losses_of_its_row(monkeypatch: pytest.MonkeyPatch, kind: str, lane: str) -> None:
    in_lane(monkeypatch, lane)
    factory, x = (mlp, POINTS) if kind.startswith("mlp") else (cnn, IMAGES)
    space = {**RATES, "width": tw.choice(4, 8)} | ({"dropout": tw.uniform(0.1, 0.5)} if factory is mlp else {})
    data = (x, CLASSES), (x[:20], CLASSES[:20])
    study = tw.tune(factory, *data, space=space, loss=nn.CrossEntropyLoss(), **SHORT)  # the last batch has 2 of 16
    for trial in study.trials:
        alone = study.recipe(trial.number)
        assert (alone.train.seed, alone.train.order_seed) == (trial.seed, 0)
        rungs = {"evaluate_every_steps": trial.budgets[0], "loss": nn.CrossEntropyLoss()}
        run = tw.fit(study.model(trial.number), *data, recipe=alone, **rungs)
        told = losses(run)
        assert run.history.info.planned_steps == study.info.plan.budget
        for budget, score in zip(trial.budgets, trial.scores, strict=True):
            if budget in told:
                assert told[budget] == pytest.approx(score, rel=0, abs=1e-10)
        assert trial.budgets[0] in told


@pytest.mark.parametrize("ema", [0.0, 0.9], ids=["as a row", "as a run of its own"])
def test_a_trial_of_a_recipe_is_repeated_by_its_recipe_with_its_augmentation_and_its_sampler(
    tmp_path: Path, ema: float
) -> None:
    space = {"optimizer.lr": {"log_uniform": [1e-3, 1e-1]}}
    sections = {
        "data": {"source": "digits", "validation": 0.1, "test": 0.6},
        "model": {"name": "mlp", "width": 8, "dropout": 0.2},
        "augment": {"noise": 0.3, "mixup": 0.2},
        "train": {"steps": 18, "sampler": "balanced", "verify": "off", "threads": 1, "patience": 1, "ema": ema},
        "tune": {"space": space, "trials": 3, "rounds": 1, "final": 0, "prune": False},
    }
    study = tune_recipe(Recipe.of(sections), folder=tmp_path)
    for trial in study.trials:
        assert losses(study.repeat(trial.number))[18] == pytest.approx(trial.score, abs=1e-5)
    again = Recipe.read(tmp_path / BEST)
    assert again.data.split_seed == again.train.order_seed == 0
    assert study.best is not None
    assert losses(train(again))[18] == pytest.approx(study.best.value, abs=1e-5)
    told = study.to_json()["alone"]
    assert told["call"] == f"trainwright train {tmp_path / BEST}"
    assert told["settings"] == {"train.order_seed": 0, "train.patience": 0, "data.split_seed": 0}
    assert "one trial alone" in study.report(width=400)
    assert told["call"] in study.report(width=400)


def test_what_a_trial_is_repeated_into_is_kept_and_no_other_trial_is_made_up(tmp_path: Path) -> None:
    study = tw.tune(mlp, (POINTS, CLASSES), space=RATES, **SHORT)  # a fifth is held out
    assert study.best is not None
    run = study.repeat(study.best.number, folder=tmp_path / "again")
    assert losses(run)[study.best.steps] == pytest.approx(study.best.value, abs=1e-10)
    with pytest.raises(RunError, match="already holds a run"):
        study.repeat(0, folder=tmp_path / "again")
    with pytest.raises(UsageError, match="no trial 9") as caught:
        study.recipe(9)
    assert caught.value.evidence == "they are numbered from 0 to 2"
    assert f"study.repeat({study.best.number})" in study.report()


def test_one_order_seed_gives_runs_of_several_seeds_the_same_batches() -> None:
    def run(**seeds: Any) -> str | None:
        torch.manual_seed(0)
        return tw.fit(nn.Linear(6, 3).double(), (POINTS, CLASSES), epochs=2, batch_size=16, **seeds).digest

    assert run(seed=1, order_seed=5) == run(seed=2, order_seed=5)
    assert run(seed=1, order_seed=1) == run(seed=1)
    assert run(seed=1, order_seed=5) != run(seed=1)


def test_an_order_that_was_asked_for_is_that_of_every_trial_and_of_the_final_run() -> None:
    asked = Recipe.of({"train": {"seed": 3, "order_seed": 7}})
    study = tw.tune(mlp, (POINTS, CLASSES), space=RATES, order_seed=7, **{**SHORT, "final": 1})
    assert study.final is not None
    assert study.final.history.info.setting("train.order_seed") == 7
    assert study.recipe(0).train.order_seed == 7
    assert [order_of(asked, study.trials[0], own=own) for own in (False, True)] == [7, 7]
    with pytest.raises(UsageError, match="cannot be searched"):
        tw.tune(mlp, (POINTS, CLASSES), space={"order_seed": tw.integers(0, 3)}, **SHORT)


def test_a_run_of_an_earlier_version_goes_on_and_another_order_does_not() -> None:
    now = Recipe.of({"train": {"seed": 3}}).plain()
    then = {name: {key: value for key, value in keys.items() if key != "order_seed"} for name, keys in now.items()}
    assert not changed(then, now)
    other = changed(then, Recipe.of({"train": {"seed": 3, "order_seed": 1}}).plain())
    assert other == {"train.order_seed": (-1, 1)}
    assert class_of("train.order_seed") == "frozen"
    with pytest.raises(RunError, match="cannot go on under other settings"):
        check(other, 1)
