"""The order of calls: what each wrong order leaves behind is seen, and no right order is taken for a wrong one."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
import watching_loops as loops
from torch.nn import functional as F

from trainwright.watching.watch import watch

WRONG = {
    "gradients-carried-over": loops.never_zeroed,
    "gradients-erased": loops.erased,
    "backward-without-step": loops.never_stepped,
    "step-without-backward": loops.no_backward,
    "clipping-without-gradients": loops.clipped_too_early,
    "clipping-after-step": loops.clipped_too_late,
    "accumulation-not-averaged": loops.accumulated_without_dividing,
    "gradients-erased-while-accumulating": loops.zeroed_while_accumulating,
}
RIGHT = (
    loops.healthy,
    loops.zeroed_by_hand,
    loops.zeroed_by_model,
    loops.by_hand,
    loops.clipped,
    loops.accumulated,
    loops.accumulated_and_scaled_after,
    loops.two_losses,
    loops.sharpness_aware,
)


@pytest.mark.parametrize(("name", "step"), WRONG.items(), ids=list(WRONG))
def test_a_wrong_order_is_seen_and_nothing_else(name: str, step: loops.Step) -> None:
    assert list(loops.seen(loops.run(step))) == [name]


@pytest.mark.parametrize("step", RIGHT, ids=lambda step: step.__name__)
def test_a_right_order_is_not_taken_for_a_wrong_one(step: loops.Step) -> None:
    assert loops.seen(loops.run(step)) == {}


def test_gradients_that_are_zeroed_in_place_before_the_step_are_erased_too() -> None:
    assert list(loops.seen(loops.run(loops.erased_in_place))) == ["gradients-erased"]


def test_a_step_on_gradients_that_were_used_already_is_a_step_without_backward_pass() -> None:
    assert list(loops.seen(loops.run(loops.same_gradients_again))) == ["step-without-backward"]


@pytest.mark.parametrize(("name", "step"), WRONG.items(), ids=list(WRONG))
def test_each_place_is_a_line_of_the_loop_itself(name: str, step: Callable[..., None]) -> None:
    loop = loops.run(step).chart.info.loop
    assert loop is not None
    where = loop.sightings[name].where  # type: ignore[index]
    lines, first = inspect.getsourcelines(step)
    assert where.file == loops.__file__
    assert where.line is not None
    assert first <= where.line < first + len(lines)


def test_the_second_step_already_shows_gradients_that_were_never_zeroed() -> None:
    loop = loops.run(loops.never_zeroed).chart.info.loop
    assert loop is not None
    assert loop.sightings["gradients-carried-over"].step == 1


def test_a_generator_that_collects_gradients_from_the_other_network_and_zeroes_them_is_healthy() -> None:
    torch.manual_seed(0)
    with watch(quiet=True) as watched:
        maker, judge = torch.nn.Linear(4, 2), torch.nn.Linear(2, 1)
        makes = torch.optim.SGD(maker.parameters(), lr=0.01)
        judges = torch.optim.SGD(judge.parameters(), lr=0.01)
        for _ in range(12):
            judges.zero_grad()
            real, fake = judge(torch.randn(16, 2)), judge(maker(torch.randn(16, 4)))
            loss = F.binary_cross_entropy_with_logits(real, torch.ones(16, 1))
            loss = loss + F.binary_cross_entropy_with_logits(fake, torch.zeros(16, 1))
            loss.backward()  # reaches the maker, too
            judges.step()
            makes.zero_grad()
            F.binary_cross_entropy_with_logits(judge(maker(torch.randn(16, 4))), torch.ones(16, 1)).backward()
            makes.step()
    assert watched.problem is None
    assert loops.seen(watched) == {}
    loop = watched.chart.info.loop
    assert loop is not None
    assert loop.turns
    assert loop.steps == 24


def test_a_closure_computes_its_own_loss_inside_of_the_step() -> None:
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        for _ in range(4):
            optimizer.step(closure)
    assert watched.problem is None
    assert loops.seen(watched) == {}
    loop = watched.chart.info.loop
    assert loop is not None
    assert loop.closures
    assert loop.steps == 4
