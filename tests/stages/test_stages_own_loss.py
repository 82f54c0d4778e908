"""What `fit` does with a loss, and a forward pass, that it has never seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from trainwright.errors import ModelError, UsageError

Pair = tuple[torch.Tensor, torch.Tensor]


def classes(count: int = 300) -> Pair:
    x = torch.randn(count, 8)
    return x, x[:, :4].argmax(1)


def network(*ending: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4), *ending)


def kinds(run: tw.Run) -> list[str]:
    return [finding.kind for finding in run.findings]


@pytest.mark.parametrize("shape", [(300,), (300, 1), (300, 2)])
def test_the_users_own_loss_sees_targets_in_their_own_shape(shape: tuple[int, ...]) -> None:
    seen = set()

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.add(target.shape[1:])
        return (output.reshape(target.shape) - target).square().mean()

    model = nn.Linear(8, 2 if len(shape) == 2 and shape[1] == 2 else 1)
    run = tw.fit(model, (torch.randn(300, 8), torch.randn(shape)), epochs=2, loss=loss)
    assert run.outcome.status == "finished"
    assert seen == {torch.Size(shape[1:])}


@pytest.mark.parametrize("loss", [nn.MSELoss(), F.mse_loss, lambda output, target: F.huber_loss(output, target)])
def test_a_loss_that_would_compare_every_row_with_every_other_is_refused(loss: Callable) -> None:
    with pytest.raises(ModelError, match=r"different shapes(.|\n)*\(300, 1\), the target \(300,\)"):
        tw.fit(nn.Linear(8, 1), (torch.randn(300, 8), torch.randn(300)), epochs=1, loss=loss)


def test_a_softmax_is_found_before_a_cross_entropy_that_hides_in_the_users_function() -> None:
    run = tw.fit(
        network(nn.Softmax(1)), classes(), epochs=2, loss=lambda output, target: F.cross_entropy(output, target)
    )
    assert kinds(run) == ["softmax-before-cross-entropy"]
    assert run.findings[0].where.module == "3"


@pytest.mark.parametrize(
    ("ending", "loss"),
    [
        ((), lambda output, target: F.cross_entropy(output, target)),
        ((nn.LogSoftmax(1),), lambda output, target: F.nll_loss(output, target)),
        ((nn.Softmax(1),), lambda output, target: F.nll_loss(output.log(), target)),
    ],
    ids=["logits", "log-softmax and nll", "log of a softmax and nll"],
)
def test_one_softmax_is_enough_and_is_left_alone(ending: tuple[nn.Module, ...], loss: Callable) -> None:
    assert "softmax-before-cross-entropy" not in kinds(tw.fit(network(*ending), classes(), epochs=2, loss=loss))


def test_looking_into_the_users_loss_says_nothing_and_leaves_no_gradient() -> None:
    model = network()
    tw.fit(model, classes(), epochs=1, loss=lambda output, target: F.cross_entropy(output, target), lr=1e-12)
    assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in model.parameters())


class Functional(nn.Module):
    """Calls its activation as a function: no module stands for it."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 32), nn.Linear(32, 4)
        nn.init.constant_(self.first.bias, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.relu(self.first(x)))


def test_a_dead_relu_is_found_where_forward_calls_it_as_a_function() -> None:
    run = tw.fit(Functional(-30.0), classes(), classes(), epochs=20, lr=1e-3)
    assert kinds(run) == ["dead-relu"]
    assert run.findings[0].severity == "error"
    assert run.findings[0].where.module == "relu(1)"
    assert "dead-relu" not in kinds(tw.fit(Functional(0.0), classes(), classes(), epochs=20, lr=1e-3))


def test_learning_by_heart_is_found_where_the_untrained_network_was_the_best() -> None:
    x, y = torch.randn(80, 8), torch.randint(0, 4, (80,))
    wide = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4))
    run = tw.fit(wide, (x, y), classes(), epochs=100, lr=1e-3)
    assert run.outcome.best_step is not None
    assert run.outcome.best_step < 20
    assert "overfitting" in kinds(run)


@pytest.mark.parametrize(
    ("other", "ours"),
    [("learning_rate", "lr"), ("scheduler", "schedule"), ("num_epochs", "epochs"), ("wd", "weight_decay")],
)
def test_the_name_that_others_use_is_answered_with_ours(other: str, ours: str) -> None:
    settings: dict[str, Any] = {other: 1}
    with pytest.raises(UsageError, match=f"did you mean '{ours}'"):
        tw.fit(network(), classes(), **settings)


def test_an_optimizer_that_needs_a_closure_is_refused() -> None:
    model = network()
    with pytest.raises(UsageError, match="LBFGS"):
        tw.fit(model, classes(), optimizer=torch.optim.LBFGS(model.parameters()))


def test_a_weighted_loss_has_no_constant_guess() -> None:
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    plain, other = (tw.fit(network(), classes(), epochs=1, loss=loss) for loss in (nn.CrossEntropyLoss(), weighted))
    assert plain.history.info.constant_loss is not None
    assert other.history.info.constant_loss is None
    assert other.history.info.loss == "cross_entropy"


def test_the_report_of_a_run_names_how_it_ended_and_what_was_found() -> None:
    text = tw.fit(network(nn.Softmax(1)), classes(), epochs=2, loss="cross_entropy").report()
    assert "finished with 1 error: softmax before cross entropy" in text
    assert "error[TW301]" in text
