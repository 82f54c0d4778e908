from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vitals_nets import Centred, Drawing, account, batch, delicate, objective_of

from trainwright.data.batches import batches_of
from trainwright.randomness import isolated
from trainwright.training.evaluate import Evaluator
from trainwright.vitals.layers import layer_stats
from trainwright.vitals.monitor import Monitor
from trainwright.vitals.non_finite import locate
from trainwright.vitals.output import output_facts

Look = Callable[[nn.Module, torch.Tensor, torch.Tensor], object]


def look_at_update(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    monitor = Monitor(model, objective_of(model), level="full")
    return monitor.after(monitor.before(0), 0, [(x.clone(), y)], 1.0)


def look_before_update(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return Monitor(model, objective_of(model), level="full").before(0)


def look_at_layers(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return Monitor(model, objective_of(model), reference=x).layers(0)


def measure_layers(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return layer_stats(model, x, 0)


def look_at_output(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return output_facts(model, x)


def find_nothing(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return locate(model, F.cross_entropy, x.clone(), y, step=0, seed=0)


def find_a_bad_loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return locate(model, lambda output, y: output.sum() / 0.0, x.clone(), y, step=0, seed=0)


def find_a_bad_gradient(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    return locate(model, lambda output, y: (output * 0).sqrt().sum(), x.clone(), y, step=0, seed=0)


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> object:
    evaluator = Evaluator(model, F.cross_entropy, task="classification")
    return evaluator(batches_of((x, y), batch_size=16, seed=0), split="train", step=0, epoch=0.0)


LOOKS: list[Look] = [
    look_at_update,
    look_before_update,
    look_at_layers,
    measure_layers,
    look_at_output,
    find_nothing,
    find_a_bad_loss,
    find_a_bad_gradient,
    evaluate,
]


@pytest.mark.parametrize("in_place", [False, True], ids=["plain", "in-place"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("look", LOOKS)
def test_no_look_at_a_model_leaves_a_footprint(look: Look, training: bool, in_place: bool) -> None:
    model: nn.Module = nn.Sequential(*([Centred()] if in_place else []), delicate(), Drawing())
    x, y = batch()
    with isolated(0):
        F.cross_entropy(model(x.clone()), y).backward()  # there are gradients, and statistics that are not trivial
        if not training:
            model.eval()
        before = account(model, x, y)
        look(model, x, y)
        assert account(model, x, y) == before


class Bad(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("broken forward")


@pytest.mark.parametrize("look", [look for look in LOOKS if look is not look_before_update])
def test_a_look_that_fails_leaves_no_footprint_either(look: Look) -> None:
    model = nn.Sequential(delicate(), Bad())
    x, y = batch()
    with isolated(0):
        before = account(model, x, y)
        with pytest.raises(RuntimeError, match="broken forward"):
            look(model, x, y)
        assert account(model, x, y) == before


def test_an_update_that_overflows_is_put_back() -> None:
    model = delicate()
    x, y = batch()
    with isolated(0):
        monitor = Monitor(model, objective_of(model))
        start = monitor.before(0)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(3e38)
        before = account(model, x, y)
        measured = monitor.after(start, 0, [(x, y)], 1.0)
        assert account(model, x, y) == before
    assert measured.probe is not None
    assert not math.isfinite(measured.probe.same)
