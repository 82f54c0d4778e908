from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vitals_nets import batch

from trainwright.vitals.non_finite import locate


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Logarithm(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x)
        hidden = hidden * 0 - 1
        hidden = torch.log(hidden)  # culprit
        return hidden + 1


class InPlace(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x) * 0 - 1
        hidden.log_()  # culprit
        return hidden + 1


class Division(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x)
        spread = hidden.std(0) * 0
        return (hidden - hidden.mean(0)) / spread  # culprit


class DivisionInPlace(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = 1 * self.body(x)
        hidden /= 0  # culprit
        return hidden


class Keyword(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(input=self.body(x) * 0 - 1)  # culprit


class Overflow(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(self.body(x) + 1000)  # culprit


class AfterAMask(Net):
    """Masks with minus infinity, as attention does, and breaks later."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.body(x)[:, None, :] + torch.full((3, 3), -math.inf).triu(1)
        scores = scores.masked_fill(torch.tensor([False, False, True]), float("-inf"))
        chances = scores.softmax(-1)
        return (chances.sum(1) - 100).sqrt()  # culprit


class MaskedAltogether(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.body(x).masked_fill(torch.ones(3, dtype=torch.bool), -math.inf)
        return scores.softmax(1)  # culprit


class SquareRoot(Net):
    """Finite all the way forward: the slope of the root at zero is what is not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x)
        lengths = torch.sqrt((hidden * 0).square().sum(1))  # culprit
        return hidden + lengths[:, None]


class Power(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x)
        return hidden + (hidden * 0) ** 0.5  # culprit


class HiddenByWhere(Net):
    """The classic: the bad branch is not taken, and its gradient is NaN all the same."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x)
        safe = torch.where(hidden > 1e9, torch.zeros_like(hidden), hidden * 0)
        root = safe.sqrt()  # culprit
        return torch.where(safe > 0, root, hidden)


def find(
    model: nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy,
    *,
    x: torch.Tensor | None = None,
    y: torch.Tensor | None = None,
) -> dict[str, Any]:
    given_x, given_y = batch()
    event = locate(model, loss, given_x if x is None else x, given_y if y is None else y, step=7, seed=0)
    assert (event.name, event.step) == ("non-finite", 7)
    assert set(event.detail) >= {"phase", "operation", "module", "parameter", "file", "line"}
    return dict(event.detail)


def culprit_line(source: Any) -> int:
    lines, first = inspect.getsourcelines(source)
    return first + next(number for number, line in enumerate(lines) if "# culprit" in line)


@pytest.mark.parametrize(
    ("kind", "phase", "operation"),
    [
        (Logarithm, "forward", "torch.log"),
        (InPlace, "forward", "Tensor.log_"),
        (Division, "forward", "Tensor.div"),
        (DivisionInPlace, "forward", "Tensor.div_"),
        (Keyword, "forward", "torch.log"),
        (Overflow, "forward", "torch.exp"),
        (AfterAMask, "forward", "Tensor.sqrt"),
        (MaskedAltogether, "forward", "Tensor.softmax"),
        (SquareRoot, "backward", "Sqrt"),
        (Power, "backward", "Pow"),
        (HiddenByWhere, "backward", "Sqrt"),
    ],
)
def test_the_operation_and_its_line_are_named(kind: type[nn.Module], phase: str, operation: str) -> None:
    found = find(kind())
    assert (found["phase"], found["operation"]) == (phase, operation)
    assert found["file"] == __file__
    assert found["line"] == culprit_line(kind)


def test_an_operation_in_the_loss_is_named_with_its_line() -> None:
    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        chances = (output * 0).exp() - 1
        return -torch.log(chances).mean()  # culprit

    found = find(Net(), loss)
    assert (found["phase"], found["operation"]) == ("loss", "torch.log")
    assert (found["file"], found["line"]) == (__file__, culprit_line(loss))


def test_a_gradient_that_breaks_in_the_loss_is_named_with_its_line() -> None:
    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        errors = (output - output.detach()).square().sum(1)
        return errors.sqrt().mean()  # culprit

    found = find(Net(), loss)
    assert (found["phase"], found["operation"]) == ("backward", "Sqrt")
    assert (found["file"], found["line"]) == (__file__, culprit_line(loss))


def test_a_loss_that_overflows_is_found_in_the_loss() -> None:
    class Large(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) * 1e30

    found = find(Large(), F.mse_loss, y=torch.zeros(40, 3))
    assert found["phase"] == "loss"
    assert "mse_loss" in found["operation"]


def test_the_module_in_which_it_happened_is_named() -> None:
    found = find(nn.Sequential(nn.Linear(5, 5), nn.Sequential(Logarithm(), nn.ReLU())))
    assert (found["phase"], found["operation"], found["module"]) == ("forward", "torch.log", "1.0")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_input_is_blamed_first(bad: float) -> None:
    x, _ = batch()
    x[3, 2] = x[11, 0] = bad
    found = find(Logarithm(), x=x)
    assert (found["phase"], found["samples"], found["first_sample"]) == ("input", 2, 3)
    assert (found["operation"], found["line"]) == (None, None)


def test_a_bad_target_is_blamed() -> None:
    y = torch.zeros(40, 3)
    y[5:9] = math.nan
    found = find(Net(), F.mse_loss, y=y)
    assert (found["phase"], found["samples"], found["first_sample"]) == ("target", 4, 5)


def test_a_bad_weight_is_blamed_by_its_name() -> None:
    model: Any = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].bias[2] = math.nan
    found = find(model)
    assert (found["phase"], found["parameter"]) == ("weights", "1.bias")


def test_whole_numbers_are_always_finite() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 3))
    assert find(model, x=torch.randint(0, 9, (40, 2)))["phase"] == "unknown"


def test_where_all_is_finite_nothing_is_named() -> None:
    found = find(Net())
    assert found == dict.fromkeys(("operation", "module", "parameter", "file", "line")) | {"phase": "unknown"}


def test_a_loss_without_a_graph_is_no_error() -> None:
    assert find(Net(), lambda output, y: torch.tensor(math.nan))["phase"] == "unknown"


def test_dropout_is_replayed_as_in_the_step() -> None:
    class Fragile(Net):
        """Breaks only where one of its units is dropped."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kept = F.dropout(torch.ones(4), 0.5, training=self.training)
            return self.body(x) / kept[0]  # culprit

    x, y = batch()
    phases = {
        locate(Fragile(), F.cross_entropy, x, y, step=step, seed=0).detail["phase"]
        for step in range(20)
        for _ in range(2)
    }
    assert phases == {"forward", "unknown"}
    for step in range(10):
        twice = [locate(Fragile(), F.cross_entropy, x, y, step=step, seed=0).detail["phase"] for _ in range(2)]
        assert twice[0] == twice[1]
