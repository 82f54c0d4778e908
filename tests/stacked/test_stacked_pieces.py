"""Rows computed in pieces, chains without autograd, and what a probe may cost."""

from __future__ import annotations

import pytest
import torch
from stacked_members import Network, batches, farthest, member, normalised, plain
from torch import nn

from trainwright.parts.losses import cross_entropy
from trainwright.stacked import probe, stack
from trainwright.stacked.chain import is_chain
from trainwright.stacked.layout import layout_of
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import Loss
from trainwright.stacked.plain_chain import is_plain
from trainwright.stacked.probe import choose
from trainwright.stacked.stacked_array import StackedArray


def dropping() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 8), nn.Dropout(0.3), nn.Sigmoid(), nn.Linear(8, 8, bias=False), nn.Dropout(0.2),
        nn.Linear(8, 3), nn.Tanh(),
    )  # fmt: skip


def twice_activated() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Tanh(), nn.Linear(8, 3))


def activated_first() -> nn.Module:
    return nn.Sequential(nn.Tanh(), nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))


def tied() -> nn.Module:
    same = nn.Linear(6, 6)
    return nn.Sequential(same, nn.Tanh(), same, nn.ReLU(), nn.Linear(6, 3))


def smooth() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3))


class Own(nn.Module):
    """A module of somebody's own, which is no chain."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = plain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "PIECE", 400)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_REMEMBERED", {})


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("network", [plain, normalised, dropping, twice_activated, activated_first, tied, smooth])
@pytest.mark.parametrize("optimizer", ["adamw", "momentum"])
def test_rows_in_pieces_equal_their_stand_alone_runs(network: Network, optimizer: str) -> None:
    members = [member(number, network, optimizer=optimizer, schedule="cosine") for number in range(7)]
    with torch.no_grad():
        next(members[3].model.parameters())[0, 0] = torch.nan
    alone, stacked = LoopArray(members), StackedArray(members)
    assert len(stacked._stack.pieces) > 1
    for step, (x, y) in enumerate(batches(50)):
        kept = x.clone()
        assert torch.allclose(alone.step(x, y), stacked.step(x, y), rtol=0, atol=1e-10, equal_nan=True)
        assert torch.equal(x, kept)
        if step == 25:
            alone.keep([6, 0, 2, 5])
            stacked.keep([6, 0, 2, 5])
    assert farthest(alone, stacked) < 1e-10


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("network", [plain, dropping])
def test_a_broken_row_changes_no_bit_of_the_rows_in_its_piece(network: Network) -> None:
    members = [member(number, network, dtype=torch.float32) for number in range(4)]
    broken = [member(number, network, dtype=torch.float32) for number in range(4)]
    with torch.no_grad():
        next(broken[1].model.parameters())[0, 0] = torch.nan
    whole, other = StackedArray(members), StackedArray(broken)
    for x, y in batches(20, dtype=torch.float32):
        whole.step(x, y)
        other.step(x, y)
    assert other.frozen == (1,)
    assert farthest(whole, other, [0, 2, 3]) == 0


def test_batches_of_other_sizes_and_kinds_follow_one_another() -> None:
    members = [member(number, plain) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for size in (16, 5, 16, 1, 9):
        x, y = next(batches(1, size=size))
        assert torch.allclose(alone.step(x, y), stacked.step(x, y), rtol=0, atol=1e-10)
    assert farthest(alone, stacked) < 1e-10


def sum_of_outputs(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return outputs.sum()


def first_output(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return outputs[0, 0]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("loss", [sum_of_outputs, first_output])
@pytest.mark.parametrize("network", [plain, dropping])
def test_a_loss_may_be_a_view_of_the_outputs_or_have_a_gradient_without_memory(loss: Loss, network: Network) -> None:
    members = [member(number, network, loss=loss) for number in range(5)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for x, y in batches(5):
        assert torch.allclose(alone.step(x, y), stacked.step(x, y), rtol=0, atol=1e-10)
    assert farthest(alone, stacked) < 1e-10


@pytest.mark.parametrize(
    ("network", "expected"),
    [(plain, True), (dropping, True), (twice_activated, False), (activated_first, False), (tied, False),
     (smooth, False), (normalised, False)],
)  # fmt: skip
def test_only_chains_whose_slopes_follow_from_their_values_go_without_autograd(
    network: Network, expected: bool
) -> None:
    one = member(0, network)
    assert is_chain(one.model)
    assert is_plain(one.model, layout_of(one)) is expected


@pytest.mark.usefixtures("forgetful")
def test_a_probe_of_the_same_structure_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = next(batches(1))
    array, first = choose([member(number) for number in range(4)], x, y)

    def fails(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(probe, "_measured", fails)
    again, second = choose([member(10 + number) for number in range(4)], x, y, planned_steps=10**6)
    assert second is first
    assert type(again) is type(array)
    with pytest.raises(AssertionError, match="measured again"):
        choose([member(number, normalised) for number in range(4)], x, y)


@pytest.mark.usefixtures("forgetful")
def test_members_that_differ_go_into_the_loop_though_their_structure_is_remembered() -> None:
    x, y = next(batches(1))
    alike = [member(number, loss=cross_entropy) for number in range(16)]
    _, choice = choose(alike, x, y)
    mixed = [*alike[:15], member(15, normalised)]
    array, other = choose(mixed, x, y)
    assert isinstance(array, LoopArray)
    if choice.lane == "stacked":
        assert "member 15 differs from member 0" in other.reason


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    ("network", "rows", "steps", "lane"),
    [(plain, 8, 20, "stacked"), (plain, 3, 20, "loop"), (plain, 8, 2, "loop"), (Own, 8, 20, "loop")],
)
def test_short_work_is_never_timed(
    network: Network, rows: int, steps: int, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_fastest", lambda steps: pytest.fail("timed"))
    x, y = next(batches(1))
    _, choice = choose([member(number, network) for number in range(rows)], x, y, planned_steps=steps)
    assert choice.lane == lane
    assert "too few to repay" in choice.reason
    assert not probe._REMEMBERED
