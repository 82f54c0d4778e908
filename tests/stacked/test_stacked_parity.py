"""Every row of a trial array is the run that it would be alone."""

from __future__ import annotations

import pytest
import torch
from stacked_members import STEPS, Network, batches, farthest, member, normalised, plain

from trainwright.parts import optimizers, schedules
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.stacked_array import StackedArray

EXACT = 1e-10  # float64: what the order of sums may differ by, after 50 steps
OPTIMIZERS = sorted(optimizers.CATALOGUE.keys() - {"lbfgs"})


@pytest.mark.parametrize("network", [plain, normalised])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_row_equals_its_stand_alone_run_beside_a_broken_row_and_across_compaction(
    optimizer: str, network: Network
) -> None:
    members = [member(number, network, optimizer=optimizer, schedule="one_cycle") for number in range(5)]
    with torch.no_grad():
        next(members[2].model.parameters())[0, 0] = torch.nan
    alone, stacked = LoopArray(members), StackedArray(members)
    for step, (x, y) in enumerate(batches(STEPS)):
        expected, losses = alone.step(x, y), stacked.step(x, y)
        assert torch.allclose(losses, expected, rtol=0, atol=EXACT, equal_nan=True)
        if step == 20:
            assert alone.frozen == stacked.frozen == (2,)
            for array in (alone, stacked):
                array.keep([3, 0, 1])
                assert array.add([member(7, network, optimizer=optimizer)]) == (5,)
    assert alone.ids == stacked.ids == (3, 0, 1, 5)
    assert alone.steps == stacked.steps == (50, 50, 50, 29)
    assert farthest(alone, stacked) < EXACT
    x, _ = next(batches(1))
    assert torch.allclose(alone.outputs(x), stacked.outputs(x), rtol=0, atol=EXACT)


@pytest.mark.parametrize("schedule", sorted(schedules.CATALOGUE))
def test_every_row_follows_its_own_schedule(schedule: str) -> None:
    members = [member(number, optimizer="momentum", schedule=schedule) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for x, y in batches(STEPS):
        alone.step(x, y)
        stacked.step(x, y)
    assert farthest(alone, stacked) < EXACT
