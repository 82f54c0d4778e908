from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from training_courses import (
    Record,
    ScriptedEvaluator,
    Watcher,
    carried_out,
    make_course,
    net,
    quantities,
    task,
)
from training_overfitting import overfitting_course, validation_records

import trainwright as tw
from trainwright.parts import models
from trainwright.parts.losses import mse
from trainwright.randomness import isolated
from trainwright.records import DataShape, EvalRecord, Event, LayerStats, StepRecord
from trainwright.tensors import copy_state, digest
from trainwright.training import checkpoint
from trainwright.training.course import Course
from trainwright.training.evaluate import Evaluator
from trainwright.training.step import TrainStep


class RunningMean(nn.Module):
    """Keeps a running mean the way users write it: the buffer is replaced, and in evaluation too."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
        return x - self.mean


def delicate() -> nn.Sequential:
    """Return a net with dropout, batch normalisation, and statistics of its own."""
    return nn.Sequential(RunningMean(5), *net())


def draw_globally(record: Record) -> None:
    random.random()
    np.random.rand(3)
    torch.rand(3)


def digest_of(**choices: Any) -> str:
    return carried_out(make_course(delicate(), task(50), task(30, seed=1), **choices)).digest


@pytest.fixture(scope="module")
def plain_digest() -> str:
    return digest_of()


@pytest.mark.parametrize(
    "choices",
    [
        {"every": 1},
        {"every": 3},
        {"every": 1000},
        {"level": "light"},
        {"level": "full"},
        {"level": "full", "every": 1},
        {"observers": [Watcher(draw_globally)]},
        {"observers": [Watcher(draw_globally)], "level": "light", "every": 2},
        {"patience": 1000},
        {"keep": lambda name, state, step, facts: None},
        {"splits": {"test": task(20, seed=2)}},
    ],
    ids=lambda choices: "-".join(f"{key}" for key in choices),
)
def test_watching_measuring_and_keeping_never_change_a_run(plain_digest: str, choices: dict[str, Any]) -> None:
    assert digest_of(**choices) == plain_digest


def test_a_seed_a_rate_or_a_batch_size_does_change_a_run(plain_digest: str) -> None:
    others = [digest_of(seed=1), digest_of(lr=0.04), digest_of(batch_size=25), digest_of(epochs=5)]
    assert len({plain_digest, *others}) == 5


def test_keeping_checkpoints_on_disk_changes_nothing(plain_digest: str, tmp_path: Any) -> None:
    def keep(name: str, state: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]) -> None:
        checkpoint.save(tmp_path, name, state, step=step, facts=facts)

    conclusion = carried_out(make_course(delicate(), task(50), task(30, seed=1), keep=keep, every=1))
    assert conclusion.digest == plain_digest
    last, manifest = checkpoint.load(tmp_path, "last")
    assert digest(last) == plain_digest
    assert manifest["step"] == conclusion.outcome.steps
    _, manifest = checkpoint.load(tmp_path, "best")
    assert manifest["step"] == conclusion.outcome.best_step
    assert manifest["loss"] == conclusion.outcome.best["validation"]["loss"]


@pytest.mark.parametrize("level", ["off", "light", "full"])
def test_a_run_leaves_the_randomness_of_its_caller_alone(level: str) -> None:
    def states() -> tuple[Any, ...]:
        numpy_state: Any = np.random.get_state()
        return random.getstate(), np.asarray(numpy_state[1]).tobytes(), torch.get_rng_state().numpy().tobytes()

    before = states()
    run = tw.fit(net(), task(40), task(20, seed=1), epochs=2, level=level, loss="cross_entropy")
    assert run.outcome.status == "finished"
    assert states() == before


def test_a_run_does_not_depend_on_the_randomness_of_its_caller() -> None:
    digests = []
    for seed in (1, 2):
        with isolated(seed):
            digests.append(tw.fit(net(), task(40), epochs=2, loss="cross_entropy").digest)
    assert digests[0] == digests[1]


def test_a_loader_that_shuffles_by_global_randomness_repeats_its_run() -> None:
    def data() -> DataLoader[Any]:
        return DataLoader(TensorDataset(*task(50)), batch_size=16, shuffle=True)

    digests = [
        carried_out(make_course(net(), data(), task(20, seed=1), **choices)).digest
        for choices in ({}, {"every": 1, "level": "full", "observers": [Watcher(draw_globally)]})
    ]
    assert digests[0] == digests[1]


def test_the_model_that_is_left_is_the_best_by_validation() -> None:
    course = overfitting_course()
    conclusion = carried_out(course)
    records = validation_records(course)
    best = min(records, key=lambda record: record.loss)
    assert best.loss < records[-1].loss - 0.05  # the last model is a worse one
    assert conclusion.outcome.best_step == best.step
    again = course.evaluator(course.splits["validation"], split="validation", step=0, epoch=0.0)
    assert (again.loss, again.metrics) == (best.loss, best.metrics)
    assert conclusion.outcome.best["validation"] == {"loss": best.loss, **best.metrics}
    assert digest(course.training.model.state_dict()) != conclusion.digest


def test_without_validation_the_best_is_chosen_on_training() -> None:
    course = make_course(net(), task(40))
    conclusion = carried_out(course)
    records = course.training.history.evals
    assert {record.split for record in records} == {"train"}
    best = min(records, key=lambda record: record.loss)
    assert conclusion.outcome.best == {"train": {"loss": best.loss, **best.metrics}}


def test_the_test_split_is_never_chosen_by() -> None:
    # Its labels are wrong: whoever looks at it chooses the untrained model.
    x, y = task(60, noise=0.1)
    wrong = x, (y + 1) % 3
    outcomes = []
    for splits in ({}, {"test": wrong}):
        course = make_course(net(), (x[:40], y[:40]), (x[40:], y[40:]), splits=splits)
        conclusion = carried_out(course)
        outcomes.append((conclusion.outcome.best_step, digest(course.training.model.state_dict())))
        assert {record.split for record in course.training.history.evals} == {"validation"}
        assert set(conclusion.outcome.best) == {"train", "validation", *splits}
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] != 0


def scripted(losses: list[float], *, patience: int | None = None, every: int = 2, epochs: int = 5) -> Course:
    model = net()
    return make_course(
        model, task(64), every=every, epochs=epochs, patience=patience, evaluator=ScriptedEvaluator(model, losses)
    )


def test_early_stopping_counts_evaluations_and_not_epochs() -> None:
    # Four steps an epoch, an evaluation every two: the third without improvement comes at step 10, in epoch 2.
    course = scripted([3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 0.5], patience=3)
    conclusion = carried_out(course)
    assert (conclusion.outcome.status, conclusion.outcome.steps, conclusion.outcome.best_step) == ("stopped", 10, 4)
    assert conclusion.outcome.reason == "no better train loss for 3 evaluations"
    assert len(course.training.history.steps) == 10


def test_without_patience_nothing_stops_early() -> None:
    conclusion = carried_out(scripted([1.0, 2.0]))
    assert (conclusion.outcome.status, conclusion.outcome.steps, conclusion.outcome.best_step) == ("finished", 20, 0)


def test_the_first_evaluation_is_of_the_untrained_model_and_the_last_of_the_trained_one() -> None:
    course = make_course(net(), task(50), every=3, epochs=2)
    untrained = digest(course.training.model.state_dict())
    start = course.evaluator(course.splits["train"], split="train", step=0, epoch=0.0)
    assert digest(course.training.model.state_dict()) == untrained
    carried_out(course)
    records = course.training.history.evals
    assert [record.step for record in records] == [0, 3, 6, 8]
    assert [record.epoch for record in records] == [0.0, 0.75, 1.5, 2.0]
    assert records[0].loss == start.loss


def test_nan_never_becomes_the_best() -> None:
    course = scripted([math.nan, 2.0, math.nan, 1.0, math.nan])
    assert carried_out(course).outcome.best_step == 6


def test_where_no_evaluation_is_a_number_the_untrained_model_is_left() -> None:
    course = scripted([math.nan])
    untrained = digest(course.training.model.state_dict())
    conclusion = carried_out(course)
    assert conclusion.outcome.best_step is None
    assert digest(course.training.model.state_dict()) == untrained != conclusion.digest


def test_a_part_that_was_put_into_evaluation_stays_in_it() -> None:
    model = net()
    model[1].eval()  # a frozen BatchNorm
    statistics = model[1].running_mean
    assert isinstance(statistics, torch.Tensor)
    before, modes = statistics.clone(), [module.training for module in model.modules()]
    seen: list[bool] = []
    watcher = Watcher(lambda record: seen.append(model[1].training))
    carried_out(make_course(model, task(50), task(20, seed=1), every=2, level="full", observers=[watcher]))
    assert seen
    assert not any(seen)
    assert torch.equal(statistics, before)
    assert [module.training for module in model.modules()] == modes


def test_a_model_in_evaluation_mode_is_trained_in_training_mode() -> None:
    model = net().eval()
    carried_out(make_course(model, task(50)))
    assert all(module.training for module in model.modules())
    assert int(copy_state(model)["1.num_batches_tracked"]) > 0


def test_the_steps_cover_every_sample_of_every_epoch_in_order() -> None:
    course = make_course(net(), task(50), epochs=3, batch_size=16)
    carried_out(course)
    steps = course.training.history.steps
    assert [record.step for record in steps] == list(range(12))
    assert [record.epoch for record in steps] == [epoch for epoch in range(3) for _ in range(4)]
    assert [record.samples for record in steps] == [16, 16, 16, 2] * 3


def test_observers_see_every_record_once_in_the_order_of_the_columns() -> None:
    seen: list[Record] = []
    course = make_course(net(), task(50), every=2, level="full", observers=[Watcher(seen.append)])
    carried_out(course)
    history = course.training.history
    for kind, column in (
        (StepRecord, history.steps),
        (EvalRecord, history.evals),
        (LayerStats, history.layers),
        (Event, history.events),
    ):
        assert [record for record in seen if isinstance(record, kind)] == column
    assert len(seen) == len(history.steps) + len(history.evals) + len(history.layers) + len(history.events)
    assert history.layers


def test_a_chart_is_a_snapshot() -> None:
    course = make_course(net(), task(50), epochs=1)
    iterator = course.training.steps()
    with isolated():
        next(iterator)
        chart = course.training.history.chart(course.info)
        next(iterator)
    assert (len(chart.steps), len(course.training.history.steps)) == (1, 2)
    assert chart.last_step == 0


class ByHand:
    """The loop that everybody writes, with torch's own optimizer and nothing of ours but the order and the seeds."""

    def __init__(self, model: nn.Sequential) -> None:
        self.model = model

    def run(self, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], optimizer: torch.optim.Optimizer) -> str:
        from trainwright.randomness import seed_step

        with isolated():
            for number, (x, y) in enumerate(batches):
                seed_step(0, number)
                optimizer.zero_grad()
                nn.functional.cross_entropy(self.model(x), y).backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1e9)
                optimizer.step()
        return digest(self.model.state_dict())


