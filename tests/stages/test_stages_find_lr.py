"""The verb find-lr: what it takes and refuses, that it leaves no footprint, and `lr = "find"` in a recipe."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.errors import DataError, ModelError, UsageError
from trainwright.randomness import isolated
from trainwright.records import Location
from trainwright.stages.find_lr import find_lr_of_recipe
from trainwright.stages.find_lr_question import question_of
from trainwright.stages.given import prepare_given
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import load_data, prepare
from trainwright.tensors import digest

SHORT: dict[str, Any] = {"trial_steps": 20, "repeats": 2}


def net() -> nn.Sequential:
    with isolated(1):
        return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def clouds(samples: int = 240) -> tuple[torch.Tensor, torch.Tensor]:
    with isolated(2):
        y = torch.arange(samples) % 3
        x = torch.randn(samples, 4) + 1.5 * nn.functional.one_hot(y, 4).float()
        order = torch.randperm(samples)
    return x[order], y[order]


def plain(optimizer: torch.optim.Optimizer) -> str:
    return json.dumps(optimizer.state_dict(), default=lambda tensor: tensor.tolist())


def test_a_small_network_gets_a_rate_with_an_interval_and_a_curve() -> None:
    found = tw.find_lr(net(), "cross_entropy", clouds(), **SHORT)
    assert found.suggestion is not None, found.reason
    assert 1e-4 < found.suggestion < 3
    assert found.interval is not None
    assert found.interval[0] <= found.suggestion <= found.interval[1]
    assert found.judged_by == "the loss of 48 samples held out, others in each repeat"
    assert found.optimizer == "adamw"
    assert len(found.curve) >= 19
    assert isinstance(found, tw.LearningRate)


def test_what_was_found_can_be_read_back_by_any_parser() -> None:
    found = tw.find_lr(net(), nn.CrossEntropyLoss(), clouds(), optimizer="sgd", **SHORT)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["schema"] == 1
    assert document["findings"] == []
    assert document["suggestion"] == found.suggestion
    assert {"rate", "loss", "losses"} == set(document["curve"][0])


@pytest.mark.parametrize("method", ["array", "sweep"])
@pytest.mark.parametrize("loading", [False, True])
def test_everything_is_as_it_was_afterwards(method: Any, loading: bool) -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(clouds()[0]).sum().backward()
    optimizer.step()
    model[1].eval()
    own = torch.Generator().manual_seed(7)
    data: Any = clouds()
    if loading:
        data = DataLoader(TensorDataset(*clouds()), batch_size=32, shuffle=True, generator=own)
    gradients = [parameter.grad for parameter in model.parameters()]

    def state() -> tuple[Any, ...]:
        return (
            digest(model.state_dict()),
            [None if gradient is None else gradient.tolist() for gradient in gradients],
            plain(optimizer),
            [module.training for module in model.modules()],
            own.get_state().tolist(),
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
            digest(dict(zip("xy", clouds(), strict=True))),
        )

    before = state()
    tw.find_lr(model, "cross_entropy", data, optimizer=optimizer, method=method, trial_steps=60, repeats=1)
    assert state() == before
    assert all(parameter.grad is kept for parameter, kept in zip(model.parameters(), gradients, strict=True))


def test_a_loader_is_judged_by_the_training_loss_unless_validation_data_are_given() -> None:
    loader = DataLoader(TensorDataset(*clouds()), batch_size=48, shuffle=True)
    assert tw.find_lr(net(), "cross_entropy", loader, **SHORT).judged_by == "the training loss at the end"
    judged = tw.find_lr(net(), "cross_entropy", loader, validation=clouds(60), **SHORT).judged_by
    assert judged == "the loss of 60 samples held out"


def test_samples_that_are_too_few_to_hold_out_are_said_beside_the_interval() -> None:
    asked: dict[str, Any] = {"repeats": 1, "trial_steps": 5, "epochs": 2, "batch_size": 32}
    few, more = (tw.find_lr(net(), "cross_entropy", clouds(samples), **asked) for samples in (90, 180))
    assert few.judged_by == "the training loss at the end"
    assert any("18 samples held out are too few to judge by" in note for note in few.notes)
    assert not any("too few" in note for note in more.notes)


def test_each_repeat_is_judged_by_other_samples_and_trains_on_none_of_them() -> None:
    x, y = clouds()
    x = torch.arange(240.0)[:, None].expand(240, 4).contiguous()
    plan = Recipe.of(None, **{"doctor.level": "off", "train.batch_size": 32, "train.sampler": "balanced"})
    setup = prepare_given(plan, net(), (x, y), None, loss=None, optimizer=None, caller=Location())
    question = question_of(setup)
    assert question.held is not None
    seen: set[float] = set()
    for repeat in range(3):
        judged = {float(value) for part, _ in question.held(repeat) for value in part[:, 0]}
        trained = {float(value) for part, _ in islice(question.batches(repeat), 20) for value in part[:, 0]}
        assert len(judged) == 48
        assert not judged & (trained | seen)
        seen |= judged


def test_repeats_see_the_samples_in_other_orders() -> None:
    setup = prepare_given(
        Recipe.of(None, **{"doctor.level": "off"}),
        net(),
        clouds(),
        clouds(60),
        loss=None,
        optimizer=None,
        caller=Location(),
    )
    question = question_of(setup)
    first, second = (next(iter(question.batches(repeat)))[0] for repeat in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, next(iter(question.batches(0)))[0])


def test_arrays_and_regression_with_a_loss_of_ones_own() -> None:
    x, y = clouds()
    found = tw.find_lr(
        nn.Linear(4, 1),
        lambda output, target: (output - target).abs().mean(),
        (x.numpy(), (x.sum(1, keepdim=True) + y[:, None]).double().numpy()),
        optimizer="momentum",
        batch_size=32,
        **SHORT,
    )
    assert found.suggestion is not None, found.reason


def test_what_is_planned_is_what_the_rate_is_for() -> None:
    found = tw.find_lr(net(), "cross_entropy", clouds(), epochs=10, batch_size=24, **SHORT)
    assert found.planned_steps == 100
    assert found.steps == 20


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"optimizer": "adamm"}, UsageError, "did you mean 'adam"),
        ({"optimizer": 3}, UsageError, "optimizer must be a name"),
        ({"optimizer": "lbfgs"}, UsageError, "line search"),
        ({"lr": 0.1}, UsageError, "leave lr out"),
        ({"epoch": 3}, UsageError, "did you mean 'epochs'"),
        ({"method": "sweeep"}, UsageError, "did you mean 'sweep'"),
        ({"repeats": -1}, UsageError, "repeats must be"),
        ({"loss": "cross_entrpy"}, UsageError, "did you mean 'cross_entropy'"),
        ({"data": (torch.zeros(0, 4), torch.zeros(0))}, DataError, "no samples|empty"),
        ({"data": 5}, DataError, "int"),
        ({"model": 5}, ModelError, "must be a torch.nn.Module"),
        ({"model": nn.Linear(7, 3)}, ModelError, "model"),
    ],
)
def test_bad_input_is_refused_by_name(asked: dict[str, Any], error: type[Exception], words: str) -> None:
    given: dict[str, Any] = {"model": net(), "loss": "cross_entropy", "data": clouds(), **SHORT, **asked}
    with pytest.raises(error, match=words):
        tw.find_lr(**given)


def test_a_loss_that_nothing_moves_has_no_answer() -> None:
    found = tw.find_lr(net(), lambda output, target: output.mean() * 0.0 + 1.0, clouds(), **SHORT)
    assert found.suggestion is None
    assert "flat" in found.reason


RECIPE = {"data.source": "iris", "model.name": "mlp", "train.epochs": 6, "train.threads": 1, "optimizer.lr": "find"}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("gap", [5.0, 12.0])
def test_a_task_whose_classes_lie_apart_has_an_answer_inside_the_range_that_works(optimizer: str, gap: float) -> None:
    with isolated(0):
        model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
        y = torch.randint(0, 3, (300,))
        x = torch.randn(300, 4) + gap * nn.functional.one_hot(y, 4).float()
    asked: dict[str, Any] = {"optimizer": optimizer, "epochs": 5, "batch_size": 32}
    found = tw.find_lr(model, "cross_entropy", (x, y), **asked)
    assert found.suggestion is not None, found.reason
    assert found.interval is not None
    assert found.interval[0] <= found.suggestion <= found.interval[1]
    with isolated(3):
        run = tw.fit(model, (x[:200], y[:200]), (x[200:], y[200:]), lr=found.suggestion, verify="off", **asked)
    assert run.history.evaluations("validation")[-1].loss < 0.05 * found.loss_at_start
    assert gap < 10 or any("below 0.1 % of its start" in note for note in found.notes)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_labels_at_random_have_no_answer(optimizer: str) -> None:
    with isolated(0):
        head = nn.Linear(32, 3)
        nn.init.zeros_(head.bias)
        nn.init.normal_(head.weight, std=1e-3)
        model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), head)
        x, y = torch.randn(300, 4), torch.randint(0, 3, (300,))
    assert tw.find_lr(model, "cross_entropy", (x, y), optimizer=optimizer, epochs=5, batch_size=32).suggestion is None


def test_a_recipe_may_ask_for_the_rate_and_is_resolved_to_it() -> None:
    setup = prepare(recipe := Recipe.of(None, **RECIPE), load_data(recipe))
    said = setup.facts["learning_rate"]
    assert said["suggestion"] is not None, said["reason"]
    assert setup.recipe.optimizer.options["lr"] == said["suggestion"]
    assert any("learning rate" in note and "was found" in note for note in setup.facts["data"]["notes"])
    assert max(group["lr"] for group in setup.optimizer.param_groups) == pytest.approx(said["suggestion"])


def test_the_run_keeps_what_the_finder_said(tmp_path: Path) -> None:
    x, y = clouds()
    run = tw.fit(net(), (x, y), (x[:60], y[:60]), epochs=4, lr="find", folder=tmp_path / "run", threads=1)
    (event,) = (event for event in run.history.events if event.name == "learning-rate")
    assert event.detail["curve"]
    used = max(step.rate for step in run.history.steps)
    assert used == pytest.approx(event.detail["suggestion"], rel=0.2)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["learning_rate"]["curve"]


def test_without_an_answer_the_run_goes_on_at_the_fallback_and_says_so() -> None:
    x, y = clouds()
    model = net()
    run = tw.fit(
        model, (x, y), loss=lambda output, target: output.mean() * 0.0 + 1.0, epochs=1, lr="find", verify="off"
    )
    (event,) = (event for event in run.history.events if event.name == "learning-rate")
    assert event.detail["suggestion"] is None
    assert "flat" in event.detail["text"]
    assert "goes on at 0.0003" in event.detail["text"]


def test_groups_of_a_recipe_keep_their_multiples() -> None:
    recipe = Recipe.of({"optimizer": {"rates": {"*.bias": 0.1}}}, **RECIPE)
    setup = prepare(recipe, load_data(recipe))
    rates = sorted({group["lr"] for group in setup.optimizer.param_groups})
    assert rates[0] == pytest.approx(0.1 * rates[-1])


def test_repeats_of_a_recipe_begin_from_other_weights() -> None:
    found = find_lr_of_recipe(Recipe.of(None, **RECIPE), repeats=2, trial_steps=3)
    both = [point.losses for point in found.curve if None not in point.losses]
    assert all(first != second for first, second in both)


@pytest.mark.parametrize("method", ["array", "sweep"])
def test_no_rate_is_found_where_there_is_nothing_to_learn_or_too_little_to_see(method: Any) -> None:
    x, y = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3
    model = nn.Linear(4, 3)
    for data, why in (((x, y * 0), "nothing to learn"), ((x[:3], y[:3]), "too few: 3 samples")):
        found = tw.find_lr(model, "cross_entropy", data, epochs=1, method=method)
        assert found.suggestion is None
        assert why in found.reason
    assert "nothing to learn" not in tw.find_lr(model, "cross_entropy", (x, y), epochs=1, method=method).reason
