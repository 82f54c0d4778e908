"""What a search cannot do is told before its first trial: the field, the value, the factory, the data, the remedy."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import DataError, ModelError, RecipeError, TrainwrightError, UsageError
from trainwright.records.study import Trial
from trainwright.search.entrant import RowEntrant
from trainwright.stages.entrants import from_factory, homes_of
from trainwright.stages.recipe import Recipe
from trainwright.stages.tune_space import space_of


def net(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))


GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(60, 4, generator=GENERATOR), torch.arange(60) % 3
RATE = {"lr": tw.log_uniform(1e-3, 1e-1)}
ASKED: dict[str, Any] = {"trials": 4, "rounds": 1, "epochs": 2, "batch_size": 20, "final": 0}


def tune(factory: Any = net, space: Any = None, train: Any = None, validation: Any = None, **asked: Any) -> Any:
    return tw.tune(
        factory, (X, Y) if train is None else train, (X[:20], Y[:20]) if validation is None else validation,
        space=RATE if space is None else space, **{**ASKED, **asked},
    )  # fmt: skip


SETTINGS = ["epochs", "steps", "seed", "device", "patience", "data.validation", "tune.trials", "model.width"]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_a_search_cannot_move_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' cannot be searched\n  evidence: .*\n  remedy: "):
        tune(space={name: tw.integers(1, 4)})


@pytest.mark.parametrize("name", ["train.epochs", "train.seed", "train.device", "doctor.level"])
def test_a_recipe_is_refused_them_with_the_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(f'[data]\nsource = "iris"\n[tune.space]\n"optimizer.lr" = {{ uniform = [1e-3, 2e-3] }}\n'
                    f'"{name}" = {{ integers = [1, 4] }}\n')  # fmt: skip
    with pytest.raises(RecipeError, match=rf"r\.toml:5: '{name}' cannot be searched: "):
        space_of(Recipe.read(file))


def test_the_same_setting_under_two_names_is_refused() -> None:
    with pytest.raises(UsageError, match=r"same setting twice\n  evidence: 'lr' and 'optimizer.lr'"):
        tune(space={**RATE, "optimizer.lr": tw.log_uniform(1e-3, 1e-1)})


def test_an_option_that_another_optimizer_of_the_space_lacks_is_refused_and_when_mends_it() -> None:
    space = {"optimizer": tw.choice("sgd", "momentum"), "momentum": tw.uniform(0.5, 0.9)}
    with pytest.raises(
        UsageError, match=r"'sgd' of optimizer has no momentum[\s\S]*when=\('optimizer', \['momentum'\]\)"
    ):
        tune(space=space)
    nowhere = {"optimizer": tw.choice("sgd", "adamw"), "momentum": tw.uniform(0.5, 0.9, when=("optimizer", "sgd"))}
    with pytest.raises(UsageError, match=r"add 'momentum' or 'nesterov'.* to it, and write when=\('optimizer', \['mom"):
        tune(space=nowhere)
    study = tune(space={**space, "momentum": tw.uniform(0.5, 0.9, when=("optimizer", ["momentum"]))})
    assert {trial.status for trial in study.trials} <= {"finished", "pruned"}
    plain = {"optimizer.name": {"choice": ["sgd", "adamw"]}, "optimizer.beta1": {"uniform": [0.5, 0.9]}}
    with pytest.raises(RecipeError, match=r'when = \{ "optimizer.name" = \["adamw"\] \}'):
        space_of(Recipe.of({"tune": {"space": plain}}))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"factory": net()}, "the model's factory is a model"),
        ({"factory": "mlp"}, "must be a function that builds a model"),
        ({"space": [1]}, "must map names to ranges"),
        ({"space": {3: tw.uniform(0, 1)}}, "must be text"),
        ({"sampler": 3}, "must be a name, or one of Optuna's"),
        ({"final": 1.5}, "tune.final must be a whole number"),
        ({"trials": 10**9}, "tune.trials must be at most 100000"),
        ({"rounds": 10**9}, "tune.rounds must be at most 1000"),
        ({"seconds": float("nan")}, "tune.seconds must be finite"),
        ({"nonsense": 1}, r"tune\(\) knows no setting 'nonsense'"),
        ({"space": {**RATE, "loss.label_smoothing": tw.uniform(0, 3)}, "score": "error"}, "'loss.label_smoothing' of"),
        ({"loss": lambda o, y: 1 / 0}, "cannot be computed on the model's output"),
        ({"loss": lambda o, y: 3.0}, "must be a single number, in a tensor"),
        ({"loss": nn.CrossEntropyLoss(), "space": {"loss.label_smoothing": tw.uniform(0, 0.5)}}, "given as a function"),
        ({"train": (X, Y + 5)}, "outside the classes"),
        ({"validation": (X[:20], Y[:20] + 5)}, "outside the classes"),
        ({"train": (X.where(X < 2, torch.nan), Y)}, "inputs of the train data are not all finite"),
        ({"validation": (X[:20] * torch.inf, Y[:20])}, "inputs of the validation data are not all finite"),
        ({"space": {"lr": tw.choice("find", 0.1)}}, "cannot be found"),
        ({"lr": "find"}, "to be found and to be searched"),
    ],
)  # fmt: skip
def test_bad_input_is_an_error_with_what_it_is(case: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainwrightError, match=words):
        tune(**case)


def test_a_factory_that_builds_another_model_on_every_call_is_named() -> None:
    widths = iter(range(4, 999))
    with pytest.raises(ModelError, match=r"another model on every call[\s\S]*'0.weight' \(4, 4\), then \(5, 4\)"):
        tune(lambda: net(next(widths)))


@pytest.mark.parametrize("bad", [4, 8, 12])
def test_a_factory_that_fails_for_some_values_fails_those_trials_alone(bad: int) -> None:
    def factory(width: int = 4) -> nn.Module:
        if width == bad:
            raise KeyError("no such width")
        return net(width)

    study = tune(factory, {"width": tw.choice(4, 8, 12), **RATE}, trials=9, prune=False, final=1)
    assert {trial.values["width"] for trial in study.trials if trial.status == "failed"} == {bad}
    assert study.best is not None
    assert study.best.values["width"] != bad
    assert study.best.score == study.best.value


def test_a_loss_that_raises_on_some_batch_fails_its_trials_with_the_line() -> None:
    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if output.requires_grad:
            raise LookupError("not while training")
        return nn.functional.cross_entropy(output, target)

    study = tune(loss=loss)
    assert {trial.status for trial in study.trials} == {"failed"}
    assert all("test_stages_tune_refusals.py" in t.reason and "not while training" in t.reason for t in study.trials)


def test_a_rate_that_is_to_be_found_is_found_once_for_all_trials_and_for_the_default(tmp_path: Path) -> None:
    space = {"weight_decay": tw.log_uniform(1e-4, 1e-1)}
    asked = {"lr": "find", "final": 1, "epochs": 8, "folder": tmp_path, "prune": False}
    first = tune(space=space, **asked)
    assert first.confirmation is not None
    assert all(score == score for score in (*first.confirmation.fresh_scores, *first.confirmation.default_scores))
    assert {trial.status for trial in first.trials} == {"finished"}
    assert first.final is not None
    rate = first.final.history.info.setting("optimizer.lr")
    again = tune(space=space, **{**asked, "trials": 6, "final": 2})
    assert again.final is not None
    assert again.final.history.info.setting("optimizer.lr") == rate
    assert any("learning rate" in note for note in first.notes)


def test_a_sampler_that_is_searched_reaches_the_batches() -> None:
    from trainwright.records import Location
    from trainwright.stages.given import prepare_given

    recipe, caller = Recipe.of({"train": {"epochs": 2, "batch_size": 20}}), Location(file=__file__, line=1)
    y = torch.where(torch.arange(60) < 50, 0, 1)
    base = prepare_given(recipe, net(), (X, y), (X, y), loss=None, optimizer=None, caller=caller)
    space = {"train.sampler": tw.choice("shuffled", "balanced")}
    enter = from_factory(recipe, net, (X, y), (X, y), loss=None, base=base, names=homes_of(net, space), caller=caller)
    shares = {}
    for name in ("shuffled", "balanced"):
        entrant = enter(Trial(number=0, configuration=0, round=0, chunk=0, values={"train.sampler": name}, seed=1))
        assert isinstance(entrant, RowEntrant)
        shares[name] = float(torch.cat([labels for _, labels in entrant.feed.epoch(0)]).float().mean())
    assert shares["shuffled"] == pytest.approx(1 / 6, abs=0.01)
    assert shares["balanced"] > 0.3


def test_a_study_prints_on_one_line() -> None:
    study = tune(functools.partial(net, width=4))
    text = repr(study)
    assert text.startswith("Study(finished, 4 trials, best score ")
    assert "\n" not in text
    assert len(text) < 120


def test_data_that_cannot_be_trained_on_leave_no_study_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        tune(train=(X * torch.nan, Y), folder=tmp_path / "study")
    assert not (tmp_path / "study").exists()
