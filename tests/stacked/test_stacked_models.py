"""What a model may do and still be a row of a stack, and what is said where it may not."""

from __future__ import annotations

import re

import pytest
import torch
from stacked_members import Network, batches, farthest, member, normalised, plain
from torch import nn

from trainwright.parts import losses
from trainwright.stacked.buckets import buckets
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import CannotStack
from trainwright.stacked.probe import choose
from trainwright.stacked.stacked_array import StackedArray


class Tied(nn.Module):
    """Uses one matrix twice, written so that it is no chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


def tied_chain() -> nn.Module:
    same = nn.Linear(6, 6)
    return nn.Sequential(same, nn.Tanh(), same, nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3))


def frozen_trunk() -> nn.Module:
    model = plain()
    model[0].requires_grad_(False)  # type: ignore[index, operator]
    return model


def same_frozen_trunk() -> nn.Module:
    model = frozen_trunk()
    for parameter in model[0].parameters():  # type: ignore[index, union-attr]
        parameter.data.fill_(0.2)
    return model


def sleeping_normalisation() -> nn.Module:
    model = normalised()
    model[1].eval()  # type: ignore[index, operator]
    return model


def evaluating_network() -> nn.Module:
    return normalised().eval()


class Unused(Tied):
    """Has a weight that its forward pass never reads."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(4, 4)


class Turns(Tied):
    """Reads another weight in every other step, told by the size of the first sample's first number."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if len(x) > 10 else self.other(x)


class Words(nn.Module):
    """Reads ids, with a count of its own of the batches in an integer buffer."""

    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.table, self.last = nn.Embedding(5, 4), nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen += 1
        return self.last(self.table((x[:, 0].abs() * 2).long().clamp(max=4)))


class Attends(nn.Module):
    """Causal attention over six numbers as six places, with dropout within."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.into, self.out, self.last = nn.Linear(1, 12), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.into(x[:, :, None]).unflatten(-1, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        found = nn.functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.last(self.out(found.transpose(1, 2).flatten(2)).mean(1))


def attends_and_drops() -> nn.Module:
    return Attends(0.3)


@pytest.mark.parametrize(
    "network",
    [
        Attends,
        attends_and_drops,
        Tied,
        tied_chain,
        frozen_trunk,
        same_frozen_trunk,
        sleeping_normalisation,
        evaluating_network,
        Unused,
        Words,
    ],
)
@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "nadam"])
def test_rows_of_such_a_model_equal_their_stand_alone_runs(network: Network, optimizer: str) -> None:
    members = [member(number, network, optimizer=optimizer) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for x, y in batches(20):
        assert torch.allclose(alone.step(x, y), stacked.step(x, y), rtol=0, atol=1e-12)
    assert farthest(alone, stacked) < 1e-10
    x, _ = next(batches(1))
    assert torch.allclose(alone.outputs(x), stacked.outputs(x), rtol=0, atol=1e-10)
    assert [name for name, _ in stacked.model(0).named_parameters()] == [
        name for name, _ in members[0].model.named_parameters()
    ]


@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "adagrad", "rmsprop", "lion"])
def test_a_parameter_without_a_gradient_in_a_step_is_left_alone_by_momentum_and_decay(optimizer: str) -> None:
    members = [member(number, Turns, optimizer=optimizer) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    before = stacked.model(0).state_dict()["other.weight"]
    for step, (x, y) in enumerate(batches(20)):
        size = 16 if step % 3 else 8
        alone.step(x[:size], y[:size])
        stacked.step(x[:size], y[:size])
    assert farthest(alone, stacked) < 1e-10
    assert not torch.equal(stacked.model(0).state_dict()["other.weight"], before)


class Item(Tied):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * (2 if self.first.weight.sum().item() > 99 else 1)


class Keeps(Tied):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last_output = super().forward(x)
        return self.last_output


class Noisy(Tied):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 0.1 * torch.rand_like(x)[:, :3]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory, self.last = nn.LSTM(6, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.memory(x[:, None])[0][:, -1])


class Aliased(Tied):
    def __init__(self) -> None:
        super().__init__()
        self.weights = [self.first.weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x @ self.weights[0])


class SparseWords(Words):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4, sparse=True)


