"""Spaces: what they draw, what they refuse, and how a recipe writes them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import UsageError
from trainwright.records import Axis, from_plain, to_plain
from trainwright.records.space import is_inside
from trainwright.search.space import (
    checked,
    choice,
    configuration,
    integers,
    log_uniform,
    uniform,
)
from trainwright.search.space_toml import from_toml, to_toml

AXES = {
    "uniform": uniform(0.0, 0.5),
    "logarithmic": log_uniform(1e-5, 1e-1),
    "integers": integers(2, 9),
    "logarithmic integers": integers(16, 256, log=True),
    "choice": choice("sgd", "adamw", "lion"),
    "limited": uniform(0.0, 0.5, limits=(0.0, 0.9)),
    "conditional": uniform(0.0, 0.99, when=("optimizer", "sgd")),
}
EACH_AXIS = pytest.mark.parametrize("axis", AXES.values(), ids=AXES)


@EACH_AXIS
@given(unit=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_a_drawn_value_lies_on_its_axis_and_comes_back_to_its_place(axis: Axis, unit: float) -> None:
    value = axis.value(unit)
    assert axis.holds(value)
    assert axis.value(axis.unit(value)) == (value if axis.whole or axis.choices else pytest.approx(value))
    if not (axis.whole or axis.choices):
        assert axis.unit(value) == pytest.approx(unit, abs=1e-9)


@EACH_AXIS
def test_an_axis_survives_the_recipe_and_the_record(axis: Axis) -> None:
    assert from_toml("x", json.loads(json.dumps(to_toml(axis)))) == axis
    assert from_plain(Axis, json.loads(json.dumps(to_plain(axis)))) == axis


def test_each_decade_of_a_logarithmic_range_gets_its_share() -> None:
    axis = log_uniform(1e-4, 1.0)
    values = [float(axis.value((place + 0.5) / 4000)) for place in range(4000)]
    for decade in range(4):
        assert sum(10.0 ** (decade - 4) <= value < 10.0 ** (decade - 3) for value in values) == 1000


def test_the_first_and_the_last_whole_number_come_as_often_as_any() -> None:
    values = [integers(1, 5).value((place + 0.5) / 1000) for place in range(1000)]
    assert [values.count(number) for number in range(1, 6)] == [200] * 5


def test_a_conditional_value_exists_only_with_its_choice() -> None:
    space = checked({"momentum": uniform(0, 0.9, when=("optimizer", "sgd")), "optimizer": choice("sgd", "adamw")})
    assert configuration(space, {"momentum": 0.5, "optimizer": 0.1}) == {"momentum": 0.45, "optimizer": "sgd"}
    assert configuration(space, {"momentum": 0.5, "optimizer": 0.9}) == {"optimizer": "adamw"}
    assert is_inside({"optimizer": "adamw"}, space)
    assert not is_inside({"optimizer": "adamw", "momentum": 0.5}, space)
    assert not is_inside({"optimizer": "sgd"}, space)


REFUSED: dict[str, tuple[Any, str]] = {
    "an empty range": (lambda: uniform(0.1, 0.1), "range is empty"),
    "an inverted range": (lambda: log_uniform(1e-1, 1e-5), r"write log_uniform\(1e-05, 0.1\)"),
    "the logarithm of zero": (lambda: log_uniform(0, 1e-1), "cannot start at 0"),
    "not a number": (lambda: uniform(0, math.nan), "no finite number"),
    "text for a number": (lambda: uniform(0, "1"), "no finite number"),  # type: ignore[arg-type]
    "half an integer": (lambda: integers(1, 2.5), "no whole number"),  # type: ignore[arg-type]
    "one value": (lambda: choice("adamw"), "leaves nothing to choose"),
    "no value": (lambda: choice(), "leave nothing to choose"),
    "one value twice": (lambda: choice("sgd", "sgd"), "named twice"),
    "an object": (lambda: choice("sgd", object()), "neither a name, nor a number"),
    "past its limits": (lambda: uniform(0, 2, limits=(0, 1)), "passes its own limits"),
    "an empty space": (lambda: checked({}), "nothing to search"),
    "a bare number": (lambda: checked({"lr": 0.1}), "no range"),  # type: ignore[dict-item]
    "a condition on nothing": (
        lambda: checked({"m": uniform(0, 1, when=("optimiser", "sgd")), "optimizer": choice("sgd", "adamw")}),
        "did you mean 'optimizer'",
    ),
    "a condition that never holds": (
        lambda: checked({"m": uniform(0, 1, when=("optimizer", "lion")), "optimizer": choice("sgd", "adamw")}),
        "which it never is",
    ),
    "a circle": (lambda: checked({"a": choice(1, 2, when=("b", 1)), "b": choice(1, 2, when=("a", 1))}), "circle"),
    "a form unknown to recipes": (lambda: from_toml("lr", {"loguniform": [1, 2]}), "'lr' is"),
    "three ends": (lambda: from_toml("lr", {"uniform": [1, 2, 3]}), "write uniform"),
    "a key too many": (lambda: from_toml("lr", {"uniform": [1, 2], "limit": [0, 3]}), "did you mean 'limits'"),
    "a bad range in a recipe": (lambda: from_toml("optimizer.lr", {"log_uniform": [0, 1]}), "'optimizer.lr'"),
}


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED)
def test_a_range_that_makes_no_sense_is_refused_with_its_remedy(make: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make()


def test_what_physics_allows_bounds_a_range_by_its_name() -> None:
    space = checked(
        {"model.dropout": uniform(0, 0.5), "optimizer.lr": log_uniform(1e-4, 1e-1), "width": integers(2, 9)}
    )
    assert (space["model.dropout"].lowest, space["model.dropout"].highest) == (0.0, 0.95)
    assert space["optimizer.lr"].lowest == 0
    assert space["width"].highest == math.inf
    assert checked({"width": integers(2, 9)}, limits={"width": (1, 64)})["width"].highest == 64
    with pytest.raises(UsageError, match="what it can be"):
        checked({"width": integers(2, 99)}, limits={"width": (1, 64)})


def test_a_condition_is_a_pair_or_a_dict_of_one_pair() -> None:
    pair = log_uniform(1e-4, 1, when=("optimizer", "adamw"))
    assert log_uniform(1e-4, 1, when={"optimizer": "adamw"}) == pair
    assert choice(1, 2, when={"optimizer": ["sgd", "adamw"]}).when_in == ("sgd", "adamw")
    for odd in ({"a": 1, "b": 2}, ("optimizer",), "optimizer"):
        with pytest.raises(UsageError, match="no pair") as caught:
            log_uniform(1e-4, 1, when=odd)  # type: ignore[arg-type]
        assert '("optimizer", "adamw")' in caught.value.remedy
    with pytest.raises(UsageError, match="named twice"):
        choice([0.1, 0.1])
