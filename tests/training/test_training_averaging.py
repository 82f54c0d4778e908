"""The weights that evaluation sees: a moving average, or a schedule-free optimizer's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training_courses import carried_out, make_course, net, task, train_step

from trainwright.data.batches import batches_of
from trainwright.parts.optimizers import CATALOGUE
from trainwright.tensors import copy_state, digest
from trainwright.training.averaging import ExponentialAverage, OptimizerAverage, refresh_statistics


def test_the_average_is_the_recursion_with_its_warmup() -> None:
    model = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    average = ExponentialAverage(model, 0.5)
    expected = 0.0
    for update in range(30):
        nn.init.constant_(model.weight, float(update**2))
        average.update()
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update**2
        assert average.state["weight"][0, 0].item() == pytest.approx(expected, rel=1e-12)
    assert average.updates == 30


def test_integer_buffers_are_copied_and_running_statistics_averaged() -> None:
    model = net()
    average = ExponentialAverage(model, 0.999)
    model.train()
    for number in range(7):
        model(task(16, seed=number)[0])
        average.update()
    assert average.state["1.num_batches_tracked"].item() == 7
    assert average.state["1.num_batches_tracked"].dtype == torch.int64
    assert not torch.equal(average.state["1.running_mean"], torch.zeros(8))  # not left at its first copy
    assert not torch.equal(average.state["1.running_mean"], model.state_dict()["1.running_mean"])


def test_showing_the_average_puts_the_weights_in_training_back() -> None:
    model = net()
    average = ExponentialAverage(model, 0.9)
    with torch.no_grad():
        model[0].weight.add_(1.0)  # type: ignore[operator]
    before = digest(copy_state(model))

    def fail() -> None:
        with average.shown():
            assert digest(copy_state(model)) == digest(average.state) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert digest(copy_state(model)) == before


def test_the_model_that_is_returned_is_the_average_that_was_evaluated() -> None:
    model = net()
    course = make_course(model, task(64), task(64, seed=1), epochs=8, lr=0.3)
    average = ExponentialAverage(model, 0.9)
    course.training.average = average
    outcome = carried_out(course).outcome
    found = next(record for record in course.training.history.evals if record.step == outcome.best_step)
    assert outcome.best["validation"]["loss"] == pytest.approx(found.loss, rel=1e-12)
    assert average.updates == 32


def test_training_goes_on_as_if_nobody_averaged() -> None:
    ends = []
    for averaged in (False, True):
        model = net()
        course = make_course(model, task(64), task(64, seed=1), epochs=4, every=1)
        if averaged:
            course.training.average = ExponentialAverage(model, 0.99)
        ends.append(carried_out(course).digest)
    assert ends[0] == ends[1]


def test_a_schedule_free_optimizer_is_evaluated_at_its_average_and_trains_on_from_where_it_was() -> None:
    name = next(name for name, spec in CATALOGUE.items() if spec.averages)
    spec = CATALOGUE[name]
    options = {option: record.default for option, record in spec.options.items()} | {"lr": 0.05}
    model = net()
    batches = batches_of(task(64), batch_size=16, seed=0)
    optimizer = spec.factory([{"params": list(model.parameters())}], **options)
    average = OptimizerAverage(optimizer, model, batches)
    step = train_step(model, optimizer=optimizer)
    for number in range(20):
        step([task(16, seed=number)], number)
    trained = digest(copy_state(model))
    with average.shown():
        assert digest(copy_state(model)) != trained
        shown = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
    assert digest(copy_state(model)) == trained
    # The statistics that go with the average are those of its own activations.
    assert not torch.equal(shown["1.running_mean"], model.state_dict()["1.running_mean"])


def test_refreshed_statistics_are_those_of_all_samples_however_they_are_cut_into_batches() -> None:
    model = net()
    model.eval()
    x, y = task(250)
    whole = model[0](x)
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm1d)
    for size in (4, 30, 250):  # 62 batches and two samples; batches of unequal size; one batch
        assert refresh_statistics(model, batches_of((x, y), batch_size=size, seed=0)) == 250
        torch.testing.assert_close(norm.running_mean, whole.mean(0), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var, whole.var(0), rtol=1e-5, atol=1e-6)
    assert refresh_statistics(model, batches_of((x, y), batch_size=30, seed=0), samples=100) == 120
    assert norm.momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_a_model_without_running_statistics_is_not_run_for_them() -> None:
    class Untouchable(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            raise AssertionError("nobody may run the model")

    refresh_statistics(Untouchable(5, 3), batches_of(task(16), batch_size=8, seed=0))
