"""Watching changes nothing: not a bit of a result, not an attribute of torch, not a run in which it fails itself."""

from __future__ import annotations

import copy
import pickle
import sys
import warnings
from contextlib import nullcontext

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, dataloader

import trainwright as tw
from trainwright.errors import UsageError
from trainwright.tensors import digest
from trainwright.watching import attach as attaching
from trainwright.watching.watch import Watch, watch


def trained(*, watched: bool, level: str = "light") -> str:
    """Return the digest of a network with dropout and batch norm after three epochs with validation."""
    torch.manual_seed(0)
    x, y = loops.samples()
    with watch(quiet=True, level=level) if watched else nullcontext():
        model = loops.network(dropout=0.3, norm=True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=24)
        loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
        for _ in range(3):
            model.train()
            for inputs, labels in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
            model.eval()
            with torch.no_grad():
                F.cross_entropy(model(x), y).item()
    state = {**model.state_dict(), "random": torch.get_rng_state()}
    return digest(state)


@pytest.mark.parametrize("level", ["light", "full"])
def test_a_watched_run_ends_in_the_same_bits(level: str) -> None:
    assert trained(watched=True, level=level) == trained(watched=False)


def _surface() -> dict[str, int]:
    """Return the identity of everything in torch that a watcher touches."""
    owners = (
        torch,
        torch.autograd,
        torch.Tensor,
        torch.jit,
        torch.no_grad,
        torch.inference_mode,
        torch.amp.GradScaler,
        torch.optim.Optimizer,
        torch.optim.lr_scheduler.LRScheduler,
        torch.optim.lr_scheduler.ReduceLROnPlateau,
        nn.Module,
        nn.functional,
        nn.utils,
        nn.utils.clip_grad,
        DataLoader,
        dataloader._BaseDataLoaderIter,
    )
    return {f"{owner.__name__}.{name}": id(value) for owner in owners for name, value in vars(owner).items()}


@pytest.mark.parametrize("step", [loops.healthy, loops.by_hand, loops.never_stepped], ids=lambda step: step.__name__)
def test_nothing_of_torch_is_different_afterwards(step: loops.Step) -> None:
    before = _surface()
    hooks = dict(torch.nn.modules.module._global_forward_hooks)
    loops.run(step)
    assert _surface() == before
    assert dict(torch.nn.modules.module._global_forward_hooks) == hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert not sys.modules["torch.optim.optimizer"]._global_optimizer_pre_hooks
    assert not torch.is_anomaly_enabled()


def test_watches_may_follow_one_another_and_lie_inside_of_each_other() -> None:
    before = _surface()
    with watch(quiet=True) as outer:
        with watch(quiet=True) as inner:
            model = loops.network()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            x, y = loops.samples()
            for _ in range(5):
                loops.healthy(model, optimizer, x, y, 0)
        for _ in range(5):
            loops.healthy(model, optimizer, x, y, 0)
    assert _surface() == before
    assert [watched.chart.info.loop.steps for watched in (inner, outer)] == [5, 10]  # type: ignore[union-attr]
    assert outer.problem is inner.problem is None


def test_a_loop_that_raises_leaves_torch_as_it_was_and_its_error_alone() -> None:
    before = _surface()
    with pytest.raises(ZeroDivisionError), watch(quiet=True):
        raise ZeroDivisionError
    assert _surface() == before


def test_an_error_of_the_watcher_stops_the_watching_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainwright.watching.gradients import GradientBooks

    def fail(self: object, *arguments: object, **named: object) -> None:
        raise RuntimeError("a fault of the watcher's own")

    monkeypatch.setattr(GradientBooks, "step_begins", fail)
    expected = trained(watched=False)
    assert trained(watched=True) == expected
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            loops.healthy(model, optimizer, x, y, 0)
    assert "a fault of the watcher's own" in str(watched.problem)
    assert "a fault of the watcher's own" in str(watched.report())


def test_no_warning_is_raised_by_watching() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(watched=True)


def test_a_watched_model_can_be_copied_and_pickled() -> None:
    x, y = loops.samples()
    with watch(quiet=True):
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loops.healthy(model, optimizer, x, y, 0)
        twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
        pickle.loads(pickle.dumps(F.cross_entropy))
        optimizer_twin = copy.deepcopy(optimizer)
    assert digest(twin.state_dict()) == digest(model.state_dict())
    assert optimizer_twin.param_groups[0]["lr"] == 0.1


def test_a_model_can_be_scripted_under_watch() -> None:
    class Scorer(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(x, y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with watch(quiet=True) as watched:
            scripted = torch.jit.script(Scorer())
            value = scripted(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))
    assert watched.problem is None
    assert float(value) == pytest.approx(1.0986, abs=1e-4)


def test_a_model_that_counts_its_calls_counts_them_right() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls, self.kept = nn.Linear(20, 3), 0, []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            self.kept.append(len(x))
            return self.inner(x)

    model = Counting()
    watched = loops.run(loops.healthy, model=model, steps=12)
    assert model.calls == 12
    assert len(model.kept) == 12
    loop = watched.chart.info.loop
    assert loop is not None
    assert any("changes something of its own" in text for text in loop.unseen)


def test_the_levels_are_known_by_name() -> None:
    with pytest.raises(UsageError, match="light"):
        watch(level="ligth")


def test_the_public_name_is_a_function_whatever_was_imported_before() -> None:
    assert attaching is not None
    assert isinstance(tw.watch(quiet=True), Watch)
