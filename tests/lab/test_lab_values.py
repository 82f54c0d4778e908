"""Values that are given: taken as they are, or refused with the nearest legal one; never clamped in silence."""

from __future__ import annotations

import pytest

from trainwright.errors import UsageError
from trainwright.lab.registry import CATALOGUE, find
from trainwright.lab.values import from_state, parse_settings, resolve, to_state

RATE = CATALOGUE["learning-rate"]
SCAPE = CATALOGUE["loss-landscape"]


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"rate": 1.3}, "1.2"),
        ({"rate": -4}, "0.01"),
        ({"rate": "nan"}, "0.3"),
        ({"rate": "inf"}, "1.2"),
        ({"rate": "fast"}, "0.3"),
        ({"steps": 12.5}, "12"),
        ({"steps": 10**6}, "400"),
        ({"rate": None}, "0.3"),
        ({"rate": True}, "0.3"),
    ],
    ids=str,
)
def test_a_value_that_is_not_legal_is_refused_with_the_nearest_that_is(given: dict, near: str) -> None:
    with pytest.raises(UsageError, match=f"nearest legal value is {near}$"):
        resolve(RATE, given)


def test_a_name_that_no_parameter_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'rate'"):
        resolve(RATE, {"rte": 1.0})


def test_a_simulation_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'optimizer-race'"):
        find("optimiser-race")


def test_a_choice_that_is_misspelt_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="nearest legal value is momentum"):
        resolve(SCAPE, {"optimizer": "momentun"})


def test_text_from_a_command_line_is_read_in_the_parameters_own_type() -> None:
    values = resolve(SCAPE, parse_settings(["rate=8e-1", "steps=20", "optimizer=adam", "seed=7"]))
    assert values["rate"] == 0.8
    assert values["steps"] == 20
    assert isinstance(values["steps"], int)
    assert resolve(CATALOGUE["training-loop"], {"no_eval": "on"})["no_eval"] is True


def test_the_state_of_an_address_is_short_and_holds_what_differs_alone() -> None:
    values = resolve(SCAPE, {"rate": 0.8, "optimizer": "adam"})
    assert to_state(SCAPE, values) == "1&optimizer=adam&rate=0.8"


def test_a_name_in_an_address_that_nobody_knows_is_left_out() -> None:
    assert from_state(SCAPE, "1&rate=0.8&speed=9&__proto__=1")["rate"] == 0.8


@pytest.mark.parametrize("state", ["1&rate=99", "2&rate=0.8", "rate=0.8", "1&rate=", "1&" + "a" * 5000])
def test_a_hand_edited_address_is_refused_and_says_why(state: str) -> None:
    with pytest.raises(UsageError):
        from_state(SCAPE, state)


def test_hostile_text_comes_back_as_it_was_and_harmless() -> None:
    name = "../../etc/passwd&rate=9<script>%00"
    values = resolve(SCAPE, {"folder": name})
    state = to_state(SCAPE, values)
    assert "<" not in state
    assert state.count("&") == 1
    assert from_state(SCAPE, state)["folder"] == name


@pytest.mark.parametrize("setting", ["rate", "=3", ""])
def test_a_setting_without_a_name_or_a_value_is_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_settings([setting])
