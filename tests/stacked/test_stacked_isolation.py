"""Nothing that happens in one row of a trial array reaches another, or the members that it was made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stacked_members import Network, batches, farthest, member, normalised, plain
from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts import losses
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import Member, TrialArray
from trainwright.stacked.stacked_array import StackedArray
from trainwright.tensors import digest

LANES = [LoopArray, StackedArray]


def trained(array: TrialArray, steps: int, dtype: torch.dtype = torch.float64) -> TrialArray:
    for x, y in batches(steps, dtype=dtype):
        array.step(x, y)
    return array


@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "lion"])
@pytest.mark.parametrize("network", [plain, normalised])
def test_the_neighbours_of_a_broken_row_are_bit_equal_to_those_of_a_healthy_one(
    optimizer: str, network: Network
) -> None:
    healthy = [member(number, network, optimizer=optimizer, dtype=torch.float32) for number in range(4)]
    broken = [member(number, network, optimizer=optimizer, dtype=torch.float32) for number in range(4)]
    with torch.no_grad():
        broken[1].model[0].weight[0, 0] = torch.inf  # type: ignore[index, union-attr]
    first = trained(StackedArray(healthy), 10, torch.float32)
    second = trained(StackedArray(broken), 10, torch.float32)
    assert second.frozen == (1,)
    for id in (0, 2, 3):
        assert digest(first.model(id).state_dict()) == digest(second.model(id).state_dict())
    assert digest(second.model(1).state_dict()) == digest(broken[1].model.state_dict())  # as it was, statistics too
    assert second.steps == (10, 0, 10, 10)


@pytest.mark.parametrize("lane", LANES)
def test_a_row_whose_gradient_overflows_is_frozen_though_its_loss_is_finite(lane: type[TrialArray]) -> None:
    def steep(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(output * 0).mean() + losses.cross_entropy(output, target)  # the slope of sqrt at 0

    array = lane([member(0), member(1, loss=steep)])  # type: ignore[call-arg]
    (x, y), *_ = batches(1)
    values = array.step(x, y)
    assert torch.isfinite(values).all()
    assert array.frozen == (1,)
    assert array.step(x, y).isnan().tolist() == [False, True]


@pytest.mark.parametrize("lane", LANES)
def test_training_leaves_no_footprints_on_the_members_nor_on_torchs_generator(lane: type[TrialArray]) -> None:
    members = [member(number, dropout_network) for number in range(3)]
    before = [digest(entry.model.state_dict()) for entry in members]
    generator = torch.get_rng_state()
    array = trained(lane(members), 5)  # type: ignore[call-arg]
    array.outputs(next(batches(1))[0])
    assert [digest(entry.model.state_dict()) for entry in members] == before
    assert not any(entry.optimizer.state for entry in members)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for entry in members for parameter in entry.model.parameters())


@pytest.mark.parametrize("lane", LANES)
def test_outputs_leave_no_footprints(lane: type[TrialArray]) -> None:
    members = [member(number, normalised, optimizer="schedule_free") for number in range(3)]
    one, other = lane(members), lane(members)  # type: ignore[call-arg]
    for x, y in batches(10):
        one.step(x, y)
        other.step(x, y)
        one.outputs(x)
    assert all(digest(one.model(id).state_dict()) == digest(other.model(id).state_dict()) for id in one.ids)


def dropout_network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 8), nn.Dropout(0.1), nn.Linear(8, 3))


class Written(nn.Module):
    """Draws in its own forward pass, by modules and by functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 4, 3, padding=1)
        self.channels = nn.Dropout1d(0.3)
        self.units = nn.Dropout(0.2)
        self.last = nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.units(self.channels(torch.relu(self.first(x[:, None])))).flatten(1)
        return self.last(nn.functional.dropout(hidden, 0.1, self.training))


@pytest.mark.parametrize("network", [dropout_network, Written])
def test_masks_and_rates_of_dropout_are_those_of_the_row_alone_however_many_rows_there_are(network: Network) -> None:
    members = [member(number, network) for number in range(4)]
    for number, entry in enumerate(members):
        for module in entry.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = (0.0, 0.3, 0.5, 1.0)[number]
    alone, stacked, pair = LoopArray(members), StackedArray(members), StackedArray(members[1:3], ids=[1, 2])
    for array in (alone, stacked, pair):
        trained(array, 20)
    assert farthest(alone, stacked) < 1e-10
    assert farthest(alone, pair, [1, 2]) < 1e-10


