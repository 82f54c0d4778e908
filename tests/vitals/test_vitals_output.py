from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vitals_nets import batch, delicate

from trainwright.vitals.output import output_facts


class Net(nn.Module):
    """Logits from one layer, and whatever `finish` makes of them."""

    def __init__(self, finish: Callable[[torch.Tensor], torch.Tensor] = lambda logits: logits) -> None:
        super().__init__()
        self.body = nn.Linear(5, 4)
        self.finish = finish

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(self.body(x))


class SoftmaxInForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x)
        hidden = hidden - hidden.mean()
        chances = F.softmax(hidden, dim=1)  # the line to be found
        return chances.reshape(-1, 2, 2).flatten(1)


def line_of(source: object, text: str) -> int:
    lines, first = inspect.getsourcelines(source)  # pyright: ignore[reportArgumentType]
    return first + next(number for number, line in enumerate(lines) if text in line)


def test_a_softmax_in_the_user_s_forward_is_found_with_its_line() -> None:
    facts = output_facts(SoftmaxInForward(), batch()[0])
    assert facts.operation == "Softmax"
    assert facts.where.file == __file__
    assert facts.where.line == line_of(SoftmaxInForward, "the line to be found")
    assert facts.row_sum_error is not None
    assert facts.row_sum_error < 1e-6


def test_a_softmax_module_is_found_by_its_path() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.Sequential(nn.Linear(8, 4), nn.Softmax(dim=1)))
    facts = output_facts(model, batch()[0])
    assert (facts.operation, facts.where.module) == ("Softmax", "1.1")
    assert facts.where.file is None
    assert facts.shape[1:] == (4,)


@pytest.mark.parametrize(
    "view",
    [
        lambda p: p.view(-1, 4),
        lambda p: p.reshape(-1, 2, 2).reshape(-1, 4),
        lambda p: p.unsqueeze(1).squeeze(1),
        lambda p: p.t().contiguous().t(),
        lambda p: p.transpose(0, 1).transpose(1, 0),
        lambda p: p.permute(1, 0).permute(1, 0),
        lambda p: p.flatten(1),
        lambda p: p.clone(),
        lambda p: p.double(),
        lambda p: p.movedim(0, 1).movedim(1, 0),
        lambda p: nn.Identity()(p),
        lambda p: F.dropout(p, 0.0),
    ],
)
@pytest.mark.parametrize("softmax", [lambda z: z.softmax(1), lambda z: torch.softmax(z, -1), lambda z: F.softmax(z, 1)])
def test_a_softmax_is_seen_through_views(
    softmax: Callable[[torch.Tensor], torch.Tensor], view: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    assert output_facts(Net(lambda logits: view(softmax(logits))), batch()[0]).operation == "Softmax"


@pytest.mark.parametrize(
    ("finish", "operation"),
    [
        (lambda logits: F.log_softmax(logits, 1), "LogSoftmax"),
        (nn.LogSoftmax(dim=1), "LogSoftmax"),
        (torch.sigmoid, "Sigmoid"),
        (torch.relu, "Relu"),
        (lambda logits: logits, "Addmm"),
        (lambda logits: logits.softmax(1).log(), "Log"),
        (lambda logits: 2 * logits.softmax(1), "Mul"),
    ],
)
def test_what_is_no_softmax_is_not_called_one(finish: Callable[[torch.Tensor], torch.Tensor], operation: str) -> None:
    assert output_facts(Net(finish), batch()[0]).operation == operation


def test_raw_logits_are_no_probabilities() -> None:
    assert output_facts(Net(), batch()[0]).row_sum_error is None


def test_rows_that_sum_to_one_are_seen_by_their_values() -> None:
    def by_hand(logits: torch.Tensor) -> torch.Tensor:
        shares = logits.exp()
        return shares / shares.sum(1, keepdim=True)

    facts = output_facts(Net(by_hand), batch()[0])
    assert facts.operation == "Div"
    assert facts.row_sum_error is not None
    assert facts.row_sum_error < 1e-6


def test_the_row_sum_error_is_the_largest_over_all_rows() -> None:
    class Given(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    rows = torch.full((50, 4), 0.25)
    assert output_facts(Given(), rows).row_sum_error == 0
    rows[13, 0] = 0.45
    assert output_facts(Given(), rows).row_sum_error == pytest.approx(0.2, rel=1e-6)
    rows[13, 0] = 1.01
    assert output_facts(Given(), rows).row_sum_error is None
    rows[13, 0] = math.nan
    assert output_facts(Given(), rows).row_sum_error is None


@pytest.mark.parametrize("shape", [(10,), (10, 1)])
def test_one_output_has_no_rows_to_sum(shape: tuple[int, ...]) -> None:
    class One(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(x), *shape[1:])

    assert output_facts(One(), torch.zeros(10, 5)).row_sum_error is None


def test_the_training_branch_of_a_forward_is_the_one_that_counts() -> None:
    class Deployed(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = self.body(x)
            return logits if self.training else logits.softmax(1)

    assert output_facts(Deployed(), batch()[0]).operation == "Addmm"


def test_a_model_that_returns_no_tensor_has_no_facts() -> None:
    class Several(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x), x  # pyright: ignore[reportReturnType]

    facts = output_facts(Several(), batch()[0])
    assert (facts.operation, facts.shape, facts.row_sum_error, facts.where.file) == ("", (), None, None)


def test_a_model_without_a_graph_has_no_operation() -> None:
    facts = output_facts(Net().requires_grad_(False), batch()[0])
    assert facts.operation == ""
    assert facts.shape[1:] == (4,)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 9, 11, 40])
def test_few_samples_are_enough_for_batch_normalisation_and_no_batch_is_made_up(count: int) -> None:
    facts = output_facts(delicate(), batch(count)[0])
    assert facts.shape == (max(2, count // 5), 3)
    assert facts.batches == len(torch.zeros(count).chunk(5)) <= 5


def test_a_single_sample_is_enough_without_batch_normalisation() -> None:
    assert output_facts(SoftmaxInForward(), batch(1)[0]).operation == "Softmax"
