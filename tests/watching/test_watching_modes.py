"""Modes, precision and statistics: what was on in training and in evaluation, and what had no effect."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F

from trainwright.watching.watch import Watch, watch


class Dropping(nn.Module):
    """Drops by a function; `drop` is how."""

    def __init__(self, drop: Callable[[torch.Tensor, nn.Module], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.drop = nn.Linear(20, 32), nn.Linear(32, 3), drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.drop(torch.relu(self.first(x)), self))


def epochs(
    model: nn.Module, *, before: Callable[[nn.Module], object], after: Callable[[nn.Module], object], count: int = 3
) -> Watch:
    """Train for some epochs of 8 steps; `before` and `after` surround each evaluation of 8 batches."""
    x, y = loops.samples()
    with watch(quiet=True, level="full") as watched:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(count):
            for rows in torch.arange(len(x)).split(32):
                loops.healthy(model, optimizer, x[rows], y[rows], 0)
            before(model)
            with torch.no_grad():
                for rows in torch.arange(len(x)).split(32):
                    F.cross_entropy(model(x[rows]), y[rows])
            after(model)
    assert watched.problem is None
    return watched


def test_a_model_that_stays_in_evaluation_mode_after_an_evaluation_is_seen() -> None:
    watched = epochs(loops.network(dropout=0.2), before=nn.Module.eval, after=lambda model: None)
    (finding,) = (found for found in watched.findings if found.kind == "training-in-eval-mode")
    assert (finding.severity, finding.step) == ("error", 8)


def test_modes_that_are_changed_and_changed_back_are_healthy() -> None:
    watched = epochs(loops.network(dropout=0.2, norm=True), before=nn.Module.eval, after=nn.Module.train)
    assert watched.findings == []


def test_an_evaluation_in_training_mode_is_seen_where_it_matters() -> None:
    def nothing(model: nn.Module) -> None:
        pass

    kinds = [found.kind for found in epochs(loops.network(dropout=0.2), before=nothing, after=nothing).findings]
    assert "evaluating-in-train-mode" in kinds
    assert epochs(loops.network(), before=nothing, after=nothing).findings == []


@pytest.mark.parametrize(
    ("drop", "named"),
    [
        (lambda x, _: F.dropout(x, 0.5), True),
        (lambda x, module: F.dropout(x, 0.5, training=module.training), False),
        (lambda x, _: F.dropout(x, 0.5, training=True), False),
    ],
    ids=["forgotten", "follows the mode", "meant"],
)
def test_a_functional_dropout_is_named_where_its_flag_was_forgotten(drop: Callable, named: bool) -> None:
    watched = epochs(Dropping(drop), before=nn.Module.eval, after=nn.Module.train)
    assert ("dropout-always-on" in [found.kind for found in watched.findings]) == named


@pytest.mark.parametrize(("momentum", "named"), [(1e-3, True), (0.1, False)])
def test_running_statistics_that_never_catch_up_are_named(momentum: float, named: bool) -> None:
    model = loops.network(norm=True)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.momentum = momentum
    watched = epochs(model, before=nn.Module.eval, after=nn.Module.train, count=32)
    assert ("batch-norm-statistics-stale" in [found.kind for found in watched.findings]) == named


@pytest.mark.parametrize(("around_model", "named"), [(True, False), (False, True)])
def test_autocast_that_covers_no_layer_is_named(around_model: bool, named: bool) -> None:
    def step(model, optimizer, x, y, index) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=around_model):
            output = model(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(output, y)
        loss.backward()
        optimizer.step()

    assert ("autocast-without-effect" in loops.seen(loops.run(step))) == named


@pytest.mark.parametrize(("unscaled", "named"), [(True, False), (False, True)])
def test_clipping_gradients_that_are_still_scaled_is_named(unscaled: bool, named: bool) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def step(model, optimizer, x, y, index) -> None:
        optimizer.zero_grad()
        scaler.scale(F.cross_entropy(model(x), y)).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    assert ("clipping-scaled-gradients" in loops.seen(loops.run(step))) == named
