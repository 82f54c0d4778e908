"""The verb tune: real searches over small nets, from Python and from a recipe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import ModelError, RecipeError, UsageError
from trainwright.records.study import Trial
from trainwright.search.arrays import Arrays
from trainwright.search.scoring import Scorer
from trainwright.stages.entrants import from_dataset
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import load_data, prepare
from trainwright.stages.tune import tune_recipe
from trainwright.stages.tune_space import space_of


def blobs(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    return torch.eye(3)[y] @ torch.ones(3, 6) * y[:, None] + torch.randn(count, 6, generator=generator), y


def net(width: int = 8, dropout: float = 0.0) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 3))


TRAIN, VALIDATION = blobs(160, 0), blobs(240, 1)
RATES = {"lr": tw.log_uniform(1e-4, 1e-1)}
SMALL: dict[str, Any] = {"trials": 6, "rounds": 2, "epochs": 3, "final": 0, "batch_size": 32}


def test_the_best_trial_is_the_one_that_trains_to_the_best_score_alone() -> None:
    study = tw.tune(net, TRAIN, VALIDATION, space=RATES, prune=False, **SMALL)
    best = study.best
    assert best is not None
    assert len(study.trials) == 6
    scores = {trial.number: trial.score for trial in study.trials}
    assert best.value == min(score for score in scores.values() if score is not None)
    assert best.parameters == study.trials[best.number].values


def test_a_search_is_a_function_of_its_seed() -> None:
    one, two = (tw.tune(net, TRAIN, VALIDATION, space=RATES, **SMALL) for _ in range(2))
    assert [trial.values for trial in one.trials] == [trial.values for trial in two.trials]
    first, second = ([trial.score for trial in study.trials] for study in (one, two))
    assert first == pytest.approx(second, rel=1e-4)
    other = tw.tune(net, TRAIN, VALIDATION, space=RATES, seed=1, **SMALL)
    assert [trial.values for trial in other.trials] != [trial.values for trial in one.trials]


def test_names_reach_the_factory_or_the_recipe(recwarn: pytest.WarningsRecorder) -> None:
    widths: set[int] = set()

    def factory(width: int = 8) -> nn.Module:
        widths.add(width)
        return net(width)

    space = {"width": tw.choice(4, 8), "optimizer.weight_decay": tw.log_uniform(1e-4, 1e-1)}
    study = tw.tune(factory, TRAIN, VALIDATION, space=space, **SMALL)
    assert widths == {4, 8}
    assert all(set(trial.values) == set(space) for trial in study.trials)


def test_a_name_that_nobody_knows_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="widht"):
        tw.tune(net, TRAIN, VALIDATION, space={"widht": tw.choice(4, 8)}, **SMALL)
    with pytest.raises(UsageError, match="width"):
        tw.tune(net, TRAIN, VALIDATION, space={"widht": tw.choice(4, 8)}, **SMALL)


def test_the_final_run_confirms_on_what_the_search_never_saw() -> None:
    study = tw.tune(net, TRAIN, VALIDATION, space=RATES, **{**SMALL, "final": 2})
    told, run = study.confirmation, study.final
    assert told is not None
    assert run is not None
    assert len(told.fresh_scores) == len(told.default_scores) == 2
    assert len(told.test_scores) == len(told.default_test_scores) == 2
    assert told.is_gain_untouched
    assert told.search_score == (study.best and study.best.value)
    assert run.outcome.status == "finished"
    assert any("untouched" in note for note in study.notes)
    assert run.history.info.setting("optimizer.lr") == pytest.approx(told.values["lr"])


def test_no_trial_is_scored_on_the_half_that_is_left_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Scorer] = []

    def scorer(**facts: Any) -> Scorer:
        searched.append(Scorer(**facts))
        return searched[-1]

    tested: list[Any] = []

    def confirm(*given: Any, **asked: Any) -> Any:
        tested.append(asked["test"])
        raise KeyboardInterrupt

    monkeypatch.setattr("trainwright.stages.tune.Scorer", scorer)
    monkeypatch.setattr("trainwright.stages.final.confirm", confirm)
    with pytest.raises(KeyboardInterrupt):
        tw.tune(net, TRAIN, VALIDATION, space=RATES, **{**SMALL, "final": 1})
    rows = [{tuple(row) for x, _ in feed.in_order() for row in x.tolist()} for feed in (searched[0].feed, tested[0])]
    assert rows[0].isdisjoint(rows[1])
    assert rows[0] | rows[1] == {tuple(row) for row in VALIDATION[0].tolist()}


def test_a_study_in_a_folder_goes_on_and_its_final_run_is_read_back(tmp_path: Path) -> None:
    asked = {**SMALL, "final": 1}
    first = tw.tune(net, TRAIN, VALIDATION, space=RATES, folder=tmp_path / "study", seconds=1e-9, **asked)
    assert first.info.status == "stopped"
    assert first.final is None
    second = tw.tune(net, TRAIN, VALIDATION, space=RATES, folder=tmp_path / "study", **asked)
    again = tw.tune(net, TRAIN, VALIDATION, space=RATES, folder=tmp_path / "study", **asked)
    assert second.final is not None
    assert again.final is not None
    assert again.final.digest == second.final.digest
    assert again.info.trials == second.info.trials
    x = VALIDATION[0][:4]
    assert torch.equal(second.final.model(x), again.final.model(x))


def test_rows_go_on_from_a_snapshot_as_if_nothing_had_been() -> None:
    recipe = Recipe.of({"data": {"source": "iris"}, "train": {"epochs": 4, "batch_size": 32}})
    dataset = load_data(recipe)
    base = prepare(recipe, dataset)
    scorer = Scorer(feed=base.splits["validation"], loss=base.evaluation_loss, score="loss", task="classification")
    trials = [
        Trial(number=n, configuration=n, round=0, chunk=0, values={"optimizer.lr": rate, **more}, seed=7)
        for n, (rate, more) in enumerate([(1e-3, {}), (1e-2, {}), (3e-3, {"train.ema": 0.9}), (1e9, {})])
    ]
    enter = from_dataset(recipe, dataset, torch.device("cpu"))
    whole, first, second = (Arrays(enter, scorer, budget=100) for _ in range(3))
    whole.start(trials)
    whole.advance(range(4), 50)
    first.start(trials)
    first.advance(range(4), 50)
    second.restore(trials[:3], first.state())
    told, expected = second.advance(range(3), 100), whole.advance(range(4), 100)
    # The row that is gone changes the size of the stack, and with it the order of some sums.
    assert told == pytest.approx({number: expected[number] for number in range(3)}, rel=1e-4)
    assert not math.isfinite(expected[3]) or expected[3] > expected[0]


def test_each_trial_scores_as_its_own_run_would() -> None:
    recipe = Recipe.of({"data": {"source": "iris"}, "train": {"epochs": 4, "batch_size": 32, "verify": "off"}})
    dataset = load_data(recipe)
    base = prepare(recipe, dataset)
    scorer = Scorer(feed=base.splits["validation"], loss=base.evaluation_loss, score="loss", task="classification")
    rates = (1e-3, 1e-2)
    trials = [
        Trial(number=n, configuration=n, round=0, chunk=0, values={"optimizer.lr": rate}, seed=0)
        for n, rate in enumerate(rates)
    ]
    arena = Arrays(from_dataset(recipe, dataset, torch.device("cpu")), scorer, budget=10)
    arena.start(trials)
    scores = arena.advance(range(2), 10)
    from trainwright.stages.train import carry_out

    for number, rate in enumerate(rates):
        run = carry_out(prepare(recipe.changed({"optimizer.lr": rate}), dataset), None)
        last = run.history.evaluations("validation")[-1]
        assert scores[number] == pytest.approx(last.loss, rel=1e-4)


def test_what_no_row_can_do_is_trained_alone_and_said() -> None:
    told: list[str] = []
    tw.tune(net, TRAIN, VALIDATION, space=RATES, say=told.append, ema=0.9, **{**SMALL, "trials": 2, "rounds": 1})
    assert told == ["2 trials, each by itself: train.ema = 0.9"]


def test_a_factory_that_raises_or_returns_no_module_is_named_with_its_values() -> None:
    def raising(width: int) -> nn.Module:
        raise ValueError("no such width")

    with pytest.raises(ModelError, match=r"no such width.*width = "):
        tw.tune(raising, TRAIN, VALIDATION, space={"width": tw.integers(4, 8)}, **SMALL)
    with pytest.raises(ModelError, match="returned a int"):
        tw.tune(lambda width: cast(Any, 3), TRAIN, VALIDATION, space={"width": tw.integers(4, 8)}, **SMALL)


def test_a_trial_whose_model_cannot_be_built_or_trained_fails_alone_with_its_reason() -> None:
    def fragile(width: int = 8, shape: str = "right") -> nn.Module:
        if width > 12:
            raise ValueError("too wide for this machine")
        return nn.Sequential(nn.Linear(6 if shape == "right" else 7, width), nn.Linear(width, 3))

    space = {"width": tw.choice(4, 8, 16), "shape": tw.choice("right", "right too", "wrong")}
    study = tw.tune(
        lambda width=8, shape="right": fragile(width, "right" if "right" in shape else shape),
        TRAIN, VALIDATION, space=space, **{**SMALL, "trials": 9, "rounds": 1, "prune": False},
    )  # fmt: skip
    assert study.best is not None
    for trial in study.trials:
        fails = trial.values["width"] == 16 or trial.values["shape"] == "wrong"
        assert trial.status == ("failed" if fails else "finished")
        if trial.values["width"] == 16:
            assert "too wide for this machine" in trial.reason
        elif fails:
            assert "shapes cannot be multiplied" in trial.reason


def test_a_factory_that_shares_its_module_is_refused() -> None:
    shared = net()
    with pytest.raises(ModelError, match="share a parameter"):
        tw.tune(lambda: shared, TRAIN, VALIDATION, space=RATES, **SMALL)


def test_trials_that_all_diverge_are_a_finding_and_no_exception() -> None:
    wild = {"lr": tw.log_uniform(1e12, 1e20)}
    asked = {**SMALL, "rounds": 1}  # in a second one, rates would be searched where they usually are
    study = tw.tune(net, TRAIN, VALIDATION, space=wild, optimizer="sgd", clip_norm=0.0, prune=False, **asked)
    assert study.best is None
    assert [finding.kind for finding in study.findings][:1] == ["all-trials-failed"]
    assert all("not finite in step" in trial.reason for trial in study.trials)


def test_a_recipe_is_searched_over_its_own_settings(tmp_path: Path) -> None:
    recipe = Recipe.of(
        {
            "data": {"source": "iris"},
            "train": {"epochs": 3, "batch_size": 32},
            "tune": {
                "trials": 4,
                "rounds": 1,
                "final": 1,
                "score": "error",
                "space": {
                    "optimizer.lr": {"log_uniform": [1e-4, 1e-1]},
                    "model.width": {"integers": [4, 16], "log": True},
                },
            },
        }
    )
    study = tune_recipe(recipe, folder=tmp_path / "study")
    assert study.best is not None
    assert 0 <= study.best.value <= 1
    assert study.final is not None
    assert (tmp_path / "study" / "final" / "recipe.toml").is_file()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "nothing to search"),
        ({"optimizer.lrr": {"log_uniform": [1e-4, 1e-1]}}, "lrr"),
        ({"optimizer.lr": {"log_uniform": [0.0, 1e-1]}}, "start at 0"),
        ({"optimizer.lr": {"uniform": [1e-1, 1e-4]}}, "upside down"),
        ({"optimizer.lr": {"log_unifrom": [1e-4, 1e-1]}}, "log_uniform"),
        ({"optimizer.name": {"choice": ["adamw"]}}, "nothing to choose"),
        ({"optimizer.name": {"choice": ["adamw", "adaam"]}}, "adaam"),
        ({"data.source": {"choice": ["digits", "iris"]}}, "cannot be searched"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_before_anything_is_read(space: dict, words: str) -> None:
    recipe = Recipe.of({"data": {"source": "/no/such/file.csv"}, "tune": {"space": space}})
    with pytest.raises(RecipeError, match=words):
        space_of(recipe)
