"""Every part of the catalogues, named in a recipe, trains; what does not fit is refused before the first step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from trainwright.errors import ModelError, TrainwrightError
from trainwright.parts import augment, initializers, losses, norms, optimizers, schedules
from trainwright.records import Outcome
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.setup import load_data, prepare
from trainwright.stages.train import train
from trainwright.tensors import digest

SMALL = {
    "data.source": "iris",
    "model.name": "mlp",
    "model.width": 16,
    "train.epochs": 6,
    "train.batch_size": 32,
    "train.threads": 1,
    "doctor.level": "off",
}
IMAGES = SMALL | {"data.source": "digits", "model.name": "cnn", "model.width": 4, "train.epochs": 1}


def run(settings: dict[str, Any], **changes: Any) -> Run:
    return train(Recipe.of(None, **(settings | {name.replace("__", "."): value for name, value in changes.items()})))


def sound(outcome: Outcome) -> None:
    """Assert that a run went to its end and that its books balance."""
    assert outcome.status == "finished"
    assert outcome.ledger is not None
    assert outcome.ledger.problems == ()
    assert all(math.isfinite(values["loss"]) for values in outcome.best.values())


@pytest.mark.parametrize("name", list(optimizers.CATALOGUE))
def test_every_optimizer_learns_through_a_recipe(name: str) -> None:
    finished = run(SMALL, optimizer__name=name, train__epochs=40)
    sound(finished.outcome)
    first = finished.history.evals[0].loss
    assert finished.outcome.best["validation"]["loss"] < first


@pytest.mark.parametrize("name", list(schedules.CATALOGUE))
def test_every_schedule_is_kept_to_the_end(name: str) -> None:
    finished = run(SMALL, schedule__name=name)
    sound(finished.outcome)
    ledger = finished.outcome.ledger
    assert ledger is not None
    assert ledger.rate_deviation == (None if name == "plateau" else pytest.approx(0.0, abs=1e-9))


@pytest.mark.parametrize("name", list(losses.CATALOGUE))
def test_every_loss_trains_on_data_of_its_task(name: str) -> None:
    spec = losses.CATALOGUE[name]
    source = "diabetes" if spec.tasks == ("regression",) else "breast_cancer" if spec.target == "binary" else "iris"
    finished = run(SMALL | {"data.source": source}, loss__name=name, optimizer__lr=0.01)
    sound(finished.outcome)
    assert finished.outcome.best["train"]["loss"] < finished.history.evals[0].loss


@pytest.mark.parametrize("name", [*initializers.CATALOGUE])
def test_every_initializer_may_be_asked_for_by_name(name: str) -> None:
    sound(run(SMALL, model__init=name).outcome)


@pytest.mark.parametrize("name", [*norms.CATALOGUE])
def test_every_normalisation_trains_a_cnn(name: str) -> None:
    sound(run(IMAGES, model__norm=name).outcome)


def test_augmentations_together_train_and_evaluation_sees_the_images_as_they_are() -> None:
    strengths = {"flip": 0.5, "shift": 1.0, "erase": 0.2, "noise": 0.1, "mixup": 0.3, "cutmix": 1.0}
    strengths |= {name: 5.0 if name == "rotate" else 0.1 for name in set(augment.CATALOGUE) - set(strengths)}
    finished = run(IMAGES, **{f"augment__{name}": value for name, value in strengths.items()})
    sound(finished.outcome)
    again = run(IMAGES, **{f"augment__{name}": value for name, value in strengths.items()})
    assert finished.digest == again.digest
    plain = run(IMAGES)
    assert plain.digest != finished.digest
    assert plain.history.evals[0].loss == finished.history.evals[0].loss  # the untrained net, on the same images


@pytest.mark.parametrize(
    "changes",
    [
        {"train__precision": "bf16"},
        {"train__ema": 0.9},
        {"train__accumulate": 2},
        {"train__clip_value": 0.01},
        {"train__checkpoint_activations": True},
        {"train__steps": 7, "train__epochs": "auto"},
        {"train__sampler": "balanced"},
        {"loss__label_smoothing": 0.1},
        {"loss__weights": "balanced"},
        {"loss__l1": 1e-3, "loss__l2": 1e-3},
        {"optimizer__layer_decay": 0.8},
        {"optimizer__rates": {"*bias": 0.0}},
    ],
    ids=str,
)
def test_every_setting_of_the_craft_trains_and_repeats_itself(changes: dict[str, Any]) -> None:
    first, second = run(SMALL, **changes), run(SMALL, **changes)
    sound(first.outcome)
    assert first.digest == second.digest
    if "train__checkpoint_activations" not in changes:
        assert digest(first.model.state_dict()) != digest(run(SMALL).model.state_dict())


def test_computing_activations_again_changes_nothing() -> None:
    assert run(SMALL, train__checkpoint_activations=True).digest == run(SMALL).digest


def test_frozen_parts_stay_where_they_began() -> None:
    recipe = Recipe.of(None, **SMALL, **{"optimizer.rates": {"1": 0.0}, "optimizer.weight_decay": 0.5})
    untrained = prepare(recipe, load_data(recipe)).model.state_dict()
    trained = train(recipe).model.state_dict()
    kept = {name for name, value in untrained.items() if torch.equal(value, trained[name])}
    assert kept == {name for name in untrained if name.startswith("1.")}


def test_smoothing_belongs_to_training_and_not_to_evaluation() -> None:
    plain, smoothed = run(SMALL), run(SMALL, loss__label_smoothing=0.2)
    assert plain.history.evals[0].loss == smoothed.history.evals[0].loss
    assert plain.history.steps[-1].loss < smoothed.history.steps[-1].loss


def test_a_penalty_is_shown_beside_the_loss_and_not_within() -> None:
    plain, penalised = run(SMALL), run(SMALL, loss__l2=0.1)
    assert plain.history.steps[0].penalty is None
    assert penalised.history.steps[0].loss == plain.history.steps[0].loss
    first, last = penalised.history.steps[0].penalty, penalised.history.steps[-1].penalty
    assert first is not None
    assert last is not None
    assert 0 < last < first
    assert "penalty" in penalised.report()


def test_batch_stochastic_and_mini_batch_descent_are_one_loop() -> None:
    samples = len(load_data(Recipe.of(None, **SMALL)).train)
    for batch_size, steps in ((samples, 2), (1, 2 * samples), (10, 2 * math.ceil(samples / 10))):
        finished = run(SMALL, train__batch_size=batch_size, train__epochs=2, optimizer__name="sgd")
        sound(finished.outcome)
        merged = batch_size == 10 and samples % 10 == 1  # a last batch of one joins the one before
        assert finished.outcome.steps == steps - 2 * merged


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss__name": "mse"}, "use 'cross_entropy'"),
        ({"loss__name": "bce_with_logits"}, "two classes"),
        ({"loss__weights": [1.0, 2.0]}, "3 classes"),
        ({"train__precision": "fp16"}, "'bf16'"),
        ({"train__accumulate": 100}, "use at most"),
        ({"train__batch_size": 1000}, "use at most"),
        ({"train__batch_size": 1, "model__norm": "batch"}, "larger batch"),
        ({"schedule__name": "multistep", "schedule__at": [0.5, 1.5]}, "at most 1"),
        ({"schedule__name": "multistep", "schedule__at": [0.5, 0.2]}, "do not ascend"),
        ({"train__steps": 10, "train__epochs": 50}, "leave one of them out"),
        ({"augment__flip": 0.5}, "images"),
        ({"augment__mixup": 0.2, "loss__name": "nll"}, "cross_entropy"),
        ({"optimizer__name": "lbfgs", "augment__noise": 0.1}, "adamw"),
        ({"optimizer__rates": {"no such part": 0.1}}, "no such part"),
        ({"optimizer__name": "lbfgs", "optimizer__layer_decay": 0.5}, "lbfgs"),
        ({"model__name": "no_such_package.nets:make"}, "no_such_package"),
        ({"data__source": "diabetes", "train__sampler": "balanced"}, "classes"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_before_the_first_step_with_the_remedy(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(TrainwrightError) as refused:
        run(SMALL, **changes)
    assert words in str(refused.value)


def test_a_last_batch_of_one_is_merged_and_said() -> None:
    recipe = Recipe.of(None, **(SMALL | {"train.batch_size": 3, "model.norm": "batch"}))
    setup = prepare(recipe, load_data(recipe))
    assert setup.splits["train"].samples % 3 == 1
    assert any("joins the batch before it" in note for note in setup.facts["data"]["notes"])


def test_a_network_of_one_s_own_is_built_from_its_module(tmp_path: Any) -> None:
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n\ndef make(shape, hidden=4):\n"
        "    size = shape.input_shape[0]\n"
        "    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, shape.outputs))\n"
    )
    path = tmp_path / "own.toml"
    path.write_text(
        '[data]\nsource = "iris"\n[model]\nname = "my_nets:make"\nhidden = 9\n[train]\nepochs = 2\nthreads = 1\n'
    )
    finished = train(Recipe.read(path), folder=tmp_path / "run")
    sound(finished.outcome)
    assert next(finished.model.parameters()).shape == (9, 4)
    again = train(Recipe.read(tmp_path / "run" / "recipe.toml"))  # finds the module from where it is kept
    assert again.digest == finished.digest


def test_a_network_of_one_s_own_that_gives_another_shape_is_refused(tmp_path: Any) -> None:
    (tmp_path / "bad_nets.py").write_text("from torch import nn\n\ndef make():\n    return nn.Linear(7, 3)\n")
    path = tmp_path / "own.toml"
    path.write_text('[data]\nsource = "iris"\n[model]\nname = "bad_nets:make"\n')
    with pytest.raises(ModelError, match="cannot take"):
        train(Recipe.read(path))
