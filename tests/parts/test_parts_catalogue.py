from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from trainwright.errors import UsageError
from trainwright.parts import losses, models, optimizers, schedules
from trainwright.parts.catalogue import find, option_problem, resolve_options
from trainwright.records import Option

CATALOGUES: dict[str, Mapping[str, Any]] = {
    "loss": losses.CATALOGUE,
    "model": models.CATALOGUE,
    "optimizer": optimizers.CATALOGUE,
    "schedule": schedules.CATALOGUE,
}
ENTRIES = [(what, name) for what, catalogue in CATALOGUES.items() for name in catalogue]
OPTIONS = [(what, name, option) for what, name in ENTRIES for option in CATALOGUES[what][name].options]


def is_number(what: str, name: str, option: str) -> bool:
    default = CATALOGUES[what][name].options[option].default
    return isinstance(default, int | float) and not isinstance(default, bool)


NUMBERS = [place for place in OPTIONS if is_number(*place)]
OTHERS = [place for place in OPTIONS if not is_number(*place)]


def just_outside(option: Option) -> list[float]:
    whole = isinstance(option.default, int)
    below = option.minimum if option.minimum_excluded else option.minimum - (1 if whole else 1e-6)
    above = [option.maximum + (1 if whole else 1e-3)] if math.isfinite(option.maximum) else []
    return [below, -1e9, *above]


@pytest.mark.parametrize(("what", "name"), ENTRIES)
def test_every_entry_is_filed_under_its_own_name_and_describes_itself(what: str, name: str) -> None:
    spec = CATALOGUES[what][name]
    assert spec.name == name
    assert spec.summary
    assert spec.reference
    assert find(CATALOGUES[what], name, what) is spec


@pytest.mark.parametrize("what", CATALOGUES)
def test_no_catalogue_can_be_written_to(what: str) -> None:
    catalogue: Any = CATALOGUES[what]
    with pytest.raises(TypeError):
        catalogue["mine"] = None


@pytest.mark.parametrize(("what", "name"), ENTRIES)
def test_a_misspelt_name_gets_a_suggestion(what: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(CATALOGUES[what], name[:-1] + "q", what)
    assert f"there is no {what} '{name[:-1]}q'" in caught.value.what
    assert "did you mean" in caught.value.remedy or "known: " in caught.value.remedy


@pytest.mark.parametrize(("what", "name"), ENTRIES)
def test_without_being_told_every_option_takes_its_default(what: str, name: str) -> None:
    options = CATALOGUES[what][name].options
    values = resolve_options(options, {}, f"{what} {name}")
    assert values == {option: record.default for option, record in options.items()}
    for option, record in options.items():
        assert option_problem(option, record.default, record) is None
        assert type(values[option]) is type(record.default)
        assert record.meaning


@pytest.mark.parametrize(("what", "name", "option"), NUMBERS)
def test_every_option_out_of_its_range_is_refused_by_name(what: str, name: str, option: str) -> None:
    record = CATALOGUES[what][name].options[option]
    for value in just_outside(record):
        with pytest.raises(UsageError) as caught:
            resolve_options({option: record}, {option: value}, f"{what} {name}")
        assert f"{what} {name}: {option} must be " in caught.value.what
        assert f"{value:g}" in caught.value.what


@pytest.mark.parametrize(("what", "name", "option"), NUMBERS)
def test_every_option_takes_its_extremes(what: str, name: str, option: str) -> None:
    record = CATALOGUES[what][name].options[option]
    if not record.minimum_excluded:
        assert option_problem(option, record.minimum, record) is None
    if math.isfinite(record.maximum):
        assert option_problem(option, record.maximum, record) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, False, "0.1", None, [1]])
@pytest.mark.parametrize(("what", "name", "option"), NUMBERS)
def test_what_is_no_finite_number_is_refused(what: str, name: str, option: str, value: Any) -> None:
    problem = option_problem(option, value, CATALOGUES[what][name].options[option])
    assert problem is not None
    assert option in problem
    assert "number" in problem


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_number_too_large_for_a_float_is_refused(value: int) -> None:
    problem = option_problem("lr", value, optimizers.CATALOGUE["sgd"].options["lr"])
    assert problem is not None
    assert "lr must be a finite number" in problem


def test_a_count_must_be_whole_and_comes_out_whole() -> None:
    options = models.CATALOGUE["mlp"].options
    assert option_problem("width", 12.5, options["width"]) == "width must be a whole number, not 12.5"
    values = resolve_options(options, {"width": 12.0, "dropout": 0}, "model mlp")
    assert (values["width"], type(values["width"])) == (12, int)


def test_an_unknown_option_is_refused_with_the_nearest_or_with_none() -> None:
    with pytest.raises(UsageError, match="sgd takes no option 'weight_deacy'") as caught:
        resolve_options(optimizers.CATALOGUE["sgd"].options, {"weight_deacy": 0.1}, "sgd")
    assert caught.value.remedy == "did you mean 'weight_decay'?"
    with pytest.raises(UsageError) as caught:
        resolve_options({}, {"floor": 0.1}, "schedule constant")
    assert caught.value.remedy == "it takes none"


@pytest.mark.parametrize(("what", "name", "option"), OTHERS)
def test_switches_words_and_lists_take_their_own_kind_and_no_other(what: str, name: str, option: str) -> None:
    record = CATALOGUES[what][name].options[option]
    for word in record.choices:
        assert option_problem(option, word, record) is None
    for wrong in (None, {"a": 1}, "no such word", [None], 1e400):
        problem = option_problem(option, wrong, record)
        assert problem is not None
        assert option in problem
    if isinstance(record.default, bool):
        assert option_problem(option, not record.default, record) is None
        assert option_problem(option, 1, record) is not None
    if isinstance(record.default, tuple):
        assert resolve_options({option: record}, {option: list(record.default)}, name) == {option: record.default}


def test_a_list_is_held_to_the_range_number_by_number() -> None:
    record = Option(default=(0.5,), minimum=0.0, maximum=1.0, meaning="places")
    assert option_problem("at", [0.0, 0.3, 1.0], record) is None
    assert option_problem("at", [0.3, 1.5], record) == "each number of at must be at least 0 and at most 1, not 1.5"
    assert option_problem("at", 0.3, record) == "at must be a list of numbers, not 0.3"


def test_a_list_or_a_number_may_be_a_word_instead() -> None:
    record = Option(default=(), minimum=0.0, meaning="weights", choices=("balanced",))
    assert option_problem("weights", "balanced", record) is None
    problem = option_problem("weights", "balancd", record)
    assert problem is not None
    assert "a list of numbers" in problem
    assert "balanced" in problem


def test_a_misspelt_word_gets_a_suggestion() -> None:
    record = Option(default="batch", choices=("batch", "layer"), meaning="norm")
    assert option_problem("norm", "bacth", record) == "norm cannot be 'bacth'; did you mean 'batch'?"
