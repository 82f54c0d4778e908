"""Rates of their own for parts of a model: patterns of parameter names, and the multiples that they ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from trainwright.errors import UsageError, nearest

_MOST_NAMED = 12  # parts of a model that are listed; a longer list helps nobody


def matches(pattern: str, name: str) -> bool:
    """Say whether `pattern` covers the parameter called `name`.

    A pattern is the path of a module ("head", "encoder.0"), which covers all that is below it, or of one parameter
    ("head.bias"). In a glob, * stands for any characters, dots among them, ? for one, [ab] for a choice; it may match
    the parameter's path or that of any module above it ("blocks.*.norm*", "*.bias").
    """
    steps = name.split(".")
    paths = [".".join(steps[: length + 1]) for length in range(len(steps))]
    return any(path == pattern or fnmatchcase(path, pattern) for path in paths)


def deciding_patterns(aliases: Mapping[str, Iterable[str]], rates: Mapping[str, float]) -> dict[str, str]:
    """Return the pattern that decides for each parameter that any covers: the last one in `rates` that does.

    `aliases` maps each parameter to all names that it has; a tied one is covered where any of its names is. General
    patterns therefore stand first, exceptions after them. Raises `UsageError` on a multiple that is negative or no
    number, on a pattern that covers nothing, and on one that decides nothing since later ones cover all that it does.
    """
    for pattern, multiple in rates.items():
        number = isinstance(multiple, int | float) and not isinstance(multiple, bool)
        if not number or not 0 <= multiple < math.inf:
            raise UsageError(
                f"the rate of '{pattern}' must be a multiple of the learning rate, 0 or more",
                evidence=f"it is {multiple!r}",
                remedy="1 is the learning rate itself, 0.1 a tenth of it, 0 freezes",
            )
    covered = {
        pattern: {parameter for parameter, names in aliases.items() if any(matches(pattern, name) for name in names)}
        for pattern in rates
    }
    decides = {parameter: pattern for pattern, members in covered.items() for parameter in members}
    for pattern, members in covered.items():
        if not members:
            raise unknown(pattern, aliases.values())
        if pattern not in decides.values():
            later = sorted({decides[parameter] for parameter in members})
            raise UsageError(
                f"the rate of '{pattern}' decides nothing: later patterns cover all that it does",
                evidence=f"the last pattern that covers a parameter decides; here that is {_quoted(later)}",
                remedy=f"put '{pattern}' last, or leave it out",
            )
    return decides


def unknown(pattern: str, several: Iterable[Iterable[str]]) -> UsageError:
    """Return the error that says that `pattern` covers no parameter, with the nearest of the model's parts.

    `several` holds all names of each parameter, its own first.
    """
    all_names = [list(names) for names in several]
    names = [*(names[0] for names in all_names), *(name for names in all_names for name in names[1:])]
    paths = {".".join(name.split(".")[: length + 1]): None for name in names for length in range(name.count(".") + 1)}
    guess = nearest(pattern, paths)
    tops = list(dict.fromkeys(name.split(".")[0] for name in names))
    listed = ", ".join(tops[:_MOST_NAMED]) + (", ..." if len(tops) > _MOST_NAMED else "")
    return UsageError(
        f"no parameter is called '{pattern}', nor any part of the model",
        evidence=f"the model's parts: {listed}",
        remedy=f"did you mean '{guess}'?"
        if guess is not None
        else "name a part, a parameter, or a glob such as *.bias",
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
