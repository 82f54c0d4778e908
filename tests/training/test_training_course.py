from __future__ import annotations

import copy
import itertools
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any, cast

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

import trainwright as tw
from trainwright.interruption import Interrupted
from trainwright.parts import models
from trainwright.parts.losses import mse
from trainwright.randomness import isolated
from trainwright.records import DataShape, EvalRecord, Event, LayerStats, StepRecord
from trainwright.tensors import copy_state, digest
from trainwright.training import checkpoint
from trainwright.training.course import Conclusion, Course
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


def overfitting_course(**choices: Any) -> Course:
    """Return a course whose validation loss has its minimum long before the end."""
    train, validation = task(40, noise=3.0), task(200, noise=3.0, seed=1)
    choices = {"epochs": 20, "lr": 0.2, "every": 2} | choices
    return make_course(net(), train, validation, **choices)


def validation_records(course: Course) -> list[EvalRecord]:
    return [record for record in course.training.history.evals if record.split == "validation"]


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


def runaway(rate: float = 1e12, **choices: Any) -> tuple[Course, Conclusion]:
    course = make_course(net(1), quantities(), quantities(20, seed=1), kind="regression", loss=mse, lr=rate, **choices)
    return course, carried_out(course)


@pytest.mark.parametrize("level", ["off", "light", "full"])
def test_divergence_is_an_outcome_and_leaves_finite_weights(level: str) -> None:
    course, conclusion = runaway(level=level)
    assert conclusion.outcome.status == "diverged"
    steps = course.training.history.steps
    assert conclusion.outcome.steps == len(steps) - 1 == steps[-1].step
    assert f"not finite at step {steps[-1].step}" in conclusion.outcome.reason
    norm = steps[-1].gradient_norm
    assert not math.isfinite(steps[-1].loss) or (norm is not None and not math.isfinite(norm))
    assert all(bool(value.isfinite().all()) for value in course.training.model.state_dict().values())
    events = [event for event in course.training.history.events if event.name == "non-finite"]
    assert [event.step for event in events] == [steps[-1].step]
    assert conclusion.outcome.best_step is not None
    assert math.isfinite(conclusion.outcome.best["validation"]["loss"])


def test_a_diverged_run_is_the_same_at_every_level_of_the_doctor() -> None:
    assert len({runaway(level=level)[1].digest for level in ("off", "light", "full")}) == 1


def test_the_loss_that_was_not_finite_stays_on_record() -> None:
    course = make_course(net(), task(50), loss=_nan_at_five())
    conclusion = carried_out(course)
    losses = [record.loss for record in course.training.history.steps]
    assert (conclusion.outcome.status, conclusion.outcome.steps) == ("diverged", 5)
    assert all(map(math.isfinite, losses[:-1]))
    assert math.isnan(losses[-1])


def _nan_at_five() -> Any:
    """Return a loss whose sixth value in training is NaN, and which has no effect on evaluation."""
    seen = 0

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        value = nn.functional.cross_entropy(output, target)
        if not output.requires_grad:
            return value
        seen += 1
        return value * math.nan if seen >= 6 else value

    return loss


def interrupt_at(count: int) -> Watcher:
    left = itertools.count(count, -1)

    def action(record: Record) -> None:
        if next(left) == 0:
            raise KeyboardInterrupt

    return Watcher(action)


@pytest.mark.parametrize("count", range(15))
def test_an_interrupt_at_any_record_is_an_outcome_and_leaves_the_best_model(count: int) -> None:
    course = overfitting_course(level="full", observers=[interrupt_at(count)])
    conclusion = carried_out(course)
    outcome = conclusion.outcome
    history = course.training.history
    assert outcome.status == "interrupted"
    assert outcome.steps == len(history.steps)
    assert all(bool(value.isfinite().all()) for value in course.training.model.state_dict().values())
    # What is left is what was said: the best evaluation but for one that the interrupt cut short.
    again = course.evaluator(course.splits["validation"], split="validation", step=0, epoch=0.0)
    assert outcome.best["validation"]["loss"] == again.loss
    if outcome.best_step is not None:
        known = {record.step: record.loss for record in validation_records(course)}
        assert known[outcome.best_step] == again.loss


def test_an_interrupt_before_the_first_evaluation_has_ended_leaves_the_untrained_model() -> None:
    course = overfitting_course(observers=[interrupt_at(0)])
    untrained = digest(course.training.model.state_dict())
    outcome = carried_out(course).outcome
    assert (outcome.status, outcome.steps, outcome.best_step) == ("interrupted", 0, None)
    assert digest(course.training.model.state_dict()) == untrained


def test_an_interrupt_of_the_closing_measurements_is_an_outcome_too() -> None:
    class AtTheEnd:
        """The evaluator, which is interrupted where the split is measured that only the end asks for."""

        def __init__(self, evaluator: Evaluator) -> None:
            self.evaluator = evaluator

        def __getattr__(self, name: str) -> Any:
            return getattr(self.evaluator, name)

        def __call__(self, feed: Any, *, split: str, **place: Any) -> EvalRecord:
            if split == "train":
                raise Interrupted("told to end (SIGTERM)", 143)
            return self.evaluator(feed, split=split, **place)

    course = overfitting_course()
    course.evaluator = cast(Evaluator, AtTheEnd(course.evaluator))
    course.splits = {"validation": course.splits["validation"], "train": course.splits["train"]}
    outcome = carried_out(course).outcome
    assert (outcome.status, outcome.reason) == ("interrupted", "told to end (SIGTERM)")
    assert list(outcome.best) == ["validation"]


def test_an_error_of_an_observer_is_not_swallowed() -> None:
    def fail(record: Record) -> None:
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        carried_out(make_course(net(), task(20), observers=[Watcher(fail)]))


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
