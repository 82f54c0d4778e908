"""What several processes share, as far as one process can show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainwright.cli.devices import check_devices
from trainwright.doctor.diagnose import examine
from trainwright.errors import RecipeError, RunError, SaidElsewhere, UsageError
from trainwright.records import Chart, Event, RunInfo
from trainwright.stages.ranks import check_divides, drops_out
from trainwright.stages.recipe import Recipe
from trainwright.training.distributed import ALONE, Ranks
from trainwright.training.rank_books import BATCHES_ALIKE, WARM_UP, WINDOW, RankBooks
from trainwright.training.synchronised import Synchronised
from trainwright.training.team import rows_of
from trainwright.vitals.fingerprints import fingerprint
from trainwright.watching.ranks import events


@given(count=st.integers(1, 200), world=st.integers(1, 12), least=st.integers(1, 3))
def test_the_rows_of_all_ranks_are_the_batch_in_its_order(count: int, world: int, least: int) -> None:
    parts = [rows_of(count, Ranks(rank=rank, world=world), least) for rank in range(world)]
    assert [row for part in parts for row in range(count)[part]] == list(range(count))
    sizes = [part.stop - part.start for part in parts if part.stop > part.start]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(least, count)


def test_alone_everything_is_ones_own() -> None:
    tensor = torch.ones(3)
    ALONE.total([tensor])
    assert ALONE.gather([1.0, 2.0]) == [[1.0, 2.0]]
    assert ALONE.everybody("a") == ["a"]
    assert ALONE.told("b") == "b"
    assert tensor.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(UsageError), ALONE.together():
        raise UsageError("told as it is")


def test_a_fingerprint_tells_one_bit_an_order_and_a_place() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    other = x.clone()
    other[1, 2] = torch.nextafter(other[1, 2], torch.tensor(9.0))
    known = [fingerprint(each) for each in ([x], [other], [x.flip(0)], [x, x], [x.double()], [x[:1], x[1:]])]
    assert fingerprint([x.clone()]) == known[0]
    assert len({tuple(each) for each in known}) == len(known)
    assert all(0 <= half < 2**32 for each in known for half in each)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"train": {"batch_size": 30}}, "4 does not divide it; use 28 or 32"),
        ({"train": {"batch_size": "auto"}}, "find it there"),
        ({"distributed": {"strategy": "fsdp"}, "train": {"freeze": ["0"]}}, "does not go with distributed.strategy"),
    ],
)
def test_settings_that_are_none_for_many_devices_are_refused(asked: Mapping[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        check_divides(Recipe.of(asked), 4)
    check_divides(Recipe.of(asked), 1)


@pytest.mark.parametrize("count", [0, 100_000])
def test_more_devices_than_there_are_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"--devices {count}"):
        check_devices(count, "cpu")


@pytest.mark.parametrize(
    ("layer", "draws"),
    [
        (nn.Dropout(0.1), True),
        (nn.Dropout2d(0.0), False),
        (nn.LSTM(3, 3, 2, dropout=0.2), True),
        (nn.MultiheadAttention(4, 2), False),
        (nn.TransformerEncoderLayer(4, 2), True),
        (nn.Linear(3, 3), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_dropout_is_told_where_it_is_on(layer: nn.Module, draws: bool) -> None:
    assert drops_out(nn.Sequential(nn.Linear(3, 3), layer)) is draws


def notes(
    *, seconds: Sequence[float] = (0.01, 0.01), weights: Sequence[float] = (1.0, 1.0), shares: Sequence[float] = (1, 2)
) -> dict[str, Any]:
    """Return what two ranks tell in a step."""
    return {
        "rows": [8, 8],
        "seconds": list(seconds),
        "weights": [[each, 0.0] for each in weights],
        "batches": [[5.0, 5.0], [5.0, 5.0]],
        "shares": [[each, 0.0] for each in shares],
    }


def kinds(found: Sequence[Event]) -> list[str]:
    """Return what the doctor makes of the events of a run on two ranks."""
    head = Event(step=0, name="devices", detail={"devices": 2})
    chart = Chart(info=RunInfo(), events=(head, *found))
    return [finding.kind for finding in examine(chart).findings]


def heard(told: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Return the events of steps in which two ranks told this."""
    books = RankBooks(Ranks(rank=0, world=2))
    return [event for step, each in enumerate(told) for event in books.events(step, each)]


def test_healthy_ranks_are_told_to_be_so() -> None:
    told = [notes(seconds=(0.01, 0.013), shares=(step, step + 0.5)) for step in range(WARM_UP + WINDOW)]
    assert kinds(heard(told)) == []


def test_weights_that_are_not_the_same_are_named_by_rank() -> None:
    assert kinds(heard([notes(), notes(weights=(1.0, 2.0))])) == ["replicas-diverge"]


def test_equal_shares_are_the_same_data_unless_they_never_change() -> None:
    told = [notes(shares=(step, step)) for step in range(BATCHES_ALIKE)]
    assert kinds(heard(told)) == ["same-data-on-every-rank"]
    assert kinds(heard([notes(shares=(1, 1))] * 2 * BATCHES_ALIKE)) == []


def test_a_rank_that_is_late_in_most_steps_is_slow() -> None:
    slow = [notes(seconds=(0.01, 0.03), shares=(step, step + 0.5)) for step in range(WARM_UP + WINDOW)]
    assert kinds(heard(slow)) == ["slow-rank"]


def test_ranks_that_read_different_batches_are_refused() -> None:
    told = notes() | {"batches": [[5.0, 5.0], [6.0, 5.0]]}
    with pytest.raises(RunError, match="different batches"):
        heard([told])
    with pytest.raises(SaidElsewhere):
        list(RankBooks(Ranks(rank=1, world=2)).events(0, told))


def kept(shift: float, *, rows: int = 16, seconds: float = 0.01) -> dict[str, dict[str, Any]]:
    """Return what a process of a foreign program leaves, its steps as JSON has them."""
    steps = [str(step) for step in range(40)]
    return {
        "weights": {step: [1.0, 2.0] for step in steps[:8]},
        "batches": {step: [float(step), shift] for step in steps[:8]},
        "rows": dict.fromkeys(steps, rows),
        "seconds": dict.fromkeys(steps, seconds),
    }


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (kept(1.0), []),
        (kept(0.0), ["same-data-on-every-rank"]),
        (kept(1.0, rows=24), ["uneven-shards"]),
        (kept(1.0, rows=17), []),
        (kept(1.0, seconds=0.05), ["slow-rank"]),
        (kept(1.0) | {"weights": {"0": [1.0, 3.0]}}, ["replicas-diverge"]),
    ],
)
def test_what_processes_leave_is_laid_side_by_side(other: dict[str, Any], expected: list[str]) -> None:
    assert kinds(list(events({0: kept(0.0), 1: other}))) == expected


def test_one_process_that_left_something_shows_nothing() -> None:
    assert list(events({0: kept(0.0)})) == []


def test_synchronised_batch_norms_are_themselves_again_afterwards() -> None:
    norm = nn.BatchNorm1d(3)
    with Synchronised([norm]).active():
        assert "forward" in vars(norm)
    assert "forward" not in vars(norm)