def cumulative() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8, momentum=None), nn.Linear(8, 3))


REASONS = [
    (Item, r"\(Item\).*\.item\(\)"),
    (Keeps, "from one forward pass to the next: it sets Keeps.last_output"),
    (Noisy, "random"),
    (Recurrent, r"'memory' \(LSTM\)"),
    (Aliased, "attribute 'weights'"),
    (SparseWords, r"'table' \(Embedding\).*sparse"),
    (cumulative, r"'1' \(BatchNorm1d\)"),
]


@pytest.mark.parametrize(("network", "reason"), REASONS)
def test_what_cannot_be_stacked_goes_into_the_loop_with_the_reason(network: Network, reason: str) -> None:
    members = [member(number, network, optimizer="sgd", clip_value=0.1) for number in range(3)]
    for entry in members:
        for group in entry.optimizer.param_groups:
            group["weight_decay"] = 0.0  # which sparse gradients do not take
    x, y = next(batches(1))
    array, choice = choose(members, x, y, ids=[3, 4, 5])
    assert isinstance(array, LoopArray)
    assert choice.lane == "loop"
    assert re.search(reason, choice.reason), choice.reason
    assert array.ids == (3, 4, 5)
    assert array.steps == (0, 0, 0)
    array.step(x, y)
    array.model(3)


def test_members_that_are_not_alike_cannot_be_stacked_and_are_sorted_into_buckets() -> None:
    members = [
        member(0),
        member(1, normalised),
        member(2, optimizer="momentum"),
        member(3, schedule="cosine", clip_norm=None),
        member(4, sleeping_normalisation),
        member(5, loss=nn.functional.cross_entropy),
        member(6, normalised),
    ]
    with pytest.raises(CannotStack, match="member 1 differs from member 0"):
        StackedArray(members[:2])
    assert buckets(members) == [(0, 3), (1, 6), (2,), (4,), (5,)]


def test_the_probe_proves_a_step_before_it_takes_the_stack() -> None:
    class Wrong(torch.autograd.Function):
        """Doubles the gradient where it is computed for several rows at once."""

        @staticmethod
        def forward(x: torch.Tensor, factor: float) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def setup_context(ctx, inputs, output) -> None:
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx, gradient):  # type: ignore[override]
            return gradient * ctx.factor, None

        @staticmethod
        def vmap(info, in_dims, x, factor):  # type: ignore[override]
            return Wrong.apply(x, 2.0), in_dims[0]

    class Model(Tied):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Wrong.apply(super().forward(x), 1.0)

    members = [member(number, Model) for number in range(2)]
    x, y = next(batches(1))
    _, choice = choose(members, x, y)
    assert choice.lane == "loop"
    assert "the gradient of 'first.weight' in row 0 is off by" in choice.reason


def test_the_probe_says_what_it_has_measured_and_leaves_the_members_as_they_were() -> None:
    members = [member(number, dtype=torch.float32) for number in range(16)]
    x, y = next(batches(1, dtype=torch.float32))
    array, choice = choose(members, x, y)
    assert choice.lane in ("loop", "stacked")
    assert set(choice.step_seconds) == {"loop", "stacked"}
    assert "16 rows" in choice.reason
    assert choice.memory_per_row > 4 * 4 * sum(parameter.numel() for parameter in members[0].model.parameters())
    assert array.steps == (0,) * 16
    assert not any(entry.optimizer.state for entry in members)


def test_what_fails_alone_is_raised_by_the_probe_as_it_is() -> None:
    x, y = next(batches(1))
    with pytest.raises(Exception, match="shape"):
        choose([member(0, loss=losses.cross_entropy), member(1)], x, y[:5])
