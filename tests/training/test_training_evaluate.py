from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training_courses import Pair, net, quantities, task

from trainwright.data.batches import Batches, StreamBatches, batches_of
from trainwright.errors import ModelError
from trainwright.parts.losses import bce_with_logits, cross_entropy, mse
from trainwright.randomness import isolated
from trainwright.records import EvalRecord
from trainwright.training.evaluate import Evaluator


def evaluate(evaluator: Evaluator, data: object, *, batch_size: int = 16) -> EvalRecord:
    return evaluator(batches_of(data, batch_size=batch_size, seed=0), split="validation", step=7, epoch=1.5)


def linear() -> nn.Linear:
    with isolated(0):
        return nn.Linear(5, 3)


def cut(pair: Pair, sizes: list[int]) -> list[Pair]:
    return list(zip(pair[0].split(sizes), pair[1].split(sizes), strict=True))


def test_a_record_says_where_and_on_what_it_was_measured() -> None:
    record = evaluate(Evaluator(net(), cross_entropy, task="classification"), task(50))
    assert (record.split, record.step, record.epoch, record.samples) == ("validation", 7, 1.5, 50)
    assert record.seconds >= 0


def test_the_loss_is_weighted_by_sample_and_not_by_batch() -> None:
    # Two batches of 256 and one of 10 whose samples are all wrong: the mean over batches would be far off.
    x, y = task(522, noise=0.1)
    model = linear()
    with torch.no_grad():
        model.weight.mul_(3)
        y[512:] = model(x[512:]).argmin(1)
        at_once = cross_entropy(model(x).double(), y).item()
        per_batch = [cross_entropy(model(a).double(), b).item() for a, b in cut((x, y), [256, 256, 10])]
    assert abs(np.mean(per_batch) - at_once) > 0.1
    evaluator = Evaluator(model, cross_entropy, task="classification")
    for data in (cut((x, y), [256, 256, 10]), cut((x, y), [10, 512]), (x, y)):
        # The model counts in float32, in batches of another size.
        assert evaluate(evaluator, data).loss == pytest.approx(at_once, rel=1e-6)


@given(sizes=st.lists(st.integers(1, 40), min_size=3, max_size=8))
@settings(deadline=None, max_examples=15)
def test_no_cutting_into_batches_changes_loss_or_metric(sizes: list[int]) -> None:
    pair = task(sum(sizes))
    evaluator = Evaluator(net(), cross_entropy, task="classification")
    whole, pieces = evaluate(evaluator, pair), evaluate(evaluator, cut(pair, sizes))
    assert pieces.samples == whole.samples
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
    assert pieces.metrics == pytest.approx(whole.metrics)


def test_accuracy_is_the_share_of_largest_logits_that_are_right() -> None:
    model = net()
    x, y = task(101)
    record = evaluate(Evaluator(model, cross_entropy, task="classification"), (x, y))
    with torch.no_grad():
        right = int((model.eval()(x).argmax(1) == y).sum())
    assert 0 < right < 101
    assert record.metrics == {"accuracy": pytest.approx(right / 101)}


def test_accuracy_takes_class_probabilities_as_targets() -> None:
    x, y = task(60)
    model = net()
    soft = torch.full((60, 3), 0.1).scatter_(1, y[:, None], 0.8)
    evaluator = Evaluator(model, cross_entropy, task="classification")
    assert evaluate(evaluator, (x, soft)).metrics == evaluate(evaluator, (x, y)).metrics


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("column", [False, True])
def test_one_logit_is_a_yes_above_zero(column: bool, flat: bool) -> None:
    logits = torch.tensor([[3.0], [-2.0], [0.5], [-0.1], [0.2]])
    y = torch.tensor([1, 0, 0, 1, 1])
    model = nn.Sequential(nn.Identity(), *([nn.Flatten(0)] if flat else []))
    data = (logits, y[:, None] if column else y)
    record = evaluate(Evaluator(model, bce_with_logits, task="classification"), data)
    assert record.metrics == {"accuracy": pytest.approx(3 / 5)}
    assert record.loss == pytest.approx(bce_with_logits(logits, y).item(), rel=1e-6)


@pytest.mark.parametrize("target_std", [1.0, 250.0])
def test_rmse_is_in_the_units_of_the_user(target_std: float) -> None:
    x, y = quantities(77)
    model = net(1)
    record = evaluate(Evaluator(model, mse, task="regression", target_std=(target_std,)), (x, y))
    with torch.no_grad():
        errors = (model.eval()(x) - y).double().numpy()
    assert record.metrics == {"rmse": pytest.approx(target_std * np.sqrt(np.mean(errors**2)), rel=1e-6)}
    assert record.loss == pytest.approx(np.mean(errors**2), rel=1e-6)  # in the scaled units, as it is trained on


def test_rmse_of_a_flat_output_is_not_broadcast() -> None:
    x, y = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[1.0], [3.0], [2.0]])
    record = evaluate(Evaluator(nn.Flatten(0), mse, task="regression"), (x, y))
    assert record.metrics["rmse"] == pytest.approx(math.sqrt(5 / 3))