def test_a_course_trains_as_the_plain_loop_does() -> None:
    ours, theirs = net(), net()
    course = make_course(ours, task(50), optimizer=torch.optim.SGD(ours.parameters(), lr=0.05, momentum=0.9))
    batches = (batch for epoch in range(4) for batch in course.training.batches.epoch(epoch))
    expected = ByHand(theirs).run(batches, torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9))
    assert carried_out(course).digest == expected


def test_a_table_that_a_model_keeps_from_evaluation_serves_in_training() -> None:
    class Positions(nn.Module):
        """Makes its table at the first pass, as models with rotary positions do."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = net()
            self.table: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.table is None:
                self.table = torch.linspace(0.9, 1.1, 3)
            return self.inner(x) * self.table

    assert carried_out(make_course(Positions(), task(50), optimizer="sgd", lr=0.1)).outcome.status == "finished"


def test_the_evaluator_and_the_step_share_the_model_they_are_given() -> None:
    course = make_course(net(), task(30))
    assert isinstance(course.evaluator, Evaluator)
    assert isinstance(course.training.step, TrainStep)
    copied = copy.deepcopy(course.training.model)
    carried_out(course)
    assert digest(copied.state_dict()) != digest(course.training.model.state_dict())


@pytest.mark.parametrize("name", ["adamw", "momentum"])
def test_five_examples_are_learnt_by_heart(name: str) -> None:
    # G2, chapter 2: "if your network can't memorize 5 examples, something is fundamentally broken".
    shape = DataShape(input_shape=(5,), outputs=3, task="classification")
    with isolated(0):
        model = models.build("mlp", shape, {"width": 32, "depth": 2, "dropout": 0.0})
    pair = torch.randn(5, 5), torch.tensor([0, 1, 2, 0, 1])
    conclusion = carried_out(make_course(model, pair, optimizer=name, lr=0.02, epochs=200, every=50))
    assert conclusion.outcome.best["train"]["loss"] < 0.01
    assert conclusion.outcome.best["train"]["accuracy"] == 1.0


def test_weights_that_begin_alike_stay_alike() -> None:
    # G3: "initializing all weights to zero breaks symmetry - all neurons compute identical gradients".
    model: Any = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    for layer in (model[0], model[2]):
        nn.init.constant_(layer.weight, 0.1)
        nn.init.zeros_(layer.bias)
    before = model[0].weight.detach().clone()
    carried_out(make_course(model, task(50), epochs=5))
    after = model[0].weight.detach()
    assert not torch.equal(after, before)
    # The units are computed by one formula from equal numbers; vectorised code may round their sums apart.
    torch.testing.assert_close(after, after[:1].expand_as(after), rtol=1e-4, atol=1e-5)


def test_three_rates_give_a_slow_a_good_and_a_diverged_run() -> None:
    # G2, chapter 0: "same network, same data, three different learning rates".
    def run(rate: float) -> tuple[str, float, float]:
        course = make_course(net(1), quantities(), kind="regression", loss=mse, optimizer="sgd", lr=rate, epochs=15)
        outcome = carried_out(course).outcome
        return outcome.status, course.training.history.evals[0].loss, outcome.best["train"]["loss"]

    (slow, begun, little), (good, _, much), (diverged, _, _) = run(1e-5), run(0.05), run(1e6)
    assert (slow, good, diverged) == ("finished", "finished", "diverged")
    assert much < 0.5 * begun < little
