from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stages_nets import classes, loader, net
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import trainwright as tw
from trainwright.errors import DataError, RecipeError, RunError, TrainwrightError, UsageError
from trainwright.stages.recipe import Recipe
from trainwright.tensors import copy_state, digest


@pytest.fixture
def threads() -> Iterator[None]:
    """Let a test set torch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# --- what may be given ---


def test_fit_trains_the_very_model_and_leaves_it_with_the_best_weights() -> None:
    model = net()
    run = tw.fit(model, classes(), classes(100, 1), epochs=40, lr=0.01)
    assert run.model is model
    assert run.outcome.status == "finished"
    assert run.outcome.best["validation"]["accuracy"] > 0.9
    assert set(run.outcome.best) == {"train", "validation"}
    assert run.folder is None
    x, y = classes(100, 1)
    with torch.no_grad():
        assert float(F.cross_entropy(model(x), y)) == pytest.approx(run.outcome.best["validation"]["loss"], rel=1e-5)
    losses = {record.step: record.loss for record in run.history.evaluations("validation")}
    assert run.outcome.best_step == min(losses, key=lambda step: losses[step])


def test_the_best_weights_are_not_the_last_where_those_are_worse() -> None:
    model, good = net(), classes(60, 1)
    misled = good[0], (good[1] + 1) % 3  # what training teaches is wrong for validation
    run = tw.fit(model, misled, good, epochs=30, lr=0.05)
    assert run.outcome.best_step is not None
    assert run.outcome.best_step < run.outcome.steps
    assert digest(copy_state(model)) != run.digest


def test_without_validation_the_best_is_chosen_on_training() -> None:
    run = tw.fit(net(), classes(), epochs=5)
    assert set(run.outcome.best) == {"train"}
    assert run.history.evaluations("train")


def test_arrays_lists_loaders_and_lists_of_batches_are_all_data() -> None:
    x, y = classes()
    pairs: list[Any] = [
        (x, y),
        [x, y],
        (x.numpy(), y.numpy()),
        (x.numpy().astype(np.float64), y.numpy().astype(np.int32)),
        (x.tolist(), y.tolist()),
        loader(x, y),
        [(x[:50], y[:50])],
        [(x[:50], y[:50]), (x[50:100], y[50:100])],
        ((x[:50], y[:50]), (x[50:100], y[50:100])),
        [(x[start : start + 50].numpy(), y[start : start + 50].numpy()) for start in (0, 50, 100)],
    ]
    for train in pairs:
        for validation in (None, (x[:30], y[:30]), loader(x[:30], y[:30]), [(x[:30], y[:30]), (x[:30], y[:30])]):
            run = tw.fit(net(), train, validation, epochs=1)
            assert run.outcome.status == "finished"
            assert run.history.info.task == "classification"


def test_the_same_pair_in_any_form_gives_the_same_run() -> None:
    x, y = classes()
    digests = {
        tw.fit(net(), pair, epochs=3).digest
        for pair in [(x, y), (x.numpy(), y.numpy()), (x.double().numpy(), y.int().numpy()), (x.tolist(), y.tolist())]
    }
    assert len(digests) == 1


def test_a_shuffling_loader_gives_the_same_run_twice() -> None:
    digests = {tw.fit(net(), loader(*classes(), shuffle=True), epochs=3).digest for _ in range(2)}
    assert len(digests) == 1
    assert tw.fit(net(), loader(*classes(), shuffle=True), epochs=3, seed=1).digest not in digests


def once(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield x, y


@pytest.mark.parametrize("side", ["train", "validation"])
def test_data_that_can_be_read_only_once_are_refused(side: str) -> None:
    x, y = classes()
    for stream in (once(x, y), iter(loader(x, y)), iter([(x, y)]), map(tuple, [(x, y)])):
        data = {"train": (x, y), "validation": (x, y), side: stream}
        with pytest.raises(DataError, match="can be read once only"):
            tw.fit(net(), data["train"], data["validation"], epochs=2)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (None, "neither a pair"),
        (3, "neither a pair"),
        ("digits", "no pair"),
        ([], "empty"),
        ((torch.zeros(0, 5), torch.zeros(0).long()), "empty"),
        ((torch.zeros(3, 5), torch.zeros(4).long()), "differ in length"),
        ((torch.zeros(3), torch.zeros(3).long()), "no axis of features"),
        ((torch.zeros(3, 5), ["a", "b", "c"]), "cannot be read as a tensor of numbers"),
        ((torch.zeros(3, 5), torch.full((3, 2), 7)), "several columns"),
        (TensorDataset(*classes()), "single samples, not batches"),
        ([(torch.zeros(3, 5),)], "no pair"),
        ([torch.zeros(3, 5), torch.zeros(3).long(), torch.zeros(3)], "no pair"),
    ],
)
def test_what_is_no_data_is_refused(train: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        tw.fit(net(), train, epochs=1)


# --- the optimizer and the settings ---


def test_a_ready_optimizer_is_used_as_it_is(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    run = tw.fit(model, classes(), optimizer=optimizer, schedule="constant", epochs=10, folder=tmp_path / "run")
    assert run.outcome.best["train"]["accuracy"] > 0.8
    assert run.history.info.optimizer == "Adagrad"
    assert {record.rate for record in run.history.steps} == {0.1}
    assert run.history.info.setting("optimizer.name") == "Adagrad"
    assert run.history.info.setting("optimizer.lr") is None
    text = (tmp_path / "run" / "recipe.toml").read_text(encoding="utf-8")
    assert "the Adagrad were given in Python" in text
    assert "adamw" not in text


def test_an_optimizer_of_another_model_is_refused() -> None:
    optimizer = torch.optim.SGD(net().parameters(), lr=0.1)
    with pytest.raises(UsageError, match="holds no parameter of the model"):
        tw.fit(net(), classes(), optimizer=optimizer, epochs=1)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, 3])
def test_what_is_no_optimizer_is_refused(optimizer: Any) -> None:
    with pytest.raises(UsageError, match=r"optimizer must be a name or a torch.optim.Optimizer"):
        tw.fit(net(), classes(), optimizer=optimizer, epochs=1)


def test_a_setting_of_the_optimizer_beside_a_ready_one_is_refused() -> None:
    model = net()
    with pytest.raises(UsageError, match=r"optimizer.lr was given beside a ready optimizer"):
        tw.fit(model, classes(), optimizer=torch.optim.SGD(model.parameters(), lr=0.1), lr=0.2)


def test_flat_settings_are_those_of_the_recipe() -> None:
    run = tw.fit(
        net(),
        classes(),
        optimizer="momentum",
        lr=np.float64(0.05),
        momentum=0.8,
        schedule="step",
        every=0.5,
        factor=0.1,
        epochs=np.int64(4),
        batch_size=40,
        seed=3,
        clip_norm=0,
        level="full",
    )
    sections: dict[str, Any] = {
        "optimizer": {"name": "momentum", "lr": 0.05, "momentum": 0.8},
        "schedule": {"name": "step", "every": 0.5, "factor": 0.1},
        "train": {"epochs": 4, "batch_size": 40, "seed": 3, "clip_norm": 0.0},
        "doctor": {"level": "full"},
    }
    assert tw.fit(net(), classes(), recipe=sections).digest == run.digest
    assert tw.fit(net(), classes(), recipe=Recipe.of(sections)).digest == run.digest
    assert tw.fit(net(), classes(), recipe={**sections, "train": {}}, epochs=4, batch_size=40, seed=3).digest
    assert [record.rate for record in run.history.steps] == pytest.approx([0.05] * 10 + [0.005] * 10)


def test_a_recipe_may_be_a_path_and_settings_win_over_it(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[train]\nepochs = 2\nseed = 4\n")
    run = tw.fit(net(), classes(), recipe=path, epochs=3)
    assert run.digest == tw.fit(net(), classes(), seed=4, epochs=3).digest
    assert run.digest == tw.fit(net(), classes(), recipe=str(path), epochs=3).digest


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epoch": 3}, "fit() knows no setting 'epoch'"),
        ({"epoch": 3}, "did you mean 'epochs'?"),
        ({"batchsize": 3}, "did you mean 'batch_size'?"),
        ({"optimiser": "sgd"}, "did you mean 'optimizer'?"),
        ({"sheduler": "cosine"}, "did you mean 'schedule'?"),
        ({"optimizer": "adma"}, "there is no optimizer 'adma'; did you mean 'adam'?"),
        ({"schedule": "cosin"}, "there is no schedule 'cosin'; did you mean 'cosine'?"),
        ({"lr": "0.1"}, "optimizer.lr must be a number, not '0.1'"),
        ({"lr": -1}, "optimizer.lr must be above 0, not -1"),
        ({"lr": float("nan")}, "optimizer.lr must be a finite number"),
        ({"momentum": 0.9}, "optimizer 'adamw' has no key 'momentum'"),
        ({"epochs": 0}, "train.epochs must be at least 1"),
        ({"epochs": 10**400}, "train.epochs must be at least 1 and at most 1000000000"),
        ({"batch_size": 201}, "train.batch_size = 201 is more than the 200 training samples"),
        ({"task": "regresion"}, "data.task cannot be 'regresion'; did you mean 'regression'?"),
        ({"level": "on"}, "doctor.level cannot be 'on'"),
        ({"device": "abacus"}, "there is no device 'abacus' here"),
        ({"recipe": {"train": {"epoch": 3}}}, "[train] has no key 'epoch'; did you mean 'epochs'?"),
        ({"recipe": 3}, "recipe must be a Recipe, a dict of its sections, or a path"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_the_nearest(settings: dict[str, Any], words: str) -> None:
    with pytest.raises((UsageError, RecipeError), match=re.escape(words)):
        tw.fit(net(), classes(), **settings)


def test_the_default_batch_shrinks_to_small_data_written_out_or_not() -> None:
    data = classes(20)
    run = tw.fit(net(), data, epochs=2)
    assert run.history.info.setting("train.batch_size") == 20
    assert tw.fit(net(), data, epochs=2, batch_size=64).digest == run.digest


def test_patience_stops_and_evaluations_change_nothing() -> None:
    data, held_out = classes(), classes(60, 1)
    run = tw.fit(net(), data, held_out, epochs=10)
    assert tw.fit(net(), data, held_out, epochs=10, evaluate_every_steps=3).digest == run.digest
    misled = held_out[0], (held_out[1] + 1) % 3
    stopped = tw.fit(net(), data, misled, epochs=200, lr=0.02, patience=3)
    assert stopped.outcome.status == "stopped"
    assert "no better validation loss for 3 evaluations" in stopped.outcome.reason
    assert stopped.outcome.steps < 800


# --- what is left behind ---


def test_a_folder_is_kept_where_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    run = tw.fit(net(), classes(), classes(50, 1), epochs=2, folder=str(folder))
    assert run.folder == folder
    stored = tw.read_run(folder)
    assert stored.outcome == run.outcome
    assert stored.digest == run.digest
    assert stored.info.name == "sequential"
    recipe = Recipe.read(folder / "recipe.toml")
    assert recipe.train.epochs == 2
    assert f"given in Python, at {__file__}:" in stored.recipe
    with pytest.raises(RunError, match="already holds a run"):
        tw.fit(net(), classes(), epochs=2, folder=folder)


def test_a_refusal_leaves_no_folder(tmp_path: Path) -> None:
    wrong: list[tuple[Any, dict[str, Any]]] = [
        (net(7), {}),
        (net(), {"lr": -1}),
        (net(), {"loss": nn.L1Loss()}),
        (net(), {"batch_size": 999}),
    ]
    for model, settings in wrong:
        with pytest.raises(TrainwrightError):
            tw.fit(model, classes(), folder=tmp_path / "run", **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("gradients", [True, False])
def test_the_callers_state_is_as_it_was(gradients: bool) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    model = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 3))
    torch.set_num_threads(2)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    with torch.set_grad_enabled(gradients):
        run = tw.fit(model, loader(*classes(), shuffle=True), classes(50, 1), epochs=2, threads=1, level="full")
        assert torch.is_grad_enabled() is gradients
    assert torch.is_grad_enabled()
    assert run.outcome.steps == 16
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]
    assert random.getstate() == before[2]
    assert torch.get_num_threads() == 2
    assert all(not parameter.is_inference() for parameter in model.parameters())


@pytest.mark.usefixtures("threads")
def test_the_callers_state_is_as_it_was_after_a_failure() -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls = net(), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += self.training
            if self.calls > 3:
                raise RuntimeError("a fault of the user's own")
            return self.inner(x)

    state = torch.get_rng_state()
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="a fault of the user's own"):
        tw.fit(Failing(), classes(), epochs=5, threads=1, level="off")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 2
    assert torch.is_grad_enabled()


def test_the_callers_data_are_as_they_were() -> None:
    x, y = classes()
    kept = x.clone(), y.clone()
    tw.fit(nn.Sequential(nn.ReLU(inplace=True), net()), (x, y), (x, y), epochs=2)
    assert torch.equal(x, kept[0])
    assert torch.equal(y, kept[1])


def test_the_same_call_twice_is_the_same_run_and_another_seed_another() -> None:
    runs = [tw.fit(net(), classes(), epochs=3, seed=seed) for seed in (0, 0, 1)]
    assert runs[0].digest == runs[1].digest != runs[2].digest
    assert runs[0].findings == runs[1].findings
    losses = [[record.loss for record in run.history.steps] for run in runs]
    assert losses[0] == losses[1] != losses[2]


def test_a_run_is_plain_json() -> None:
    run = tw.fit(net(), classes(), epochs=1)
    document = run.to_json()
    assert document["schema"] == 1
    assert document["digest"] == run.digest
    assert document["outcome"]["status"] == "finished"
