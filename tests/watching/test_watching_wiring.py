"""What is wired past the weights: updates of copies, frozen layers, schedules that begin again, absent devices."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from trainwright.watching.watch import Watch, watch


def into_copies(model: nn.Module) -> None:
    for weight in model.parameters():
        weight = weight - 0.1 * weight.grad  # pyright: ignore[reportOperatorIssue]


def into_weights(model: nn.Module) -> None:
    for weight in model.parameters():
        weight -= 0.1 * weight.grad  # pyright: ignore[reportOperatorIssue]


def nowhere(model: nn.Module) -> None:
    pass


def by_hand(update: Callable[[nn.Module], None], *, inputs: bool = False) -> Watch:
    """Make 48 backward passes, with an update by hand after each; `inputs` wants gradients of inputs as well."""
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network()
        for index in range(48):
            start = 32 * index % len(x)
            given = x[start : start + 32].clone().requires_grad_(inputs)
            model.zero_grad()
            F.cross_entropy(model(given), y[start : start + 32]).backward()
            with torch.no_grad():
                update(model)
    assert watched.problem is None
    return watched


def test_an_update_by_hand_that_reaches_no_weight_is_an_error() -> None:
    (finding,) = by_hand(into_copies).findings
    assert (finding.kind, finding.severity) == ("parameter-rebound", "error")
    assert by_hand(into_weights).findings == []


def test_gradients_that_are_wanted_for_the_inputs_are_no_training() -> None:
    assert by_hand(nowhere, inputs=True).findings == []


def test_an_optimizer_of_a_copy_is_named_once() -> None:
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.Adam(copy.deepcopy(model).parameters(), lr=1e-2)
        for rows in torch.arange(len(x)).split(32):
            loops.healthy(model, optimizer, x[rows], y[rows], 0)
    assert [finding.kind for finding in watched.findings if finding.severity == "error"] == [
        "parameters-not-in-optimizer"
    ]


@pytest.mark.parametrize(
    ("prepare", "named"),
    [
        (lambda layer: None, True),
        (lambda layer: layer.load_state_dict(nn.Linear(20, 32).state_dict()), False),
        (lambda layer: layer.weight.data.copy_(torch.randn(32, 20)), False),
        (lambda layer: nn.init.orthogonal_(layer.weight), False),
    ],
    ids=["as made", "loaded", "written", "set by hand"],
)
def test_frozen_layers_are_named_where_they_know_nothing(prepare: Callable, named: bool) -> None:
    def steps() -> Watch:
        x, y = loops.samples()
        with watch(quiet=True) as watched:
            model = loops.network()
            first = next(model.children())
            prepare(first)
            first.requires_grad_(False)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
            for rows in torch.arange(len(x)).split(32):
                loops.healthy(model, optimizer, x[rows], y[rows], 0)
        assert watched.problem is None
        return watched

    assert ("parameters-frozen" in [finding.kind for finding in steps().findings]) == named


def scheduled(rates: Iterable[float]) -> Watch:
    """Make a step at each of these rates."""
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for index, rate in enumerate(rates):
            optimizer.param_groups[0]["lr"] = rate
            start = 32 * index % len(x)
            loops.healthy(model, optimizer, x[start : start + 32], y[start : start + 32], 0)
    assert watched.problem is None
    return watched


RISE = [0.1 * step / 20 for step in range(1, 21)]


def test_a_warmup_that_begins_again_is_seen_by_its_rates() -> None:
    (finding,) = scheduled(5 * RISE).findings
    assert (finding.kind, finding.title) == ("scheduler-wrong-frequency", "the warmup begins again and again")
    assert scheduled(RISE + 80 * [0.1]).findings == []
    assert scheduled(4 * (RISE + RISE[::-1])).findings == []


@pytest.mark.parametrize("every", [1, 2, 100], ids=["each epoch", "each cycle of two", "once"])
def test_a_scheduler_that_is_built_in_each_epoch_is_seen(every: int) -> None:
    x, y = loops.samples()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = lr_scheduler.ExponentialLR(optimizer, 0.98)
        for epoch in range(8):
            if epoch and epoch % every == 0:
                schedule = lr_scheduler.ExponentialLR(optimizer, 0.98)
            for given, target in loader:
                loops.healthy(model, optimizer, given, target, 0)
                schedule.step()
    assert ("scheduler-wrong-frequency" in [finding.kind for finding in watched.findings]) == (every == 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch switches autocast off only where the device is absent")
@pytest.mark.parametrize(
    ("device", "enabled", "named"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_autocast_for_a_device_that_is_not_there_is_seen(device: str, enabled: bool, named: bool) -> None:
    def step(model, optimizer, x, y, index) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.autocast(device, dtype=torch.bfloat16, enabled=enabled):
                loss = F.cross_entropy(model(x).float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert ("autocast-not-applied" in [finding.kind for finding in loops.run(step).findings]) == named
