"""Runs of simulations that several tests look at: each is made once in a process."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from trainwright.lab.registry import CATALOGUE, find
from trainwright.lab.schema import Parameter, Result, Simulation
from trainwright.lab.values import resolve
from trainwright.records import to_plain

QUICK = 0.5
"""Seconds of the default run up to which a simulation is tried at every extreme by default; slower ones with `slow`."""


def result_of(name: str, values: Mapping[str, Any]) -> Result:
    """Return the result of a simulation, from an earlier test where it was made there."""
    return _made(name, json.dumps(dict(values), sort_keys=True))


@functools.lru_cache(maxsize=512)
def _made(name: str, values: str) -> Result:
    simulation = find(name)
    return simulation.run(resolve(simulation, json.loads(values)))


def quick() -> list[str]:
    return [name for name, each in CATALOGUE.items() if each.seconds <= QUICK]


def thorough() -> list[str]:
    return [name for name, each in CATALOGUE.items() if each.seconds > QUICK]


def extremes(simulation: Simulation) -> Iterator[dict[str, Any]]:
    """Yield values with one parameter at its end, all others at their defaults."""
    for parameter in simulation.parameters:
        for value in _ends(parameter):
            yield {parameter.name: value}


def _ends(parameter: Parameter) -> list[Any]:
    if parameter.kind == "switch":
        return [not parameter.default]
    if parameter.kind == "choice":
        return [value for value, _ in parameter.choices if value != parameter.default]
    if parameter.kind == "text":
        return []
    if parameter.kind == "seed":
        return [1, 2**31 - 1]
    return [value for value in (parameter.low, parameter.high) if value is not None and value != parameter.default]


def plain(result: Result) -> str:
    """Return a result as the page gets it; raises where JSON cannot hold it."""
    return json.dumps(to_plain(result, strict=True), allow_nan=False, sort_keys=True)
