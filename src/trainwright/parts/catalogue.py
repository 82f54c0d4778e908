"""How every catalogue is read: by name, with the nearest spelling on a miss; options are held to their range."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from trainwright.errors import UsageError, did_you_mean
from trainwright.records import Option, Value

Spec = TypeVar("Spec")


def find(catalogue: Mapping[str, Spec], name: str, what: str) -> Spec:
    """Return the entry called `name`; raises `UsageError` that suggests the nearest name (`what`: "optimizer")."""
    if name not in catalogue:
        raise UsageError(f"there is no {what} '{name}'", remedy=did_you_mean(name, catalogue))
    return catalogue[name]


def option_problem(name: str, value: Any, option: Option) -> str | None:
    """Return why `value` is not legal for `option`, or None where it is."""
    if isinstance(value, str):
        if value in option.choices:
            return None
        if isinstance(option.default, str):
            return f"{name} cannot be '{value}'; {did_you_mean(value, option.choices)}"
        if option.choices:
            return f"{name} must be {_kind(option)}, or one of: {', '.join(option.choices)}; not '{value}'"
    if isinstance(option.default, tuple) and isinstance(value, list | tuple):
        return next(filter(None, (_number_problem(f"each number of {name}", item, option) for item in value)), None)
    if isinstance(option.default, bool) == isinstance(value, bool) and isinstance(option.default, bool | int | float):
        return None if isinstance(value, bool) else _number_problem(name, value, option)
    return f"{name} must be {_kind(option)}, not {value!r}"


def _kind(option: Option) -> str:
    if isinstance(option.default, str):
        return f"one of: {', '.join(option.choices)}"
    if isinstance(option.default, tuple):
        return "a list of numbers"
    return "true or false" if isinstance(option.default, bool) else "a number"


def _number_problem(name: str, value: Any, option: Option) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{name} must be a number, not {value!r}"
    if not -sys.float_info.max <= value <= sys.float_info.max:  # NaN compares false
        return f"{name} must be a finite number, not {value}"
    too_low = value <= option.minimum if option.minimum_excluded else value < option.minimum
    if too_low or value > option.maximum:
        above = "above" if option.minimum_excluded else "at least"
        limit = f" and at most {option.maximum:g}" if math.isfinite(option.maximum) else ""
        return f"{name} must be {above} {option.minimum:g}{limit}, not {value:g}"
    if isinstance(option.default, int) and value != int(value):
        return f"{name} must be a whole number, not {value:g}"
    return None


def resolve_options(options: Mapping[str, Option], given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return every option's value: the given one where there is one, else its default.

    Raises `UsageError` on an option that `what` ("optimizer sgd") does not take, or a value out of its range.
    """
    for name, value in given.items():
        if name not in options:
            known = did_you_mean(name, options) if options else "it takes none"
            raise UsageError(f"{what} takes no option '{name}'", remedy=known)
        problem = option_problem(name, value, options[name])
        if problem:
            raise UsageError(
                f"{what}: {problem}", evidence=f"{options[name].meaning}", remedy="change it in the recipe"
            )
    return {name: _typed(given.get(name, option.default), option) for name, option in options.items()}


def _typed(value: Any, option: Option) -> Value:
    """Return a whole number as int and a list as tuple, where the option's own default is such."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(option.default, int) and not isinstance(option.default, bool) and isinstance(value, float):
        return int(value)
    return value
