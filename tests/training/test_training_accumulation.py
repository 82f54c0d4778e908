"""One update on several batches is the update on their union."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from training_courses import carried_out, make_course, quantities, task, train_step

from trainwright.parts.losses import CATALOGUE, mse
from trainwright.tensors import copy_state
from trainwright.training.step import TrainStep

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def smooth_net(outputs: int = 3) -> nn.Sequential:
    """A float64 net without batch normalisation or dropout, which see each batch by itself."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, outputs)).double()


def gradients(step: TrainStep, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> list[torch.Tensor]:
    step.optimizer.zero_grad()
    step.backward(batches, 0)
    return [parameter.grad.clone() for parameter in step.model.parameters() if parameter.grad is not None]


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_the_gradient_of_ragged_batches_is_that_of_the_large_batch(sizes: list[int]) -> None:
    x, y = task(sum(sizes))
    x = x.double()
    step = train_step(smooth_net(), optimizer="sgd")
    large = gradients(step, [(x, y)])
    parts = gradients(step, list(zip(x.split(sizes), y.split(sizes), strict=True)))
    for a, b in zip(large, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weights", [(), (1.0, 5.0, 0.5)])
def test_batches_with_masks_and_class_weights_count_by_what_their_mean_divides_by(weights: tuple[float, ...]) -> None:
    # Tokens (N, L) of which many are to be ignored, a different number in each batch.
    torch.manual_seed(1)
    net = nn.Conv1d(4, 3, 1).double()
    x = torch.randn(12, 4, 6, dtype=torch.float64)
    y = torch.randint(0, 3, (12, 6))
    y[torch.rand(12, 6) < 0.5] = -100
    y[2] = -100  # a sample that does not count at all
    loss = CATALOGUE["cross_entropy"].factory(weights=weights, label_smoothing=0.0)
    step = train_step(net, loss=loss, optimizer="sgd")
    sizes = [1, 5, 2, 4]
    large = gradients(step, [(x, y)])
    parts = gradients(step, list(zip(x.split(sizes), y.split(sizes), strict=True)))
    whole = F.cross_entropy(net(x), y, weight=torch.tensor(weights, dtype=torch.float64) if weights else None)
    by_hand = torch.autograd.grad(whole, list(net.parameters()))
    for a, b, c in zip(large, parts, by_hand, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(a, c, rtol=1e-12, atol=1e-14)


def test_the_mean_of_means_would_be_another_gradient() -> None:
    x, y = task(10)
    x = x.double()
    step = train_step(smooth_net(), optimizer="sgd")
    ragged = list(zip(x.split([9, 1]), y.split([9, 1]), strict=True))
    right = gradients(step, ragged)
    wrong = [(a + b) / 2 for a, b in zip(gradients(step, ragged[:1]), gradients(step, ragged[1:]), strict=True)]
    assert not all(torch.allclose(a, b, rtol=1e-3) for a, b in zip(right, wrong, strict=True))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw", "rmsprop"])
def test_every_optimizer_takes_the_same_steps_from_parts_as_from_the_whole(optimizer: str) -> None:
    # Decay, clipping and Adam's counter belong to the update, not to each of its batches.
    x, y = task(24)
    x = x.double()
    models = [smooth_net(), smooth_net()]
    for model, sizes in zip(models, ([24], [7, 7, 7, 3]), strict=True):
        step = train_step(model, optimizer=optimizer, weight_decay=0.1, clip_norm=0.05)
        for number in range(5):
            step(list(zip(x.split(sizes), y.split(sizes), strict=True)), number)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_the_tail_of_an_epoch_makes_an_update_of_its_own() -> None:
    # 50 samples in batches of 8 are 7 batches; three to an update are 3 updates, the last of one batch of 2.
    course = make_course(smooth_net().float(), task(50), epochs=2, batch_size=8, accumulate=3)
    carried_out(course)
    steps = course.training.history.steps
    assert [record.samples for record in steps] == [24, 24, 2] * 2
    assert course.training.planned_steps == 6
    assert [record.epoch for record in steps] == [0, 0, 0, 1, 1, 1]


def test_a_run_of_parts_ends_at_the_weights_of_the_run_of_wholes() -> None:
    ends = []
    for batch_size, accumulate in ((12, 1), (4, 3), (3, 4)):
        model = smooth_net(1)
        x, y = quantities(48)
        course = make_course(
            model,
            (x.double(), y.double()),
            kind="regression",
            loss=mse,
            epochs=3,
            batch_size=batch_size,
            accumulate=accumulate,
        )
        conclusion = carried_out(course)
        assert conclusion.outcome.ledger is not None
        assert conclusion.outcome.ledger.problems == ()
        ends.append(copy_state(model))
    for end in ends[1:]:
        for name, value in ends[0].items():
            torch.testing.assert_close(end[name], value, rtol=1e-9, atol=1e-12)


def test_the_objective_of_a_step_is_the_loss_that_it_reports() -> None:
    x, y = task(20)
    model = smooth_net()
    step = train_step(model, optimizer="sgd", penalty=lambda: sum(w.square().sum() for w in model.parameters()))
    batches = [(x[:13].double(), y[:13]), (x[13:].double(), y[13:])]
    before = step.objective(batches, 0)
    result = step(batches, 0)
    assert result.penalty is not None
    assert float(result.loss + result.penalty) == pytest.approx(before, rel=1e-12)
