"""What to search: ranges and choices by name, refused where they make no sense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trainwright.errors import UsageError, did_you_mean
from trainwright.records.findings import Scalar
from trainwright.records.space import Axis, Space

When = tuple[str, Any] | Mapping[str, Any]
"""The name of a choice, and the value or values of it with which an axis applies: ("optimizer", "adamw"), or the same
as a dict of one pair."""

PHYSICAL: Mapping[str, tuple[float, float]] = {
    "lr": (0.0, math.inf),
    "rate": (0.0, math.inf),
    "learning_rate": (0.0, math.inf),
    "weight_decay": (0.0, math.inf),
    "clip_norm": (0.0, math.inf),
    "clip_value": (0.0, math.inf),
    "eps": (0.0, math.inf),
    "dropout": (0.0, 0.95),
    "label_smoothing": (0.0, 0.9),
    "smoothing": (0.0, 0.9),
    "warmup": (0.0, 0.9),
    "momentum": (0.0, 0.9999),
    "beta1": (0.0, 0.9999),
    "beta2": (0.0, 0.99999),
}
"""Last part of a name -> what the number can be, where nobody says otherwise: at dropout 1 nothing is left to train, at
momentum 1 nothing is forgotten.
"""
FORMS = ("uniform", "log_uniform", "integers", "choice")


def uniform(low: float, high: float, *, limits: tuple[float, float] | None = None, when: When | None = None) -> Axis:
    """Return an axis of numbers in [low, high], each as likely. `limits` are what widening never passes.

    `when` names a choice and the value of it at which this axis applies. Raises `UsageError` for ends that are not
    finite, a range that is empty or upside down, or one that passes its limits.
    """
    return _numbers("linear", low, high, whole=False, limits=limits, when=when)


def log_uniform(
    low: float, high: float, *, limits: tuple[float, float] | None = None, when: When | None = None
) -> Axis:
    """Return an axis of numbers in [low, high], each order of magnitude as likely: for rates, decays, widths.

    The exponent is drawn evenly, as Bergstra and Bengio (2012) draw it. `limits` and `when` are as in `uniform`. Raises
    `UsageError` as `uniform` does, and for a range that does not begin above 0.
    """
    return _numbers("log", low, high, whole=False, limits=limits, when=when)


def integers(
    low: int, high: int, *, log: bool = False, limits: tuple[int, int] | None = None, when: When | None = None
) -> Axis:
    """Return an axis of whole numbers from `low` to `high`, both included; `log` draws orders of magnitude alike.

    `limits` and `when` are as in `uniform`. Raises `UsageError` as `uniform` does, and for ends that are not whole.
    """
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
            raise UsageError(f"integers: {name} is {value!r}, no whole number", remedy="use uniform() for fractions")
    return _numbers("log" if log else "linear", int(low), int(high), whole=True, limits=limits, when=when)


def choice(*values: Any, when: When | None = None) -> Axis:
    """Return an axis of a few values (names, numbers, switches): `choice("sgd", "adamw")`, or one list of them.

    `when` is as in `uniform`. Raises `UsageError` for fewer than two values, one that is named twice, and for anything
    that is no name, number or switch.
    """
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = tuple(values[0])
    odd = next((value for value in values if not isinstance(value, str | int | float)), None)
    if odd is not None:
        raise UsageError(
            f"choice: {odd!r} is neither a name, nor a number, nor true or false",
            remedy="choose between names, and look up in your own code what each stands for",
        )
    if len(set(values)) < len(values):
        raise UsageError(
            "choice: a value is named twice",
            evidence=f"values: {', '.join(map(repr, values))}",
            remedy="name each value once",
        )
    if len(values) < 2:
        raise UsageError(
            f"choice: {len(values)} value{' leaves' if len(values) == 1 else 's leave'} nothing to choose",
            evidence=f"values: {', '.join(map(repr, values)) or 'none'}",
            remedy="name two values or more, or fix this field in the recipe and take it out of the space",
        )
    name, allowed = _condition(when)
    return Axis(scale="choice", choices=tuple(values), when=name, when_in=allowed)


def checked(space: Mapping[str, Axis], *, limits: Mapping[str, tuple[float, float]] | None = None) -> dict[str, Axis]:
    """Return the space with hard limits filled in: the axis's own, those of `limits` by name, or `PHYSICAL` ones.

    Raises `UsageError` where the space is empty, is no mapping of names to axes, a range passes its limits, or a
    condition names what is not there, is no choice, has no such value, or comes back to itself.
    """
    if not isinstance(space, Mapping):
        raise UsageError(
            "the space must map names to ranges",
            evidence=f"it is a {type(space).__name__}",
            remedy='write {"optimizer.lr": log_uniform(1e-5, 1e-1)}',
        )
    if not space:
        raise UsageError(
            "the space is empty: there is nothing to search",
            remedy='map names to ranges: {"optimizer.lr": log_uniform(1e-5, 1e-1)}',
        )
    for name, axis in space.items():
        if not isinstance(name, str):
            raise UsageError(
                "the names of the space must be text",
                evidence=f"one is {name!r}",
                remedy="name a setting, such as 'lr'",
            )
        if not isinstance(axis, Axis):
            raise UsageError(
                f"the space maps '{name}' to {axis!r}, which is no range",
                remedy=f"use one of {', '.join(FORMS)}, or fix '{name}' in the recipe",
            )
    full = {name: _limited(name, axis, limits or {}) for name, axis in space.items()}
    for name, axis in full.items():
        _check_condition(name, axis, full)
    return full


def in_order(space: Space) -> list[str]:
    """Return the names so that the choice that an axis depends on comes before it."""
    return sorted(space, key=lambda name: len(_ancestors(name, space)))


def configuration(space: Space, units: Mapping[str, float]) -> dict[str, Scalar]:
    """Return the values at `units` (name -> [0, 1]), of those axes that apply."""
    values: dict[str, Scalar] = {}
    for name in in_order(space):
        axis = space[name]
        if not axis.when or (axis.when in values and values[axis.when] in axis.when_in):
            values[name] = axis.value(units[name])
    return {name: values[name] for name in space if name in values}


def _numbers(scale: Any, low: float, high: float, *, whole: bool, limits: Any, when: When | None) -> Axis:
    form = "integers" if whole else "log_uniform" if scale == "log" else "uniform"
    for end, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"{form}: the {end} end is {value!r}, no finite number", remedy="give two finite numbers")
    if low >= high:
        state = "empty" if low == high else "upside down"
        remedy = "fix this field in the recipe instead" if low == high else f"write {form}({high:g}, {low:g})"
        raise UsageError(f"{form}: the range is {state}", evidence=f"from {low:g} to {high:g}", remedy=remedy)
    if scale == "log" and low <= 0:
        raise UsageError(
            f"{form}: a logarithmic range cannot start at {low:g}",
            evidence=f"from {low:g} to {high:g}: zero is infinitely many decades away",
            remedy=f"start it at {1 if whole else high * 1e-4:g}, or add zero as a choice of its own",
        )
    lowest, highest = limits if limits is not None else (-math.inf, math.inf)
    if not lowest <= low < high <= highest:
        raise UsageError(
            f"{form}: the range passes its own limits",
            evidence=f"from {low:g} to {high:g}, limits {lowest:g} and {highest:g}",
            remedy="widen the limits, or shrink the range",
        )
    name, allowed = _condition(when)
    return Axis(
        scale=scale, low=low, high=high, whole=whole, lowest=lowest, highest=highest, when=name, when_in=allowed
    )


def _condition(when: When | None) -> tuple[str, tuple[Scalar, ...]]:
    if when is None:
        return "", ()
    pair = next(iter(when.items())) if isinstance(when, Mapping) and len(when) == 1 else when
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
        raise UsageError(
            "`when` is no pair of the name of a choice and its value",
            evidence=f"it is {when!r}",
            remedy='write when=("optimizer", "adamw"), or ("optimizer", ["adam", "adamw"]) for several values',
        )
    name, allowed = pair
    return name, tuple(allowed) if isinstance(allowed, list | tuple | set | frozenset) else (allowed,)


def _limited(name: str, axis: Axis, limits: Mapping[str, tuple[float, float]]) -> Axis:
    if axis.scale == "choice" or (axis.lowest, axis.highest) != (-math.inf, math.inf):
        return axis
    lowest, highest = limits.get(name, PHYSICAL.get(name.rpartition(".")[2], (-math.inf, math.inf)))
    if axis.low < lowest or axis.high > highest:
        if name in limits:
            raise UsageError(
                f"the range of '{name}' passes what it can be",
                evidence=f"from {axis.low:g} to {axis.high:g}, possible {lowest:g} to {highest:g}",
                remedy="shrink the range",
            )
        # A bound by habit, not by law: who asks for a dropout of 0.97 gets it, and no more than that.
        lowest, highest = min(lowest, axis.low), max(highest, axis.high)
    return replace(axis, lowest=lowest, highest=highest)


def _check_condition(name: str, axis: Axis, space: Space) -> None:
    if not axis.when:
        return
    other = space.get(axis.when)
    if other is None:
        raise UsageError(
            f"'{name}' applies when '{axis.when}' has a value, but the space has no '{axis.when}'",
            remedy=did_you_mean(axis.when, [one for one in space if one != name]),
        )
    unknown = [value for value in axis.when_in if value not in other.choices]
    if unknown or not axis.when_in:
        known = ", ".join(map(repr, other.choices)) or "none: it is no choice"
        raise UsageError(
            f"'{name}' applies when '{axis.when}' is {', '.join(map(repr, unknown)) or 'nothing'}, which it never is",
            evidence=f"values of '{axis.when}': {known}",
            remedy="name values of that choice",
        )
    if name in _ancestors(name, space):
        raise UsageError(f"the condition of '{name}' comes back to itself", remedy="break the circle of `when`")


def _ancestors(name: str, space: Space) -> list[str]:
    found: list[str] = []
    while (name := space[name].when) and name not in found and name in space:
        found.append(name)
    return found
