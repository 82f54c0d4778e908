"""How every catalogue is read: by name, with the nearest spelling on a miss; options are held to their range."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TypeVar

from trainwright.errors import UsageError, did_you_mean
from trainwright.records import Option

Spec = TypeVar("Spec")


def find(catalogue: Mapping[str, Spec], name: str, what: str) -> Spec:
    """Return the entry called `name`; raises `UsageError` that suggests the nearest name (`what`: "optimizer")."""
    if name not in catalogue:
        raise UsageError(f"there is no {what} '{name}'", remedy=did_you_mean(name, catalogue))
    return catalogue[name]


def option_problem(name: str, value: float, option: Option) -> str | None:
    """Return why `value` is not legal for `option`, or None where it is."""
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


def resolve_options(options: Mapping[str, Option], given: Mapping[str, float], what: str) -> dict[str, float]:
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
    values = {name: given.get(name, option.default) for name, option in options.items()}
    return {name: int(value) if isinstance(options[name].default, int) else value for name, value in values.items()}
