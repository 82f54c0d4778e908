from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from training_courses import net, quantities, task, train_step

from trainwright.parts.losses import mse
from trainwright.tensors import copy_state, digest, global_norm
from trainwright.training.step import TrainStep


class Scalar(nn.Module):
    """One weight, which is the prediction for every sample."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w.expand(len(x), 1)


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x))


def gradients(step: TrainStep) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in step.model.parameters() if parameter.grad is not None]


def direct_gradients(step: TrainStep, x: torch.Tensor, y: torch.Tensor, number: int) -> list[torch.Tensor]:
    """Return the gradient of the batch's loss under the masks of step `number`, by a copy of the model."""
    model = copy.deepcopy(step.model)
    still = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.0)
    plain = train_step(model, loss=step.loss, optimizer=still, seed=step.seed)
    plain([(x, y)], number)
    return gradients(plain)


def test_scalar_descent_takes_the_steps_of_the_guide() -> None:
    # G4: L = (w - 3)^2 from w = 0 at the rate 0.1 gives 0.6, then 1.08.
    model = Scalar()
    step = train_step(model, loss=mse, optimizer="sgd", lr=0.1)
    x, y = torch.zeros(1, 1), torch.full((1, 1), 3.0)
    path, losses = [model.w.item()], []
    for number in range(40):
        losses.append(step([(x, y)], number).loss)
        path.append(model.w.item())
    assert path[:3] == pytest.approx([0.0, 0.6, 1.08], rel=1e-15)
    assert losses[:3] == pytest.approx([9.0, 2.4**2, 1.92**2], rel=1e-14)
    assert abs(path[-1] - 3) < 1e-3
    assert losses == sorted(losses, reverse=True)


def test_the_reported_loss_and_norm_are_those_before_the_update() -> None:
    step = train_step(Scalar(1.0), loss=mse, optimizer="sgd", lr=0.1)
    result = step([(torch.zeros(4, 1), torch.full((4, 1), 3.0))], 0)
    assert result.loss == 4.0
    assert result.gradient_norm == 4.0
    assert (result.refused, result.clipped) == (None, False)


def test_gradients_of_an_earlier_step_are_cleared() -> None:
    model = net()
    step = train_step(model, optimizer="sgd")
    x, y = task(16)
    buffers = copy_state(model)
    step([(x, y)], 0)
    first = gradients(step)
    model.load_state_dict(buffers)
    step([(x, y)], 0)
    assert all(torch.equal(a, b) for a, b in zip(first, gradients(step), strict=True))


def test_gradients_that_the_caller_left_behind_do_not_count() -> None:
    model = net()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e6)
    step = train_step(model)
    x, y = task(16)
    expected = direct_gradients(step, x, y, 0)
    step([(x, y)], 0)
    assert all(torch.equal(a, b) for a, b in zip(gradients(step), expected, strict=True))


@given(clip=st.floats(1e-3, 10.0), scale=st.floats(1e-2, 1e3))
@settings(deadline=None, max_examples=30)
def test_clipping_keeps_the_direction_and_reports_the_norm_before(clip: float, scale: float) -> None:
    model = net()
    x, y = task(16)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return scale * nn.functional.cross_entropy(output, target)

    step = train_step(model, loss=loss, optimizer="sgd", lr=1e-3, clip_norm=clip)
    plain = direct_gradients(step, x, y, 0)
    result = step([(x, y)], 0)
    before = global_norm(plain).item()
    assume(abs(before - clip) > 1e-5 * clip)  # on the edge, rounding decides
    # float32: each entry, and the norm over some hundred of them, is right to about 1e-7 of its size.
    assert result.gradient_norm == pytest.approx(before, rel=1e-6)
    assert result.clipped == (before > clip)
    shrunk = clip / before if before > clip else 1.0
    for clipped, raw in zip(gradients(step), plain, strict=True):
        torch.testing.assert_close(clipped, shrunk * raw, rtol=1e-5, atol=1e-9)
    if result.clipped:
        assert global_norm(gradients(step)).item() == pytest.approx(clip, rel=1e-5)


def test_the_norm_is_global_and_not_one_for_each_group_or_tensor() -> None:
    model = nn.ModuleList([Scalar(3.0), Scalar(4.0)])

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([part(x) for part in self.parts], 1)

    both = Both()
    groups = [{"params": [parameter]} for parameter in both.parameters()]
    step = train_step(
        both,
        loss=lambda output, y: 0.5 * output.square().sum(),
        optimizer=torch.optim.SGD(groups, lr=0.1),
        clip_norm=1.0,
    )
    result = step([(torch.zeros(1, 1), torch.zeros(1, 2))], 0)
    assert result.gradient_norm == pytest.approx(5.0)
    assert [gradient.item() for gradient in gradients(step)] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_non_finite_loss_leaves_weights_and_optimizer_as_they_were(
    bad: float, optimizer: str, clip_norm: float | None
) -> None:
    model = net()
    failing = False

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        value = nn.functional.cross_entropy(output, target)
        return value * bad if failing else value

    step = train_step(model, loss=loss, optimizer=optimizer, weight_decay=0.1, clip_norm=clip_norm)
    x, y = task(16)
    for number in range(3):
        step([(x, y)], number)
    weights, state = _weights(model), copy.deepcopy(step.optimizer.state_dict()["state"])
    failing = True
    result = step([(x, y)], 3)
    assert result.refused == "loss"
    assert not math.isfinite(result.loss)
    assert _weights(model) == weights
    assert _same(step.optimizer.state_dict()["state"], state)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("slope", [math.nan, math.inf])
