"""Values for parameters: checked, never clamped in silence, and written short into an address."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from trainwright.errors import UsageError, did_you_mean, nearest
from trainwright.lab.schema import Parameter, Simulation, Value

STATE_VERSION = 1
"""Of the state in an address; an address of another version is told apart instead of being misread."""
MOST_SEED = 2**31 - 1
LONGEST_TEXT = 1024
LONGEST_STATE = 4096
_WORDS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def resolve(simulation: Simulation, given: Mapping[str, Any]) -> dict[str, Value]:
    """Return the value of every parameter: the given one where there is one, else its default.

    Raises `UsageError` for a name that no parameter has, and for a value out of its range, with the nearest legal one.
    """
    known = {parameter.name: parameter for parameter in simulation.parameters}
    for name in given:
        if name not in known:
            remedy = did_you_mean(name, known) if known else "it takes none"
            raise UsageError(f"the simulation '{simulation.name}' has no parameter '{name}'", remedy=remedy)
    return {
        name: checked(parameter, given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }


def checked(parameter: Parameter, value: Any) -> Value:
    """Return `value` in the parameter's own type; text, as a command line or an address holds it, is read.

    Raises `UsageError` with the nearest legal value.
    """
    if parameter.kind == "switch":
        word = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if word is None:
            raise _refusal(parameter, value, "it is on or off", "true or false")
        return word
    if parameter.kind == "choice":
        allowed = [choice for choice, _ in parameter.choices]
        if value not in allowed:
            raise _refusal(parameter, value, f"known: {', '.join(allowed)}", nearest(str(value), allowed) or allowed[0])
        return value
    if parameter.kind == "text":
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
            raise _refusal(parameter, value, f"it is a text of at most {LONGEST_TEXT} characters", "leave it empty")
        return value
    return _number(parameter, value)


def to_state(simulation: Simulation, values: Mapping[str, Value]) -> str:
    """Return the state of an address: the version, and what differs from the defaults, as "1&lr=0.8&optimizer=adam"."""
    parts = [str(STATE_VERSION)]
    for parameter in simulation.parameters:
        value = values.get(parameter.name, parameter.default)
        if value != parameter.default:
            parts.append(f"{parameter.name}={quote(_short(value), safe='')}")
    return "&".join(parts)


def from_state(simulation: Simulation, state: str) -> dict[str, Value]:
    """Return the values that the state of an address holds. Names that nobody knows are left out.

    Raises `UsageError` for a value that is not legal, and for another version.
    """
    if not state:
        return resolve(simulation, {})
    if len(state) > LONGEST_STATE:
        raise UsageError("the address holds more than any state", evidence=f"{len(state)} characters")
    version, *parts = state.split("&")
    if version != str(STATE_VERSION):
        raise UsageError(
            "the address was made by another version",
            evidence=f"its state begins with '{version[:20]}', this one reads '{STATE_VERSION}'",
            remedy="open the simulation from the list",
        )
    known = {parameter.name for parameter in simulation.parameters}
    pairs = [part.partition("=")[::2] for part in parts]
    return resolve(simulation, {name: unquote(text) for name, text in pairs if name in known})


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """Return name -> text of settings such as "lr=0.8". Raises `UsageError` where there is no name or no value."""
    pairs: dict[str, str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"'{setting}' is no setting", remedy="write it as NAME=VALUE, such as --set lr=0.8")
        pairs[name.strip()] = text.strip()
    return pairs


def _number(parameter: Parameter, value: Any) -> Value:
    whole = parameter.kind in ("integer", "seed")
    low = parameter.low if parameter.low is not None else (0.0 if parameter.kind == "seed" else -math.inf)
    high = parameter.high if parameter.high is not None else (MOST_SEED if parameter.kind == "seed" else math.inf)
    limits = f"it lies between {_short(_typed(low, whole))} and {_short(_typed(high, whole))}"
    try:
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else float(str(value))
    except ValueError:
        raise _refusal(parameter, value, "it is a number", _short(parameter.default)) from None
    if math.isnan(number):
        raise _refusal(parameter, value, limits, _short(parameter.default))
    if not low <= number <= high:
        raise _refusal(parameter, value, limits, _short(_typed(low if number < low else high, whole)))
    if whole and number != int(number):
        raise _refusal(parameter, value, "it is a whole number", str(round(number)))
    return int(number) if whole else float(number)


def _typed(number: float, whole: bool) -> Value:
    return int(number) if whole and math.isfinite(number) else number


def _short(value: Value) -> str:
    """Return the shortest text that is read back as the same value."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        short = format(value, "g")
        return short if float(short) == value else repr(value)
    return str(value)


def _refusal(parameter: Parameter, value: Any, rule: str, near: str) -> UsageError:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:60] + "..."
    return UsageError(f"{parameter.name} cannot be {shown}", evidence=rule, remedy=f"the nearest legal value is {near}")
