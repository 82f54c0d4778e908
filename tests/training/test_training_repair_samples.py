"""Bad samples are skipped and named, by whatever way they came into the batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from training_courses import Pair, carried_out, make_course, net, quantities
from training_repaired import linear, repaired, repairs, sound_books, with_bad

from trainwright.data.batches import Batches, batches_of
from trainwright.data.dataset import Split
from trainwright.parts.losses import mse
from trainwright.randomness import isolated
from trainwright.tensors import copy_state, digest
from trainwright.training.bad_samples import name_samples, samples_phrase


@pytest.mark.parametrize("part", ["inputs", "targets"])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_batch_with_a_bad_sample_is_skipped_and_the_sample_named(part: str, accumulate: int, value: float) -> None:
    bad = with_bad((17,), part=part, value=value)
    course = repaired(make_course(linear(), bad, kind="regression", loss=mse, batch_size=8, accumulate=accumulate))
    ended = carried_out(course)
    assert ended.outcome.status == "finished"
    assert "left out 4 batches" in ended.outcome.reason
    skips = [event for event in repairs(course) if event.detail["action"] == "skip"]
    assert len(skips) == 4  # once an epoch
    assert all(event.detail["samples"] == [{"part": part, "sample": 17}] for event in skips)
    assert [event.detail["again"] for event in skips] == [False, True, True, True]
    ledger = ended.outcome.ledger
    assert ledger is not None
    assert (ledger.bad_batches, ledger.refused, ledger.performed) == (4, 4, ledger.attempted - 4)
    assert ledger.problems == ()
    assert math.isfinite(ended.outcome.best["train"]["loss"])
    left_out = [event for event in repairs(course) if event.detail["action"] == "leave out"]
    assert [event.detail["samples"] for event in left_out] == [1]


def test_a_skipped_step_leaves_the_weights_alone() -> None:
    seen: list[str] = []
    course = repaired(make_course(net(1), with_bad((3,)), kind="regression", loss=mse, batch_size=8, epochs=1))
    model = course.training.model
    with isolated():
        for record in course.training.steps():
            seen.append(digest(copy_state(model)))
            if not math.isfinite(record.loss) and record.step > 0:
                assert seen[-1] == seen[-2]
    assert len(set(seen)) == len(seen) - 1


def test_what_a_bad_batch_left_in_the_models_own_buffers_is_put_back() -> None:
    class RunningMean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(5))
            self.out = linear()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
            return self.out(x - self.mean)

    course = repaired(make_course(RunningMean(), with_bad((17,)), kind="regression", loss=mse, batch_size=8))
    ended = carried_out(course)
    assert ended.outcome.status == "finished"
    assert all(math.isfinite(value) for value in copy_state(course.training.model)["mean"].tolist())
    assert any(event.detail.get("mended") == ["mean"] for event in repairs(course))


def test_a_loader_s_bad_sample_is_named_by_its_place() -> None:
    x, y = with_bad((17,))
    loader = DataLoader(TensorDataset(x, y), batch_size=8)
    course = repaired(make_course(linear(), loader, kind="regression", loss=mse, epochs=1))
    assert carried_out(course).outcome.status == "finished"
    (event,) = [event for event in repairs(course) if event.detail["action"] == "skip"]
    assert event.detail["samples"] == [{"part": "inputs", "batch": 2, "place": 1}]


def test_data_of_which_most_batches_are_bad_are_not_trained_on() -> None:
    bad = with_bad(tuple(range(0, 50, 2)))
    course = repaired(make_course(linear(), bad, kind="regression", loss=mse, batch_size=8, epochs=20))
    ended = carried_out(course)
    assert ended.outcome.status == "diverged"
    assert "cannot all be left out" in ended.outcome.reason
    assert len(course.training.history.steps) == 11
    assert sound_books(ended)


def test_where_a_step_takes_all_of_the_data_no_batch_can_be_left_out() -> None:
    course = repaired(make_course(linear(), with_bad((17,)), kind="regression", loss=mse, batch_size=50))
    ended = carried_out(course)
    assert ended.outcome.status == "diverged"
    assert "training sample 17 (inputs) is not finite, and a step takes all of the data" in ended.outcome.reason


def test_a_suggestion_about_a_bad_sample_names_it_too() -> None:
    course = repaired(make_course(linear(), with_bad((17,)), kind="regression", loss=mse, batch_size=8), apply=False)
    assert carried_out(course).outcome.status == "diverged"
    (event,) = repairs(course)
    assert "training sample 17 (inputs)" in event.detail["text"]
    assert event.detail["change"] == {"doctor.repair": "apply"}


def test_a_sample_that_an_augmentation_spread_or_made_is_told_apart() -> None:
    def neighbours(x: torch.Tensor, y: torch.Tensor, *, epoch: int, indices: torch.Tensor) -> Pair:
        return (x + x.roll(1, 0)) / 2, y

    def breaks(x: torch.Tensor, y: torch.Tensor, *, epoch: int, indices: torch.Tensor) -> Pair:
        x[indices == 5] = math.nan
        return x, y

    for data, change, expected in (
        (with_bad((17,)), neighbours, [{"part": "inputs", "sample": 17}]),
        (quantities(50), breaks, [{"part": "inputs", "sample": 5, "augmented": True}]),
    ):
        x, y = data
        feed = Batches(Split(x=x, y=y, name="train", digest=""), batch_size=50, seed=0, augment=change)
        assert name_samples(list(feed.epoch(0)), feed, epoch=0, first=0) == expected


def test_rows_are_those_of_the_batches_under_weights_too() -> None:
    x, y = quantities(40)
    weights = torch.arange(40, dtype=torch.float64)
    for given_weights in (None, weights):
        feed = batches_of((x, y), batch_size=7, seed=3, sample_weights=given_weights)
        assert isinstance(feed, Batches)
        for epoch in (0, 2):
            for (got, _), rows in zip(feed.epoch(epoch), feed.rows(epoch), strict=True):
                assert torch.equal(got, x[rows])
                assert torch.equal(feed.at(rows)[0], got)


def test_many_bad_samples_are_counted_rather_than_listed() -> None:
    named = [{"part": "inputs", "sample": place} for place in range(9)]
    assert samples_phrase(named) == "training samples 0, 1, 2, 3, 4 (inputs) and 4 more are not finite"


def test_a_bad_sample_that_shows_in_the_gradient_alone_is_named_as_well() -> None:
    def forgiving(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return mse(output.nan_to_num(), target)

    course = make_course(linear(), with_bad((17,)), kind="regression", loss=forgiving, batch_size=8, accumulate=3)
    ended = carried_out(repaired(course))
    assert ended.outcome.status == "finished"
    skips = [event for event in repairs(course) if event.detail["action"] == "skip"]
    assert {event.detail["cause"] for event in skips} == {"the gradient was not finite"}
    assert all(event.detail["samples"] == [{"part": "inputs", "sample": 17}] for event in skips)
