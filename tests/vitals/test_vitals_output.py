from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vitals_nets import account, batch, delicate

from trainwright.randomness import isolated
from trainwright.records.loss_call import LossCall
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


def calls(
    model: nn.Module,
    loss: Callable[..., torch.Tensor],
    y: torch.Tensor | None = None,
    x: torch.Tensor | None = None,
) -> tuple[LossCall, ...]:
    """Return what the loss was seen to call, without the last entry, which is the loss as a whole."""
    x = batch(outputs=4)[0] if x is None else x
    found = output_facts(model, x, loss, batch(outputs=4)[1] if y is None else y).calls
    assert found[-1].function == ""
    return found[:-1]


def sharpened(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    chances = F.softmax(output, dim=1)  # the softmax of the loss
    return F.cross_entropy(chances, y)  # the call of the loss


def test_a_loss_of_one_s_own_is_seen_through_to_what_it_calls_and_what_enters_that() -> None:
    (call,) = calls(Net(), sharpened)
    assert (call.function, call.reduction) == ("cross_entropy", "mean")
    assert (call.where.file, call.where.line) == (__file__, line_of(sharpened, "the call of the loss"))
    assert (call.input.operation, call.input.previous, call.input.direct) == ("Softmax", "Addmm", False)
    assert call.input.where.line == line_of(sharpened, "the softmax of the loss")
    assert (call.input.dimension, call.input.operation_shape, call.input.shape) == (1, (8, 4), (8, 4))
    assert call.input.row_sum_error is not None
    assert call.input.row_sum_error < 1e-6


@pytest.mark.parametrize(
    ("loss", "functions"),
    [
        (nn.CrossEntropyLoss(), ["cross_entropy"]),
        (lambda z, y: F.nll_loss(z.log_softmax(1), y), ["log_softmax", "nll_loss"]),
        (lambda z, y: F.nll_loss(torch.log_softmax(z, 1), y), ["log_softmax", "nll_loss"]),
        (lambda z, y: nn.L1Loss()(z[:, 0], y.float()) + F.mse_loss(z[:, 1], y.float()), ["l1_loss", "mse_loss"]),
        (lambda z, y: F.huber_loss(z[:, 0], target=y.float()), ["huber_loss"]),
        (lambda z, y: (z - y[:, None]).square().mean(), []),
        (lambda z, y: sum((F.cross_entropy(z, y) for _ in range(20)), torch.zeros(())), ["cross_entropy"] * 8),
    ],
)
def test_the_losses_of_the_library_are_told_by_their_functions(
    loss: Callable[..., torch.Tensor], functions: list[str]
) -> None:
    assert [call.function for call in calls(Net(), loss)] == functions


def test_a_call_that_fails_is_seen_and_its_reason_kept() -> None:
    facts = output_facts(Net(), batch()[0], nn.CrossEntropyLoss(), torch.full((40,), 9))
    assert [call.function for call in facts.calls] == ["cross_entropy", ""]
    assert facts.loss_error.startswith("IndexError: Target 9")
    assert output_facts(Net(), batch()[0], nn.CrossEntropyLoss(), batch()[1]).loss_error == ""


def test_the_targets_of_all_samples_count_where_the_loss_takes_them_as_they_are() -> None:
    y = torch.arange(40)
    (call,) = calls(Net(), lambda z, t: F.cross_entropy(z, t % 4), y)
    assert call.target is not None
    assert (call.target.maximum, call.target.total) == (3, 8)
    (call,) = calls(Net(), nn.MSELoss(), y.float()[:, None].expand(-1, 4))
    assert call.target is not None
    assert (call.target.maximum, call.target.total) == (39, 160)


def test_the_ignored_id_is_left_out_of_the_targets() -> None:
    y = torch.tensor([255, 0, 1, 2] * 10)
    (call,) = calls(Net(), nn.CrossEntropyLoss(ignore_index=255), y)
    assert call.target is not None
    assert (call.target.ignored, call.target.minimum, call.target.maximum) == (255, 0, 2)
    assert (call.target.counted, call.target.total) == (30, 40)


@pytest.mark.parametrize(
    ("finish", "low", "high"),
    [
        (torch.relu, 0, None),
        (torch.sigmoid, 0, 1),
        (torch.tanh, -1, 1),
        (F.relu6, 0, 6),
        (lambda z: z.clamp(-2, 3), -2, 3),
        (lambda z: z.clamp(min=0), 0, None),
        (F.elu, -1, None),
        (lambda z: z**2, 0, None),
        (lambda z: z**3, None, None),
        (F.softplus, 0, None),
        (lambda z: F.log_softmax(z, 1), None, 0),
        (lambda z: z, None, None),
        (F.leaky_relu, None, None),
    ],
)
def test_the_reach_of_the_last_operation_is_known(
    finish: Callable[[torch.Tensor], torch.Tensor], low: float | None, high: float | None
) -> None:
    values = [-9.0, 0.5, 9.0, 0.5]
    facts = output_facts(Net(finish), batch()[0], nn.MSELoss(), torch.tensor(values).expand(40, 4))
    entry, target = facts.calls[0].input, facts.calls[0].target
    assert (entry.low, entry.high) == (low, high)
    assert target is not None
    beyond = [(low is not None and number < low) or (high is not None and number > high) for number in values]
    assert target.outside == sum(beyond) / 4
    with torch.no_grad():
        wide = Net(finish).finish(torch.linspace(-9, 9, 400).reshape(-1, 4))
    assert low is None or wide.min() >= low
    assert high is None or wide.max() <= high


def test_a_negative_dimension_is_counted_from_the_front() -> None:
    (call,) = calls(Net(lambda z: z.reshape(-1, 2, 2).softmax(-2).flatten(1)), nn.CrossEntropyLoss())
    assert (call.input.dimension, call.input.operation_shape) == (1, (8, 2, 2))


@pytest.mark.parametrize(
    ("finish", "seen", "least"),
    [
        (lambda z: F.log_softmax(z, 1), True, 0),
        (lambda z: z.softmax(1).log(), True, 0),
        (lambda z: z - z.logsumexp(1, keepdim=True), True, 0),
        (lambda z: 2 * F.log_softmax(z, 1), True, 0.1),
        (lambda z: z, False, 0.1),
        (lambda z: z.softmax(1), False, 1),
    ],
)
def test_log_probabilities_are_told_by_a_logarithm_and_by_their_sum(
    finish: Callable[[torch.Tensor], torch.Tensor], seen: bool, least: float
) -> None:
    (call,) = calls(Net(finish), nn.NLLLoss())
    assert call.input.logarithm == seen
    assert call.input.log_sum_error is not None
    assert call.input.log_sum_error >= least
    assert least > 0 or call.input.log_sum_error < 1e-6


def test_rows_of_ones_are_counted() -> None:
    rows = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0]]).repeat(10, 1)
    (call,) = calls(Net(), nn.BCEWithLogitsLoss(), rows)
    assert call.target is not None
    assert (call.target.fewest, call.target.most) == (0, 3)
    (call,) = calls(Net(), nn.BCEWithLogitsLoss(), rows / 2)
    assert call.target is not None
    assert (call.target.fewest, call.target.most) == (None, None)


