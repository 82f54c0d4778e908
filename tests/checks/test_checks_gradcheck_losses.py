"""The gradient check where the loss has numbers of its own, or holds the model."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
from cases_gradients import Handmade
from gradcheck_nets import mlp, rows
from torch import nn
from torch.nn import functional as F

from trainwright.checks.gradcheck import gradcheck
from trainwright.errors import ModelError
from trainwright.randomness import isolated


@pytest.fixture(autouse=True)
def _seeded() -> Any:
    with isolated(11, "gradcheck tests"):
        yield


WEIGHTS = torch.tensor([1.0, 2.0, 0.5])


class Weighted:
    """A loss with its weights in an attribute."""

    def __init__(self) -> None:
        self.weights = WEIGHTS

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target, weight=self.weights)


def _weighted_losses() -> dict[str, Any]:
    weights, module, inner = WEIGHTS.clone(), nn.CrossEntropyLoss(WEIGHTS), Weighted()

    def by_default(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor = WEIGHTS) -> torch.Tensor:
        return F.cross_entropy(output, target, weight=weight)

    return {
        "module": module,
        "closure": lambda o, y: F.cross_entropy(o, y, weight=weights),
        "global": lambda o, y: F.cross_entropy(o, y, weight=WEIGHTS),
        "default": by_default,
        "partial": functools.partial(F.cross_entropy, weight=weights),
        "object": inner,
        "method": Weighted().__call__,
        "module in a closure": lambda o, y: module(o, y),
        "object in a closure": lambda o, y: inner(o, y),
        "function in a list in a closure": (lambda each: lambda o, y: sum(f(o, y) for f in each))([by_default, inner]),
    }


@pytest.mark.parametrize("form", _weighted_losses())
def test_class_weights_in_float32_become_float64_with_the_rest(form: str) -> None:
    loss = _weighted_losses()[form]
    for seed in range(3):
        check = gradcheck(mlp(), loss, rows(), seed=seed)
        assert check.verdict == "sound", check.worst
        assert check.precision == "float64", check.notes
    assert WEIGHTS.dtype == torch.float32


def penalised(model: nn.Module) -> Any:
    """Return a loss that passes points of its own through the model that it closes over."""

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        points = torch.randn(6, 5).requires_grad_()
        (slope,) = torch.autograd.grad(model(points).sum(), points, create_graph=True)
        return F.cross_entropy(output, target) + (slope.norm(dim=1) - 1).square().mean()

    return loss


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_closes_over_the_model_is_computed_with_the_copy(seed: int) -> None:
    with isolated(seed, "closes over"):
        model = mlp()
        before = copy.deepcopy(model.state_dict())
        penalty = gradcheck(model, penalised(model), rows(), seed=seed, parameters=["2.bias", "4.weight"])
        decay = gradcheck(
            model, lambda o, y: F.cross_entropy(o, y) + 0.1 * sum(w.square().sum() for w in model.parameters()), rows()
        )
    assert penalty.verdict == decay.verdict == "sound", (penalty.worst, decay.worst)
    assert penalty.precision == decay.precision == "float64"
    assert decay.method == "every entry, vectorised"
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_wrong_backward_shows_behind_a_loss_that_closes_over_the_model() -> None:
    model = Handmade(factors=(1.01, 1.0, 1.0))
    norm = lambda o, y: F.cross_entropy(o, y) + 0.01 * model.weight.square().sum()  # noqa: E731
    check = gradcheck(model, norm, (torch.randn(8, 6), torch.randint(0, 3, (8,))))
    assert {each.name for each in check.parameters.values() if each.band == "wrong"} == {"weight"}


class Held:
    """Something that is neither a module nor a function, and is not looked into."""

    def __init__(self, held: Any) -> None:
        self.held = held


@pytest.mark.parametrize("double", [True, False])
def test_a_loss_that_reaches_the_original_model_is_refused_by_name(double: bool) -> None:
    model = mlp().double() if double else mlp()
    hidden = Held(model)
    x, y = rows()
    for seed in range(4):
        with pytest.raises(ModelError, match="original model"):
            gradcheck(
                model, lambda o, y: F.cross_entropy(o, y) + hidden.held(x.to(o)).square().mean(), (x, y), seed=seed
            )


@pytest.mark.parametrize("seed", range(6))
def test_a_loss_in_float32_is_known_for_one_and_not_wrong(seed: int) -> None:
    with isolated(seed, "float32"):
        hidden = Held(nn.Linear(3, 2))
        for size in (1.0, 1e-3, 100.0):
            check = gradcheck(mlp(), lambda o, y: size + hidden.held(o).square().mean(), rows(), seed=seed)  # noqa: B023
            assert check.precision == "float32", check.notes
            assert check.h > 1e-5
