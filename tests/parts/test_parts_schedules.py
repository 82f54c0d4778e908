"""What holds for every schedule of the catalogue, whatever its options."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainwright.parts.schedules import CATALOGUE, Schedule, fraction_of, mark_steps, momenta, problem, rates
from trainwright.records import Option

GRID = [place / 1000 for place in range(1001)]
SMOOTH = [
    "constant",
    "exponential",
    "linear",
    "polynomial",
    "cosine",
    "warmup_cosine",
    "one_cycle",
    "cyclic",
    "wsd",
    "plateau",
]
JUMPS = ["step", "multistep", "cosine_restarts"]
FALLS_ONLY = [name for name in CATALOGUE if name not in ("cosine_restarts", "cyclic")]
FRACTIONS = st.floats(0, 1)


def values_of(option: Option) -> st.SearchStrategy[Any]:
    if isinstance(option.default, bool):
        return st.booleans()
    if isinstance(option.default, str):
        return st.sampled_from(option.choices)
    if isinstance(option.default, tuple):
        places = st.lists(st.floats(1e-6, 0.999), min_size=1, max_size=5, unique=True)
        return places.map(lambda found: tuple(sorted(found)))
    if isinstance(option.default, int):
        return st.integers(int(option.minimum), int(min(option.maximum, 50)))
    return st.floats(option.minimum, min(option.maximum, 1e6), exclude_min=option.minimum_excluded)


@st.composite
def legal(draw: st.DrawFn, names: list[str] | None = None) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(names or list(CATALOGUE)))
    options = draw(st.fixed_dictionaries({key: values_of(each) for key, each in CATALOGUE[name].options.items()}))
    assume(problem(name, options) is None)
    return name, options


def build(name: str, **options: Any) -> Schedule:
    return CATALOGUE[name].factory(**options)


@settings(deadline=None)
@given(chosen=legal(), attempted=FRACTIONS, performed=FRACTIONS)
def test_every_multiple_lies_between_nothing_and_the_full_rate(
    chosen: tuple[str, dict[str, Any]], attempted: float, performed: float
) -> None:
    schedule = build(chosen[0], **chosen[1])
    assert 0 <= schedule.multiple(attempted) <= 1
    assert 0 <= schedule.multiple(attempted, min(attempted, performed)) <= 1


@settings(deadline=None)
@given(chosen=legal(), attempted=FRACTIONS, performed=FRACTIONS)
def test_every_schedule_is_its_body_behind_the_warmup_times_the_warmups_line(
    chosen: tuple[str, dict[str, Any]], attempted: float, performed: float
) -> None:
    schedule = build(chosen[0], **chosen[1])
    warmup = chosen[1]["warmup"]
    place = 0.0 if attempted <= warmup else (attempted - warmup) / (1 - warmup)
    line = 1.0 if warmup == 0 else min(1.0, performed / warmup)
    assert schedule.multiple(attempted, performed) == pytest.approx(schedule.body(place) * line, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name not in ("step", "multistep", "wsd")])
def test_a_warmup_squeezes_the_whole_shape_into_what_is_left_of_the_run(name: str) -> None:
    plain, warm = build(name, warmup=0.0), build(name, warmup=0.2)
    for place in GRID:
        assert warm(0.2 + 0.8 * place) == pytest.approx(plain(place), abs=1e-9)
        assert warm(0.2 * place) == pytest.approx(place * plain(0.0), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "options"), [("step", {}), ("multistep", {}), ("wsd", {"decay": 0.3}), ("wsd", {"shape": "linear"})]
)
def test_places_in_the_run_stay_where_they_are_with_a_warmup_and_without(name: str, options: dict[str, Any]) -> None:
    plain, warm = build(name, warmup=0.0, **options), build(name, warmup=0.2, **options)
    assert [warm(place) for place in GRID[200:]] == pytest.approx([plain(place) for place in GRID[200:]], abs=1e-9)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("warmup", [0.05, 0.1, 0.5])
def test_every_warmup_climbs_in_a_straight_line(name: str, warmup: float) -> None:
    options = {"every": 0.6} if name == "step" else {"at": (0.6,)} if name == "multistep" else {}
    schedule = build(name, warmup=warmup, **options)
    top = schedule.body(0.0)
    assert top > 0
    assert schedule(0.0) == 0.0
    for share in (1 / 4, 1 / 2, 3 / 4, 1):
        assert schedule(warmup * share) == pytest.approx(share * top, rel=1e-12)


@pytest.mark.parametrize("name", CATALOGUE)
def test_skipped_steps_hold_up_the_warmup_and_the_run_still_reaches_its_end(name: str) -> None:
    schedule = build(name, warmup=0.1)
    planned, skipped = 1000, set(range(50, 250))
    performed = 0
    for step in range(planned):
        multiple = schedule.multiple(fraction_of(step, planned), fraction_of(performed, planned))
        if step in skipped:  # 50 of the 100 steps of the warmup were made, and no more until float16 fits again
            plain = schedule(fraction_of(step, planned)) / min(1.0, (step + 0.5) / 100)
            assert multiple == pytest.approx(plain * 0.505, rel=1e-9), step
        if step >= 300:
            assert multiple == schedule(fraction_of(step, planned)), step
        performed += step not in skipped
    assert performed == 800


@pytest.mark.parametrize("name", ["linear", "cosine", "warmup_cosine", "wsd", "polynomial", "cosine_restarts"])
def test_what_decays_to_nothing_does_so_at_the_end_of_the_run_however_many_steps_were_skipped(name: str) -> None:
    assert build(name, warmup=0.1).multiple(1.0, 0.04) == pytest.approx(0.0, abs=1e-12)
    assert build(name, warmup=0.1, floor=0.25).multiple(1.0, 0.5) == pytest.approx(0.25)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_schedule_is_pure_and_frozen_and_survives_a_journey_between_processes(name: str) -> None:
    schedule, again = build(name), build(name)
    travelled = pickle.loads(pickle.dumps(schedule))
    forwards = [schedule(fraction) for fraction in GRID]
    assert [schedule(fraction) for fraction in reversed(GRID)] == forwards[::-1]
    assert [again(fraction) for fraction in GRID] == forwards
    assert [travelled(fraction) for fraction in GRID] == forwards
    with pytest.raises(FrozenInstanceError):
        schedule.warmup = 0.5  # type: ignore[misc]


@pytest.mark.parametrize("name", CATALOGUE)
def test_outside_the_run_the_rate_stays_what_it_is_at_its_ends(name: str) -> None:
    schedule = build(name)
    assert schedule(1.5) == schedule(1.0)
    assert schedule(-0.5) == schedule(0.0)
    assert schedule.multiple(0.7, 1.5) == schedule.multiple(0.7, 1.0)


@pytest.mark.parametrize(("name", "option"), [(name, key) for name in CATALOGUE for key in CATALOGUE[name].options])
def test_every_schedule_reads_each_of_its_options(name: str, option: str) -> None:
    record = CATALOGUE[name].options[option]
    if isinstance(record.default, bool):
        other: Any = not record.default
    elif isinstance(record.default, str):
        other = record.choices[-1]
    elif isinstance(record.default, tuple):
        other = (0.4,)
    else:
        other = record.default + 1 if isinstance(record.default, int) else 0.95 * record.default or 0.1
    plain, changed = build(name), build(name, **{option: other})
    same = (
        [changed(fraction) for fraction in GRID] == [plain(fraction) for fraction in GRID],
        [changed.momentum(fraction) for fraction in GRID] == [plain.momentum(fraction) for fraction in GRID],
        changed.plateau == plain.plateau,
    )
    assert not all(same)


def largest_jump(schedule: Schedule, points: int) -> float:
    values = [schedule(place / points) for place in range(points + 1)]
    return max(abs(after - before) for before, after in itertools.pairwise(values))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("warmup", [0.0, 0.15])
def test_what_does_not_drop_is_continuous(name: str, warmup: float) -> None:
    schedule = build(name, warmup=warmup)
    assert largest_jump(schedule, 32_000) <= 0.3 * largest_jump(schedule, 2_000)


@pytest.mark.parametrize("name", JUMPS)
def test_what_drops_or_restarts_is_not_continuous(name: str) -> None:
    assert largest_jump(build(name), 32_000) > 0.85
    assert sorted([*SMOOTH, *JUMPS]) == sorted(CATALOGUE)


@pytest.mark.parametrize("name", FALLS_ONLY)
def test_what_comes_down_does_not_go_up_again(name: str) -> None:
    values = [build(name)(fraction) for fraction in GRID]
    peak = values.index(max(values))
    assert values[:peak] == sorted(values[:peak])
    assert values[peak:] == sorted(values[peak:], reverse=True)


@pytest.mark.parametrize("name", CATALOGUE)
def test_only_one_cycle_moves_the_momentum_and_only_plateau_watches(name: str) -> None:
    schedule = build(name)
    moved = {schedule.momentum(fraction) for fraction in GRID} != {None}
    assert moved == (name == "one_cycle")
    assert (momenta(schedule, 10) is not None) == (name == "one_cycle")
    assert (schedule.plateau is not None) == (name == "plateau")
    assert bool(schedule.cycle_ends) == (name in ("cosine_restarts", "cyclic"))


@settings(deadline=None)
@given(planned=st.integers(1, 10**7), data=st.data())
def test_the_rate_of_a_step_is_read_inside_the_run(planned: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, planned - 1))
    fraction = fraction_of(number, planned)
    assert 0 < fraction < 1
    assert number / planned < fraction < (number + 1) / planned


@pytest.mark.parametrize("planned", [1, 2, 20, 1000])
def test_neither_the_first_step_of_a_warmup_nor_the_last_of_a_decay_is_lost(planned: int) -> None:
    used = rates(build("warmup_cosine"), planned, 1.0)
    assert min(used) > 0
    if planned == 1000:
        assert used[0] < 0.02  # not at the full rate before the warmup begins
        assert used[-1] < 1e-5  # and at its end there


def test_the_rates_of_a_run_are_the_multiples_of_its_base_rate_step_by_step() -> None:
    schedule = build("one_cycle", warmup=0.1)
    used = rates(schedule, 50, 0.3)
    assert len(used) == 50
    assert used == [0.3 * schedule((step + 0.5) / 50) for step in range(50)]
    assert momenta(schedule, 50) == [schedule.momentum((step + 0.5) / 50) for step in range(50)]


@pytest.mark.parametrize(
    ("name", "options", "marks"),
    [
        ("constant", {}, []),
        ("warmup_cosine", {}, [(5, "warmup ends")]),
        ("step", {}, [(30, "drop"), (60, "drop"), (90, "drop")]),
        ("multistep", {"at": (0.5, 0.75), "warmup": 0.1}, [(10, "warmup ends"), (50, "drop"), (75, "drop")]),
        ("one_cycle", {"rise": 0.5, "warmup": 0.2}, [(20, "warmup ends"), (60, "peak")]),
        ("wsd", {"decay": 0.1}, [(5, "warmup ends"), (90, "decay begins")]),
        ("cosine_restarts", {"cycles": 3, "growth": 2.0}, [(14, "cycle 2 begins"), (43, "cycle 3 begins")]),
        ("cyclic", {"cycles": 2}, [(50, "cycle 2 begins")]),
    ],
)
def test_marks_are_the_first_steps_at_which_something_has_happened(
    name: str, options: dict[str, Any], marks: list[tuple[int, str]]
) -> None:
    assert mark_steps(build(name, **options), 100) == marks


@settings(max_examples=50, deadline=None)
@given(chosen=legal(JUMPS), planned=st.integers(2, 500))
def test_a_rate_jumps_at_marks_alone(chosen: tuple[str, dict[str, Any]], planned: int) -> None:
    schedule = build(chosen[0], **(chosen[1] | {"warmup": 0.0}))
    assume(len(schedule.marks) < 20)
    used = rates(schedule, planned, 1.0)
    steep = {
        step for step in range(1, planned) if used[step] < 0.999 * used[step - 1] and chosen[0] != "cosine_restarts"
    }
    rising = {step for step in range(1, planned) if used[step] > used[step - 1]}
    assert steep | rising <= {step for step, _ in mark_steps(schedule, planned)}


@pytest.mark.parametrize(("name", "low"), [("cosine_restarts", 0.0), ("cyclic", 0.25)])
@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_a_snapshot_is_taken_where_the_rate_is_lowest(name: str, low: float, warmup: float) -> None:
    schedule = build(name, cycles=4, warmup=warmup)
    assert len(schedule.cycle_ends) == 4
    assert schedule.cycle_ends[-1] == 1.0
    for end in schedule.cycle_ends:
        assert schedule(end - 1e-6) == pytest.approx(low, abs=1e-4)