@pytest.mark.parametrize(("scale", "seen"), [(255, True), (1, False), (3, False), (510, False)])
def test_targets_over_255_are_recognised(scale: int, seen: bool) -> None:
    (call,) = calls(Net(), nn.BCEWithLogitsLoss(), torch.tensor([0.0, 1, 5, 3]).expand(40, 4) / scale)
    assert call.target is not None
    assert call.target.byte_scaled == (seen or scale == 3)  # a third is 85 / 255


class Reader(nn.Module):
    """Tokens of which 0 is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 6, padding_idx=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.table(x).transpose(1, 2)


@pytest.mark.parametrize(
    ("row", "options", "share"),
    [
        ([1, 2, 0, 0], {}, 0.5),
        ([0, 0, 2, 1], {}, 0.5),
        ([1, 0, 2, 0], {}, None),
        ([1, 2, 3, 4], {}, None),
        ([1, 2, 0, 0], {"ignore_index": 0}, None),
        ([1, 2, 0, 0], {"reduction": "none"}, None),
        ([1, 2, 0, 0], {"weight": torch.ones(6)}, None),
    ],
)
def test_padding_ends_or_begins_its_rows(row: list[int], options: dict[str, object], share: float | None) -> None:
    tokens = torch.tensor(row).expand(10, 4)

    def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, y, **options).mean()  # pyright: ignore[reportArgumentType]

    (call,) = calls(Reader(), loss, tokens, tokens)
    assert call.target is not None
    assert call.target.padding == share


def test_a_compiled_model_is_seen_through() -> None:
    model = torch.compile(nn.Sequential(nn.Linear(5, 4), nn.Softmax(dim=1)), backend="eager")
    facts = output_facts(model, batch()[0], nn.CrossEntropyLoss(), batch()[1])  # pyright: ignore[reportArgumentType]
    assert (facts.operation, facts.where.module) == ("Softmax", "1")


class Counting(nn.Module):
    """A loss with a state of its own, that works in place on its targets and draws."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return F.cross_entropy(output + torch.rand_like(output), y.add_(1).sub_(1).clamp_(0, 2))


@pytest.mark.parametrize("loss", [Counting(), lambda z, y: 1 / 0], ids=["a state of its own", "failing"])
def test_a_look_at_the_loss_leaves_no_footprint(loss: Callable[..., torch.Tensor]) -> None:
    model = delicate()
    x, y = batch()
    with isolated(0):
        before = account(model, x, y)
        output_facts(model, x, loss, y)
        assert account(model, x, y) == before
    assert not isinstance(loss, Counting) or loss.seen == 0


def test_the_same_look_sees_the_same() -> None:
    x, y = batch()
    first, second = (output_facts(delicate(), x, sharpened, y) for _ in range(2))
    assert first == second