def test_smoothing_and_clipping_are_each_rows_own() -> None:
    settings: list[dict] = [
        {"loss": losses.CATALOGUE["cross_entropy"].factory(label_smoothing=0.2), "clip_norm": None},
        {"loss": losses.CATALOGUE["cross_entropy"].factory(), "clip_norm": 0.01},
        {"loss": nn.CrossEntropyLoss(label_smoothing=0.1), "clip_norm": 0.1, "clip_value": 0.02},
        {"loss": nn.functional.cross_entropy, "clip_norm": None, "clip_value": 1e-3},
    ]
    members = [member(number, optimizer="momentum", **given) for number, given in enumerate(settings)]
    weighted = member(4, loss=losses.CATALOGUE["cross_entropy"].factory(weights=(1.0, 2.0, 3.0)), optimizer="momentum")
    for group in (members, [*members, weighted]):
        assert farthest(trained(LoopArray(group), 20), trained(StackedArray(group), 20)) < 1e-10


@pytest.mark.parametrize(
    "loss",
    [nn.functional.mse_loss, losses.mse, nn.HuberLoss(), losses.CATALOGUE["mae"].factory()],
    ids=["torch's mse", "mse", "huber", "mae"],
)
def test_losses_over_values_are_each_rows_own(loss: nn.Module) -> None:
    members = [member(number, loss=loss) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for x, _ in batches(10):
        target = x[:, :3].sin()
        assert torch.allclose(alone.step(x, target), stacked.step(x, target), rtol=0, atol=1e-12)
    assert farthest(alone, stacked) < 1e-10


def test_items_that_do_not_count_count_in_no_row() -> None:
    members = [member(number) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for x, y in batches(10):
        y[::3] = losses.IGNORED
        assert torch.allclose(alone.step(x, y), stacked.step(x, y), rtol=0, atol=1e-12)
    assert farthest(alone, stacked) < 1e-10


@pytest.mark.parametrize("lane", LANES)
def test_two_members_with_one_model_are_refused(lane: type[TrialArray]) -> None:
    only = member(0)
    with pytest.raises(ModelError, match="share a parameter"):
        lane([only, replace(only, seed=1)])  # type: ignore[call-arg]
    first, second = member(0), member(1)
    second.model[2] = first.model[2]  # type: ignore[index, operator]
    shared = Member(model=second.model, optimizer=torch.optim.SGD(second.model.parameters()), loss=losses.mse)
    with pytest.raises(ModelError, match=r"'2\.weight' of members 0 and 1"):
        lane([first, shared])  # type: ignore[call-arg]


@pytest.mark.parametrize("lane", LANES)
def test_lbfgs_and_foreign_parameters_are_refused_with_the_reason(lane: type[TrialArray]) -> None:
    with pytest.raises(UsageError, match="line search"):
        lane([member(0, optimizer="lbfgs")])  # type: ignore[call-arg]
    stranger = replace(member(0), optimizer=member(1).optimizer)
    with pytest.raises(ModelError, match="no parameter of its model"):
        lane([stranger])  # type: ignore[call-arg]


@pytest.mark.parametrize("lane", LANES)
def test_a_loss_that_depends_on_no_weight_is_refused(lane: type[TrialArray]) -> None:
    array = lane([member(0, loss=lambda output, target: output.detach().mean())])  # type: ignore[call-arg]
    with pytest.raises(ModelError, match="does not depend on any trained weight"):
        array.step(*next(batches(1)))


@pytest.mark.parametrize("lane", LANES)
def test_rows_are_asked_for_by_living_ids(lane: type[TrialArray]) -> None:
    array = lane([member(number) for number in range(3)], ids=[4, 7, 9])  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="no such rows"):
        array.model(5)
    with pytest.raises(UsageError, match="at least one"):
        array.keep([])
    with pytest.raises(UsageError, match="id of its own"):
        array.add([member(3)], ids=[7])
    array.keep([9, 4])
    assert array.add([member(3)]) == (10,)
    assert array.ids == (9, 4, 10)