def per_sample_losses(model: nn.Module, pair: Pair) -> np.ndarray:
    with torch.no_grad():
        return nn.functional.cross_entropy(model(pair[0]).double(), pair[1], reduction="none").numpy()


@pytest.mark.parametrize("count", [40, 300, 5000, 20_000])
def test_the_standard_error_is_that_of_the_mean_over_samples(count: int) -> None:
    model = linear()
    pair = task(count)
    losses = per_sample_losses(model, pair)
    record = evaluate(Evaluator(model, cross_entropy, task="classification"), pair)
    expected = losses.std(ddof=1) / math.sqrt(count)
    # From a few hundred pieces or fewer samples the spread itself is known to some percent.
    assert record.loss_error == pytest.approx(expected, rel=0.25)


def test_the_standard_error_covers_the_truth() -> None:
    model = linear()
    evaluator = Evaluator(model, cross_entropy, task="classification")
    truth = per_sample_losses(model, task(100_000, seed=10_000)).mean()
    deviations = []
    for seed in range(1, 61):
        record = evaluate(evaluator, task(200, seed=seed))
        deviations.append((record.loss - truth) / record.loss_error)
    # Of sixty standard normal numbers the mean square is 1 within 0.18; five of those make 0.9.
    assert 0.4 < np.mean(np.square(deviations)) < 1.9


def test_one_sample_has_no_standard_error() -> None:
    model = linear()
    record = evaluate(Evaluator(model, cross_entropy, task="classification"), task(1))
    assert math.isnan(record.loss_error)
    assert math.isfinite(record.loss)


def test_a_loss_that_is_not_finite_is_reported_as_it_is() -> None:
    x, y = task(40)
    x[3] = math.nan
    record = evaluate(Evaluator(linear(), cross_entropy, task="classification"), (x, y))
    assert math.isnan(record.loss)


def test_evaluation_uses_running_statistics_and_no_dropout() -> None:
    model = net()
    pair = task(60)
    evaluator = Evaluator(model, cross_entropy, task="classification")
    first = evaluate(evaluator, pair)
    assert evaluate(evaluator, pair, batch_size=7).loss == pytest.approx(first.loss, rel=1e-6)
    with torch.no_grad():
        in_evaluation = cross_entropy(model.eval()(pair[0]), pair[1]).item()
        in_training = cross_entropy(model.train()(pair[0]), pair[1]).item()
    assert first.loss == pytest.approx(in_evaluation, rel=1e-6)
    assert abs(in_training - in_evaluation) > 1e-3


def test_no_split_without_samples_is_averaged() -> None:
    class Nothing(StreamBatches):
        def in_order(self, batch_size: int | None = None) -> Iterator[Pair]:
            return iter(())

    evaluator = Evaluator(net(), cross_entropy, task="classification")
    nothing = Nothing([task(4)], seed=0)
    with pytest.raises(ModelError, match="nothing to evaluate on") as caught:
        evaluator(nothing, split="test", step=0, epoch=0.0)
    assert "test" in caught.value.evidence


def test_the_name_of_the_metric_follows_the_task() -> None:
    assert Evaluator(net(), cross_entropy, task="classification").metric == "accuracy"
    assert Evaluator(net(), mse, task="regression").metric == "rmse"


def test_evaluating_data_does_not_change_them() -> None:
    class InPlace(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul_(2)

    x, y = quantities(20, features=1)
    batches = batches_of((x, y), batch_size=8, seed=0)
    assert isinstance(batches, Batches)
    evaluator = Evaluator(InPlace(), mse, task="regression")
    records = [evaluator(batches, split="train", step=0, epoch=0.0).loss for _ in range(3)]
    assert len(set(records)) == 1


@pytest.mark.parametrize(("most", "measured"), [(10_000, 2_560), (2_560, 2_560), (1_000, 1_024), (300, 512), (1, 256)])
def test_where_a_part_has_to_do_it_is_spread_over_the_whole_split(most: int, measured: int) -> None:
    x, y = task(2_560)
    seen: list[torch.Tensor] = []

    class Watched(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            seen.append(input)
            return super().forward(input)

    evaluator = Evaluator(Watched(5, 3), cross_entropy, task="classification")
    batches = batches_of([(a, b) for a, b in zip(x.split(256), y.split(256), strict=True)], batch_size=256, seed=0)
    record = evaluator(batches, split="train", step=0, epoch=0.0, most_targets=most)
    assert record.samples == measured
    places = [int((x == part[0]).all(1).nonzero()[0]) for part in seen]
    assert len({b - a for a, b in itertools.pairwise(places)}) <= 1  # as far from each other


def test_targets_are_counted_and_not_samples() -> None:
    x = torch.randn(1_000, 4)
    evaluator = Evaluator(nn.Linear(4, 20), mse, task="regression", target_std=(1.0,) * 20)
    batches = batches_of((x, torch.randn(1_000, 20)), batch_size=100, seed=0)
    assert evaluator(batches, split="train", step=0, epoch=0.0, most_targets=20_000).samples == 1_000
    assert evaluator(batches, split="train", step=0, epoch=0.0, most_targets=10_000).samples < 1_000
