"""A trial array can be taken apart, written down, and gone on from, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from stacked_members import batches, farthest, member, normalised, plain

from trainwright.errors import UsageError
from trainwright.parts import optimizers
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import Member, TrialArray
from trainwright.stacked.packing import packed, unpacked
from trainwright.stacked.stacked_array import StackedArray
from trainwright.tensors import digest

LANES = [LoopArray, StackedArray]
OPTIMIZERS = sorted(optimizers.CATALOGUE.keys() - {"lbfgs"})


def digests(array: TrialArray) -> list[str]:
    return [digest(array.model(id).state_dict()) for id in array.ids]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_array_goes_on_from_files_as_if_it_had_never_stopped(
    optimizer: str, dtype: torch.dtype, lane: type[TrialArray], tmp_path: Path
) -> None:
    def members() -> list[Member]:
        return [
            member(number, normalised, optimizer=optimizer, schedule="one_cycle", dtype=dtype) for number in range(3)
        ]

    steps = list(batches(12, dtype=dtype))
    first = lane(members(), ids=[5, 2, 8])  # type: ignore[call-arg]
    for x, y in steps[:6]:
        first.step(x, y)
    tensors, rest = packed(first.state_dict())
    save_file(tensors, tmp_path / "rung.safetensors")
    (tmp_path / "rung.json").write_text(json.dumps(rest))

    second = lane(members(), ids=[5, 2, 8])  # type: ignore[call-arg]
    second.load_state_dict(
        unpacked(load_file(tmp_path / "rung.safetensors"), json.loads((tmp_path / "rung.json").read_text()))
    )
    assert second.steps == (6, 6, 6)
    assert digests(second) == digests(first)
    for x, y in steps[6:]:
        assert torch.equal(first.step(x, y), second.step(x, y))
    assert digests(second) == digests(first)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_lane_goes_on_from_where_the_other_stopped(optimizer: str) -> None:
    members = [member(number, optimizer=optimizer) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    for step, (x, y) in enumerate(batches(30)):
        alone.step(x, y)
        stacked.step(x, y)
        if step == 10:
            stacked.load_state_dict(alone.state_dict())
        if step == 20:
            alone.load_state_dict(stacked.state_dict())
    assert farthest(alone, stacked) < 1e-10


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_row_that_moves_to_another_array_goes_on_there(optimizer: str, lane: type[TrialArray]) -> None:
    members = [member(number, optimizer=optimizer, schedule="one_cycle") for number in range(2)]
    whole = lane(members)  # type: ignore[call-arg]
    moved = lane(members)  # type: ignore[call-arg]
    for step, (x, y) in enumerate(batches(20)):
        if step == 8:
            moved = lane([moved.member(1)], ids=[1])  # type: ignore[call-arg]
            moved.add([member(6, optimizer=optimizer)])
        whole.step(x, y)
        moved.step(x, y)
    assert moved.steps == (20, 12)
    assert farthest(whole, moved, [1]) < 1e-10


def test_a_frozen_row_stays_frozen_after_it_was_written_down() -> None:
    members = [member(number) for number in range(2)]
    with torch.no_grad():
        next(members[1].model.parameters()).fill_(torch.nan)
    array = StackedArray(members)
    steps = list(batches(2))
    array.step(*steps[0])
    again = StackedArray(members)
    again.load_state_dict(array.state_dict())
    assert again.frozen == (1,)
    assert again.steps == (1, 0)


@pytest.mark.parametrize("lane", LANES)
def test_a_state_of_other_rows_is_refused(lane: type[TrialArray]) -> None:
    array = lane([member(0), member(1)])  # type: ignore[call-arg]
    state = array.state_dict()
    array.keep([1])
    with pytest.raises(UsageError, match=r"the state has \[0, 1\], the array \[1\]"):
        array.load_state_dict(state)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.integers(1, 3)),
        st.tuples(st.just("keep"), st.integers(0, 2**16)),
        st.tuples(st.just("add"), st.integers(1, 2)),
        st.tuples(st.just("reload"), st.just(0)),
    ),
    max_size=8,
)


@settings(max_examples=15, deadline=None)
@given(actions=ACTIONS, optimizer=st.sampled_from(["adamw", "nesterov", "adagrad", "radam"]), seed=st.integers(0, 99))
def test_whatever_is_done_to_an_array_its_rows_stay_their_stand_alone_runs(
    actions: list[tuple[str, int]], optimizer: str, seed: int
) -> None:
    def make(number: int) -> Member:
        made = member(number % 9, plain, optimizer=optimizer, schedule="cosine")
        if number % 4 == 3:
            with torch.no_grad():
                next(made.model.parameters())[0, 0] = torch.nan
        return made

    members = [make(seed + number) for number in range(3)]
    alone, stacked = LoopArray(members), StackedArray(members)
    source = batches(40)
    number = seed + 3
    for action, amount in actions:
        if action == "step":
            for _ in range(amount):
                x, y = next(source)
                assert torch.allclose(alone.step(x, y), stacked.step(x, y), rtol=0, atol=1e-10, equal_nan=True)
        elif action == "keep":
            chosen = [id for place, id in enumerate(alone.ids) if amount >> place & 1] or [alone.ids[0]]
            alone.keep(chosen[::-1])
            stacked.keep(chosen[::-1])
        elif action == "add":
            further = [make(number + place) for place in range(amount)]
            number += amount
            assert alone.add(further) == stacked.add(further)
        else:
            stacked.load_state_dict(alone.state_dict())
        assert (alone.ids, alone.steps, alone.frozen) == (stacked.ids, stacked.steps, stacked.frozen)
    healthy = [id for id in alone.ids if not alone.model(id)[0].weight.isnan().any()]  # type: ignore[index]
    assert farthest(alone, stacked, healthy) < 1e-10
