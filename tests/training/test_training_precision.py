"""Unscale, clip, update: in that order, once; an overflow skips the step and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training_courses import carried_out, make_course, net, task, train_step

from trainwright.errors import UsageError
from trainwright.parts.losses import cross_entropy
from trainwright.records import Outcome
from trainwright.tensors import copy_state, digest, global_norm
from trainwright.training.averaging import ExponentialAverage
from trainwright.training.clipping import Clip
from trainwright.training.precision import Precision, check_precision


def plain_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("clip", [Clip(), Clip(norm=0.05), Clip(value=0.01)])
def test_the_scale_changes_neither_the_clipped_gradient_nor_the_step(clip: Clip) -> None:
    # Power-of-two scales are exact in float32: whatever is clipped must have been unscaled before.
    x, y = task(16)
    results, ends = [], []
    for scale in (1.0, 2.0**16):
        model = plain_net()
        step = train_step(model, optimizer="sgd", precision=Precision("fp16", initial_scale=scale))
        step.clip = clip
        step.precision.autocast = lambda: torch.autocast("cpu", enabled=False)  # float32 sums: only the scale differs
        results.append(step([(x, y)], 0))
        ends.append(digest(copy_state(model)))
    assert results[0].gradient_norm == results[1].gradient_norm
    assert results[0].clipped_norm == results[1].clipped_norm
    assert ends[0] == ends[1]
    assert not results[1].skipped


def test_a_step_that_overflows_is_skipped_and_leaves_no_trace() -> None:
    model = net()
    x, y = task(16)
    step = train_step(model, optimizer="adam", precision=Precision("fp16", initial_scale=2.0**120))
    before = digest(copy_state(model))
    result = step([(x, y)], 0)
    assert (result.skipped, result.refused) == (True, None)
    assert digest(copy_state(model)) == before  # weights, and the running statistics of batch normalisation
    assert not step.optimizer.state
    assert step.rates.performed == 0
    assert step.precision.scale == 2.0**119


def test_the_scale_falls_until_steps_are_made_and_the_books_balance() -> None:
    course = make_course(
        plain_net(), task(64), epochs=20, batch_size=16, precision=Precision("fp16", initial_scale=2.0**30)
    )
    outcome = carried_out(course).outcome
    ledger = outcome.ledger
    assert ledger is not None
    assert outcome.status == "finished"
    assert ledger.skipped > 0
    assert ledger.attempted == ledger.planned == 80
    assert ledger.performed == 80 - ledger.skipped
    assert ledger.problems == ()
    skipped = [record for record in course.training.history.steps if record.skipped]
    assert len(skipped) == ledger.skipped
    assert all(record.gradient_norm is None for record in skipped)


def test_a_loss_that_is_not_finite_is_refused_and_not_taken_for_an_overflow_of_the_scale() -> None:
    def broken(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(output, target) / 0.0

    step = train_step(plain_net(), loss=broken, precision=Precision("fp16"))
    assert step([task(8)], 0).refused == "loss"


def test_a_gradient_that_is_not_finite_at_scale_one_is_refused() -> None:
    def kink(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output * 0).sqrt().sum()

    step = train_step(plain_net(), loss=kink, precision=Precision("fp16", initial_scale=1.0))
    result = step([task(8)], 0)
    assert (result.skipped, result.refused) == (False, "gradient")


def test_a_skipped_step_does_not_move_the_average() -> None:
    model = plain_net()
    course = make_course(model, task(16), epochs=3, batch_size=16, precision=Precision("fp16", initial_scale=2.0**121))
    average = ExponentialAverage(model, 0.9)
    course.training.average = average
    carried_out(course)
    assert all(record.skipped for record in course.training.history.steps)
    assert average.updates == 0


def test_skipped_steps_hold_up_the_warmup_and_not_the_end_of_the_schedule() -> None:
    from trainwright.parts.schedules import CATALOGUE

    course = make_course(plain_net(), task(64), epochs=25, batch_size=16, lr=1.0)
    rates = course.training.step.rates
    rates.planned_steps = 100
    rates.schedule = CATALOGUE["warmup_cosine"].factory(warmup=0.2, floor=0.0)
    smooth = [rates.planned_multiple(step, step) for step in range(100)]
    held = [rates.planned_multiple(step, max(0, step - 10)) for step in range(100)]  # the first ten were skipped
    assert held[:10] == [held[0]] * 10
    assert held[25] < smooth[25]
    assert held[40:] == smooth[40:]
    assert held[-1] < 1e-3


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_half_precision_trains_to_nearly_the_same_loss(name: str) -> None:
    ends: list[Outcome] = [
        carried_out(make_course(plain_net(), task(128), epochs=15, lr=0.1, precision=precision)).outcome
        for precision in (Precision("fp32"), Precision(name))  # type: ignore[arg-type]
    ]
    full, half = (end.best["train"]["loss"] for end in ends)
    assert half == pytest.approx(full, rel=0.05)
    assert full < 0.8


def test_weights_and_gradients_stay_float32_under_autocast() -> None:
    model = plain_net()
    step = train_step(model, precision=Precision("bf16"))
    result = step([task(8)], 0)
    assert isinstance(result.loss, float)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {parameter.grad.dtype for parameter in model.parameters() if parameter.grad is not None} == {torch.float32}


def test_an_evaluation_between_steps_does_not_take_gradients_away() -> None:
    # Autocast caches the cast weights; cached under no_grad they would have no gradient in the next step.
    model = plain_net()
    step = train_step(model, precision=Precision("bf16"))
    x, y = task(8)
    with torch.no_grad(), step.precision.autocast():
        model(x)
    step([(x, y)], 0)
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters())


def test_the_norm_of_half_precision_gradients_does_not_overflow() -> None:
    assert float(global_norm([torch.full((4,), 200.0, dtype=torch.float16)])) == 400.0


def test_clipping_by_value_cuts_entries_and_reports_both_norms() -> None:
    gradient = torch.tensor([3.0, -4.0, 0.1])
    clipping = Clip(value=1.0)([gradient])
    assert gradient.tolist() == [1.0, -1.0, pytest.approx(0.1)]
    assert float(clipping.norm) == pytest.approx((9 + 16 + 0.01) ** 0.5)
    assert float(clipping.clipped_norm) == pytest.approx(2.01**0.5)
    assert clipping.clipped


def test_a_gradient_that_is_not_finite_is_not_made_to_look_finite() -> None:
    gradient = torch.tensor([torch.inf, 1.0])
    clipping = Clip(norm=1.0, value=1.0)([gradient])
    assert gradient.tolist() == [torch.inf, 1.0]
    assert not clipping.clipped


def test_float16_is_refused_on_a_cpu_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="bf16"):
        check_precision("fp16", torch.device("cpu"))
    check_precision("bf16", torch.device("cpu"))
    check_precision("fp32", torch.device("cpu"))
