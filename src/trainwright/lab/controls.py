"""Short ways to write the parameters and curves of a simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.lab.schema import Claim, Dash, Parameter, Preset, Role, Series
from trainwright.parts import optimizers
from trainwright.records import Evidence
from trainwright.records.findings import Scalar

ROLES: Mapping[str, Role] = {
    "sgd": "sgd",
    "momentum": "momentum",
    "classical_momentum": "momentum",
    "nesterov": "fifth",
    "adam": "adam",
    "adamw": "adam",
    "rmsprop": "other",
    "adagrad": "sixth",
}
"""The guides draw SGD orange, momentum teal and Adam purple; so does the lab, everywhere."""


DASHES: Mapping[str, Dash] = {
    "sgd": "solid",
    "momentum": "dashed",
    "classical_momentum": "dashed",
    "adam": "dotted",
    "nesterov": "dashdot",
    "adamw": "dashdot",
    "rmsprop": "dashed",
    "adagrad": "dotted",
}
"""And each has a dash of its own, so that colour is not the only sign."""


def role_of(optimizer: str) -> Role:
    """Return the colour role of an optimizer."""
    return ROLES.get(optimizer, "other")


def steps_told(count: float, made: int) -> int | str:
    """Return after how many steps something was reached, in words where it was not."""
    return int(count) if math.isfinite(count) else f"more than {made}"


def steps_of(value: Scalar) -> float:
    """Return what `steps_told` tells as a number that can be compared."""
    return float(value) if isinstance(value, int | float) else math.inf


def number(name: str, label: str, default: float, low: float, high: float, **more: Any) -> Parameter:
    """Return a parameter that is a number in [low, high]."""
    return Parameter(name=name, label=label, kind="number", default=float(default), low=low, high=high, **more)


def whole(name: str, label: str, default: int, low: int, high: int, **more: Any) -> Parameter:
    """Return a parameter that is a whole number in [low, high]."""
    return Parameter(name=name, label=label, kind="integer", default=default, low=low, high=high, **more)


def choice(name: str, label: str, default: str, choices: Mapping[str, str], **more: Any) -> Parameter:
    """Return a parameter that is one of `choices` (value -> label)."""
    return Parameter(name=name, label=label, kind="choice", default=default, choices=tuple(choices.items()), **more)


def switch(name: str, label: str, default: bool = False, **more: Any) -> Parameter:
    """Return a parameter that is on or off."""
    return Parameter(name=name, label=label, kind="switch", default=default, **more)


def seed(default: int = 0) -> Parameter:
    """Return the seed, of which all randomness of a simulation is a function."""
    return Parameter(
        name="seed", label="Seed", kind="seed", default=default, help="The same seed draws the same numbers."
    )


def folder(label: str, help: str) -> Parameter:
    """Return a parameter that names a folder on this machine, "" for none."""
    return Parameter(name="folder", label=label, kind="text", default="", help=help)


def study(label: str, help: str) -> Parameter:
    """Return a parameter that names the folder of a search on this machine, "" for none."""
    return Parameter(name="study", label=label, kind="text", default="", help=help)


def fact(
    name: str, value: Scalar, unit: str = "", threshold: Scalar | None = None, step: int | None = None
) -> Evidence:
    """Return one number of a result, by the name that claims ask for."""
    return Evidence(name=name, value=value, unit=unit, threshold=threshold, step=step)


def line(name: str, y: Sequence[float], role: Role, *, x: Sequence[float] | None = None, **more: Any) -> Series:
    """Return a series over `x`, by default 0, 1, 2, ..."""
    places = tuple(map(float, range(len(y)))) if x is None else tuple(x)
    return Series(name=name, x=places, y=tuple(y), role=role, **more)


def preset(name: str, title: str, **values: Any) -> Preset:
    """Return a preset from its values."""
    return Preset(name=name, title=title, values=values)


def claim(text: str, source: str, holds: Any, *cases: Mapping[str, Any], as_written: str = "") -> Claim:
    """Return a claim about the results at `cases`, by default at the defaults alone."""
    return Claim(text=text, source=source, cases=cases or ({},), holds=holds, as_written=as_written)


OPTIMIZERS: Mapping[str, str] = {
    name: label
    for name, label in {
        "sgd": "SGD",
        "momentum": "SGD + momentum",
        "nesterov": "Nesterov",
        "classical_momentum": "momentum, rate inside",
        "adagrad": "AdaGrad",
        "rmsprop": "RMSProp",
        "adam": "Adam",
        "adamw": "AdamW",
        "nadam": "NAdam",
        "radam": "RAdam",
        "adafactor": "Adafactor",
        "lion": "Lion",
    }.items()
    if name in optimizers.CATALOGUE
}
"""The optimizers that walk a surface step by step: those without matrices, closures or a second set of weights."""