def test_a_non_finite_gradient_leaves_weights_and_optimizer_as_they_were(
    slope: float, optimizer: str, clip_norm: float | None
) -> None:
    model = net()
    x, y = task(16)
    step = train_step(model, optimizer=optimizer, weight_decay=0.1, clip_norm=clip_norm)
    for number in range(3):
        step([(x, y)], number)
    weights, state = _weights(model), copy.deepcopy(step.optimizer.state_dict()["state"])

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.clone()
        gradient.view(-1)[0] = slope
        return gradient

    first: Any = model[0]
    handle = first.weight.register_hook(spoil)
    result = step([(x, y)], 3)
    handle.remove()
    assert result.refused == "gradient"
    assert math.isfinite(result.loss)
    assert result.gradient_norm is not None
    assert not math.isfinite(result.gradient_norm)
    assert _weights(model) == weights
    assert _same(step.optimizer.state_dict()["state"], state)
    # Nothing of the refused step is left to harm the next one.
    assert step([(x, y)], 4).refused is None
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def _weights(model: nn.Module) -> str:
    return digest(dict(model.named_parameters()))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right


def test_the_rate_is_set_before_the_step_that_it_belongs_to() -> None:
    # A warmup's first step must not run at the full rate, and a step at rate zero moves nothing.
    rates = [0.0, 0.5, 1.0, 0.25]
    model = Scalar(1.0)
    step = train_step(model, loss=mse, optimizer="sgd", lr=0.1, schedule=lambda number: rates[number])
    x, y = torch.zeros(1, 1), torch.full((1, 1), 3.0)
    for number, multiple in enumerate(rates):
        before = model.w.item()
        result = step([(x, y)], number)
        assert result.rate == pytest.approx(0.1 * multiple)
        assert model.w.item() == pytest.approx(before - 0.1 * multiple * 2 * (before - 3), rel=1e-14)


def test_a_rate_depends_on_its_step_alone() -> None:
    step = train_step(Scalar(), loss=mse, lr=0.1, schedule=lambda number: 1 / (1 + number))
    x, y = torch.zeros(1, 1), torch.ones(1, 1)
    assert [step([(x, y)], number).rate for number in (3, 0, 3, 1)] == pytest.approx([0.025, 0.1, 0.025, 0.05])


def test_groups_keep_the_ratio_of_their_rates() -> None:
    model = Frozen()
    optimizer = torch.optim.SGD(
        [{"params": model.first.parameters(), "lr": 0.01}, {"params": model.last.parameters(), "lr": 0.1}], lr=1.0
    )
    step = train_step(model, optimizer=optimizer, schedule=lambda number: 0.5**number)
    x, y = task(8)
    for number in range(4):
        assert step([(x, y)], number).rate == pytest.approx(0.01 * 0.5**number)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
            [0.01 * 0.5**number, 0.1 * 0.5**number]
        )


def _sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)


def _adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)


def _adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)


@pytest.mark.parametrize("make", [_sgd, _adam, _adamw])
def test_frozen_weights_do_not_move_under_momentum_and_decay(
    make: Callable[[nn.Module], torch.optim.Optimizer],
) -> None:
    # The optimizer holds them, has gathered momentum for them, and decays all it holds.
    model = Frozen()
    step = train_step(model, optimizer=make(model))
    x, y = task(16)
    for number in range(3):
        step([(x, y)], number)
    model.first.requires_grad_(False)
    kept = {name: value.clone() for name, value in model.first.state_dict().items()}
    moving = model.last.weight.detach().clone()
    for number in range(3, 8):
        step([(x, y)], number)
    assert all(torch.equal(value, kept[name]) for name, value in model.first.state_dict().items())
    assert not torch.equal(model.last.weight, moving)


def test_a_parameter_that_the_loss_does_not_reach_does_not_move() -> None:
    model = Frozen()
    model.register_parameter("idle", nn.Parameter(torch.ones(3, 3)))
    step = train_step(model, optimizer=_sgd(model))
    x, y = task(16)
    for number in range(3):
        step([(x, y)], number)
    assert torch.equal(dict(model.named_parameters())["idle"], torch.ones(3, 3))


def test_a_step_is_a_function_of_its_number_and_not_of_what_ran_before() -> None:
    x, y = task(16)
    results = []
    for disturb in (False, True):
        model = net()
        step = train_step(model)
        for number in range(4):
            if disturb:
                torch.rand(17)
            step([(x, y)], number)
        results.append(digest(model.state_dict()))
    assert results[0] == results[1]


def test_another_seed_gives_other_dropout_masks() -> None:
    x, y = task(16)
    losses = [train_step(net(), seed=seed)([(x, y)], 0).loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_full_batch_and_its_halves_have_one_gradient() -> None:
    # The loss is the mean over samples: the gradient of the whole is the weighted mean of the parts' gradients.
    model = nn.Linear(5, 1).double()
    x, y = (tensor.double() for tensor in quantities(30))
    step = train_step(model, loss=mse)
    whole = direct_gradients(step, x, y, 0)
    first, second = direct_gradients(step, x[:20], y[:20], 0), direct_gradients(step, x[20:], y[20:], 0)
    for all_, a, b in zip(whole, first, second, strict=True):
        torch.testing.assert_close(all_, (20 * a + 10 * b) / 30, rtol=1e-12, atol=1e-14)
