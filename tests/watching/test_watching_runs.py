"""Several runs in one process, steps without a curve, and findings that do not hold to the end."""

from __future__ import annotations

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F

from trainwright.doctor.runs_apart import BEGINS
from trainwright.records import Finding
from trainwright.watching.watch import Watch, watch


def begun(watched: Watch) -> list[int]:
    """Return the steps at which runs after the first began."""
    assert watched.problem is None
    return [event.step for event in watched.chart.events if event.name == BEGINS]


def epoch(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 24) -> None:
    x, y = loops.samples()
    for index in range(steps):
        start = 32 * index % len(x)
        loops.healthy(model, optimizer, x[start : start + 32], y[start : start + 32], index)


def fresh(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


class TestWhereRunsBegin:
    def test_each_new_model_begins_one(self) -> None:
        with watch(quiet=True) as watched:
            for seed in range(3):
                epoch(*fresh(seed))
        assert begun(watched) == [24, 48]

    def test_weights_that_are_drawn_anew_begin_one(self) -> None:
        with watch(quiet=True) as watched:
            model, _ = fresh(0)
            for _ in range(3):
                for layer in model.modules():
                    if isinstance(layer, nn.Linear):
                        layer.reset_parameters()
                epoch(model, torch.optim.Adam(model.parameters(), lr=1e-2))
        assert begun(watched) == [24, 48]

    def test_another_optimizer_for_the_same_weights_goes_on(self) -> None:
        with watch(quiet=True) as watched:
            model, optimizer = fresh(0)
            epoch(model, optimizer)
            epoch(model, torch.optim.SGD(model.parameters(), lr=1e-2))
        assert begun(watched) == []

    def test_a_run_that_is_resumed_from_its_state_goes_on(self) -> None:
        with watch(quiet=True) as watched:
            model, optimizer = fresh(0)
            epoch(model, optimizer)
            again, other = fresh(1)
            again.load_state_dict(model.state_dict())
            other.load_state_dict(optimizer.state_dict())
            epoch(again, other)
        assert begun(watched) == []

    def test_optimizers_that_share_the_work_make_one_run(self) -> None:
        with watch(quiet=True) as watched:
            model, _ = fresh(0)
            first, second = (
                torch.optim.Adam(part.parameters(), lr=1e-2) for part in model.children() if [*part.parameters()]
            )
            epoch(model, first)
            epoch(model, second)  # the last layer alone, and then both again
            epoch(model, first)
        assert begun(watched) == []

    def test_a_layer_that_is_drawn_anew_goes_on(self) -> None:
        with watch(quiet=True) as watched:
            torch.manual_seed(0)
            layers = [nn.Linear(20, 20) for _ in range(3)]
            model = nn.Sequential(*layers, nn.Linear(20, 3))
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
            epoch(model, optimizer)
            layers[0].reset_parameters()
            epoch(model, optimizer)
        assert begun(watched) == []


class TestWhatEachRunShows:
    def test_folds_are_no_loss_that_stopped_falling_or_was_lost(self) -> None:
        with watch(quiet=True) as watched:
            for seed in range(3):
                epoch(*fresh(seed), steps=160)
        assert [finding.kind for finding in watched.findings] == []

    def test_a_fault_of_the_second_run_is_told_with_the_step_of_the_program(self) -> None:
        x, y = loops.samples()
        with watch(quiet=True) as watched:
            model, optimizer = fresh(0)
            epoch(model, optimizer, steps=60)
            model, _ = fresh(1)
            optimizer = torch.optim.SGD(model.parameters(), lr=1e4)
            for index in range(120):
                rows = slice(32 * index % len(x), 32 * index % len(x) + 32)
                loss = F.cross_entropy(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        finding = next(finding for finding in watched.findings if finding.kind == "learning-rate-too-high")
        assert finding.step is not None
        assert finding.step >= 60


def test_networks_that_train_in_turns_made_steps_and_have_no_one_curve() -> None:
    torch.manual_seed(0)
    maker, judge = nn.Linear(4, 2), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    with watch(quiet=True) as watched:
        ones = [torch.optim.Adam(part.parameters(), lr=1e-3) for part in (judge, maker)]
        for _ in range(20):
            for optimizer, wanted in zip(ones, (0.0, 1.0), strict=True):
                loss = F.binary_cross_entropy_with_logits(judge(maker(torch.randn(16, 4))), torch.full((16, 1), wanted))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    assert "take turns" in watched.report().not_judged["learning-rate-too-high"]


@pytest.fixture
def late() -> tuple[list[Finding], Watch]:
    """A loop that learns nothing for long, and then does: what is told meanwhile does not hold."""
    told: list[Finding] = []
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 20, generator=generator)
    y = x[:, :3].argmax(1)
    watched = Watch(say=told.append)
    watched.start()
    model = loops.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(1300):
        rows = torch.randint(0, 256, (32,), generator=generator)
        seen = torch.randn(32, 20, generator=generator) if step < 230 else x[rows]
        loss = F.cross_entropy(model(seen), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    watched.stop()
    return told, watched


def test_what_was_told_and_does_not_hold_is_taken_back_with_a_reason(late: tuple[list[Finding], Watch]) -> None:
    told, watched = late
    assert watched.problem is None
    left = {finding.kind for finding in watched.findings}
    gone = {finding.kind for finding in told} - left
    assert "underfitting" in gone
    assert {one.kind for one in watched.withdrawn} == gone
    assert all(one.why for one in watched.withdrawn)
    text = watched.report().text(brief=True)
    assert "resolved: TW902" in text
    assert [one["kind"] for one in watched.to_json()["withdrawn"]] == [one.kind for one in watched.withdrawn]
