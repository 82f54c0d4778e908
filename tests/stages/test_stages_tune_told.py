"""What a search says of itself: the division of its final run, the model that is kept, what was asked and not done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import ModelError, UsageError
from trainwright.records.study import Plan, StudyInfo, Trial, is_guessing
from trainwright.records.study_final import FinalRun
from trainwright.report.study_facts import final_rows
from trainwright.runs.reader import read_run
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import TuneSection
from trainwright.stages.study_notes import remarks
from trainwright.stages.train import train
from trainwright.stages.tune import tune_recipe

GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(60, 4, generator=GENERATOR), torch.arange(60) % 3
ASKED: dict[str, Any] = {"trials": 2, "rounds": 1, "epochs": 1, "batch_size": 20, "final": 0}
RATE = {"lr": tw.log_uniform(1e-3, 1e-1)}


def net() -> nn.Module:
    return nn.Linear(4, 3)


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


def tune(**asked: Any) -> Any:
    return tw.tune(net, (X, Y), **{"validation": (X[:20], Y[:20]), "space": RATE, **ASKED, **asked})


def test_the_final_runs_recipe_names_the_division_that_it_was_trained_on(tmp_path: Path) -> None:
    space = {"optimizer.lr": {"log_uniform": [1e-3, 1e-1]}}
    recipe = Recipe.of(
        {
            "model": {"name": "mlp", "width": 8},
            "train": {"steps": 3, "verify": "off", "threads": 1},
            "tune": {"space": space, "trials": 1, "rounds": 1, "final": 1},
        }
    )
    study = tune_recipe(recipe, folder=tmp_path)
    assert study.final is not None
    again = Recipe.read(tmp_path / "final" / "recipe.toml")
    assert (again.data.split_seed, again.train.seed) == (0, study.confirmation and study.confirmation.seeds[0])
    assert train(again, folder=tmp_path / "again").digest == study.final.digest
    parts = [read_run(tmp_path / name).head["data"]["splits"] for name in ("final", "again")]
    assert parts[0] == parts[1]


def test_what_fresh_seeds_are_scored_by_is_the_model_that_is_kept() -> None:
    x, y = torch.randn(40, 4, generator=GENERATOR), torch.randint(0, 3, (40,), generator=GENERATOR)
    space = {"lr": tw.log_uniform(0.3, 0.5)}  # of labels at random there is nothing to learn: every step makes it worse
    study = tune(final=2, epochs=4, space=space, test=(x[:20], y[:20]), validation=(x[20:], y[20:]))
    told, run = study.confirmation, study.final
    assert told.kept_step < told.steps
    assert told.fresh_scores[0] == pytest.approx(told.kept_loss, rel=1e-5)
    best = run.outcome.best["validation"]["loss"]
    assert told.fresh_scores[0] == pytest.approx(best, rel=1e-5)
    assert told.fresh < told.search_score
    with torch.no_grad():
        kept = nn.functional.cross_entropy(run.model(x[:20]), y[:20]).item()
    assert told.test_scores[0] == pytest.approx(kept, rel=1e-5)


def test_the_kept_model_is_told() -> None:
    study = tune(final=1, epochs=4)
    told, run = study.confirmation, study.final
    assert told.kept_step == run.outcome.best_step
    assert told.kept_loss == run.outcome.best["validation"]["loss"]
    assert study.to_json()["final"]["kept_step"] == told.kept_step
    assert "kept model" in study.report()
    early = FinalRun(
        values={}, seeds=(1,), steps=60, search_score=0.3, fresh_scores=(0.4,), kept_step=20, kept_loss=0.2
    )
    row = dict(final_rows(early))["kept model"]
    assert "after 20 of 60 steps, validation loss 0.2: its best checkpoint" in row
    assert "each at its best checkpoint of 60 steps" in dict(final_rows(early))["fresh seeds"]


def study_of(*curves: tuple[float, ...], sampler: str = "sobol", trials: int = 3) -> StudyInfo:
    told = tuple(
        Trial(number=number, configuration=number, round=0, chunk=0, values={"lr": 0.1}, seed=0, status="finished",
              rung=3, score=curve[-1], scores=curve, budgets=(10, 30, 90), steps=90)
        for number, curve in enumerate(curves)
    )  # fmt: skip
    return StudyInfo(plan=Plan(budget=90, trials=trials, sampler=sampler), trials=told, status="finished")


def test_scores_that_get_worse_with_the_steps_are_told_and_those_that_level_off_are_not() -> None:
    (told,) = remarks(study_of((0.203, 0.267, 0.363), (0.3, 0.35, 0.5)), TuneSection())
    assert "0.203 after 10 of 90 steps, and at 0.363" in told
    assert "fewer steps" in told
    healthy = study_of((0.5, 0.3, 0.2), (0.5, 0.21, 0.22), (0.2, 0.5, 0.9))
    assert not list(remarks(healthy, TuneSection()))
    assert not list(remarks(study_of((0.01, 0.02, 0.03)), TuneSection(score="error")))


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e-7), (10.0, 1000.0)])
def test_a_range_far_from_every_good_rate_is_left_or_told(low: float, high: float) -> None:
    x = torch.randn(300, 4, generator=GENERATOR)
    y = (x @ torch.randn(4, 3, generator=GENERATOR)).argmax(1)
    asked: dict[str, Any] = {"space": {"lr": tw.log_uniform(low, high)}, "validation": (x[200:], y[200:]), "epochs": 5}
    more = tw.tune(wide, (x[:200], y[:200]), **{**ASKED, **asked, "trials": 16, "rounds": 2})
    (one,) = more.moves
    assert (one.action, one.after.low, one.after.high) == ("moved", 1e-5, 1.0)
    assert "better than guessing" in one.reason
    assert more.best is not None
    assert more.info.plan.guess is not None
    assert more.best.value < 0.7 * more.info.plan.guess
    assert "no better than guessing" not in more.report()
    once = tw.tune(wide, (x[:200], y[:200]), **{**ASKED, **asked, "trials": 4})
    assert any("search lr from 1e-05 to 1" in note for note in once.info.notes)
    assert "◆ finished" in once.report()
    assert "no better than guessing" in once.report().splitlines()[0]


def test_guessing_is_told_in_the_terms_of_the_score() -> None:
    asked: dict[str, Any] = {"space": {"lr": tw.log_uniform(1e-3, 1e-1)}, "score": "error"}
    study = tune(**asked, trials=1)
    share = max((Y[:20] == each).float().mean().item() for each in range(3))
    assert study.info.plan.guess == pytest.approx(1 - share, abs=0.08)
    assert study.to_json()["plan"]["guess"] == study.info.plan.guess
    assert is_guessing(0.5, 0.5)
    assert is_guessing(None, 0.5)
    assert not is_guessing(0.45, 0.5)
    assert not is_guessing(0.5, None)
    hopeless = study_of((0.51, 0.5, 0.499))
    named = replace(hopeless, plan=replace(hopeless.plan, guess=0.5), rounds=())
    assert "trainwright verify" in next(iter(remarks(named, TuneSection())))


def test_what_was_asked_and_not_done_is_told() -> None:
    (told,) = remarks(study_of((0.5, 0.3, 0.2), sampler="grid", trials=20), TuneSection())
    assert "the grid has 1 point, fewer than the 20 trials" in told
    (told,) = remarks(study_of((0.5, 0.3, 0.2)), TuneSection(rounds=9, trials=4))
    assert "9 rounds were asked for, and 4 trials" in told
    assert not tune().notes  # nothing is to be confirmed


def test_a_changed_space_in_which_nothing_was_tried_is_told(tmp_path: Path) -> None:
    assert not tune(folder=tmp_path).info.notes
    other = tune(folder=tmp_path, space={"lr": tw.log_uniform(1e-4, 1e-2)})
    assert any("nothing was tried in it: 2 trials were made before" in note for note in other.info.notes)
    assert "ask for more" in other.report()
    assert not tune(folder=tmp_path, space={"lr": tw.log_uniform(1e-4, 1e-2)}, trials=4).info.notes


def test_trials_of_a_search_that_was_stopped_do_not_run() -> None:
    study = tune(seconds=1e-9)
    assert study.info.status == "stopped"
    assert study.best is None
    assert not any(trial.status == "running" for trial in study.trials)
    assert study.report().count("best trials") <= 1


def test_the_name_that_does_not_fit_is_the_one_that_is_told() -> None:
    with pytest.raises(UsageError, match="no key 'momentum'") as caught:
        tune(space={**RATE, "momentum": tw.uniform(0.1, 0.9)}, optimizer="sgd")
    assert caught.value.evidence == "'momentum' of the space"
    with pytest.raises(ModelError) as refused:
        tw.tune(lambda: 3, (X, Y), (X, Y), space=RATE, **ASKED)  # type: ignore[arg-type,return-value]
    assert refused.value.remedy
