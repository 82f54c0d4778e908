"""The catalogue of diagnoses, gathered from their families, and the page of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from trainwright.doctor import (
    kinds_calls,
    kinds_curves,
    kinds_data,
    kinds_datasets,
    kinds_evaluation,
    kinds_generalisation,
    kinds_gradients,
    kinds_labels,
    kinds_loop,
    kinds_loss,
    kinds_model,
    kinds_modes,
    kinds_numbers,
    kinds_precision,
    kinds_ranks,
    kinds_rate,
    kinds_schedule,
    kinds_search,
    kinds_start,
    kinds_stepping,
    kinds_targets,
    kinds_wiring,
)
from trainwright.doctor.kind import Kind
from trainwright.errors import UsageError, did_you_mean, nearest

_FAMILIES = (
    kinds_calls,
    kinds_curves,
    kinds_data,
    kinds_datasets,
    kinds_evaluation,
    kinds_generalisation,
    kinds_gradients,
    kinds_labels,
    kinds_loop,
    kinds_loss,
    kinds_model,
    kinds_modes,
    kinds_numbers,
    kinds_precision,
    kinds_ranks,
    kinds_rate,
    kinds_schedule,
    kinds_search,
    kinds_start,
    kinds_stepping,
    kinds_targets,
    kinds_wiring,
)

CATALOGUE: Mapping[str, Kind] = MappingProxyType(
    {
        kind.code: kind
        for kind in sorted(
            (value for family in _FAMILIES for value in vars(family).values() if isinstance(value, Kind)),
            key=lambda kind: kind.code,
        )
    }
)
"""Code -> kind, in order of code."""
_NAMED: Mapping[str, Kind] = {name.lower(): kind for kind in CATALOGUE.values() for name in (kind.code, kind.kind)}

_CODE = re.compile(r"TW\d{3}", re.IGNORECASE)
_ALL = "all are listed by: trainwright explain all"


def find_kind(name: str) -> Kind:
    """Return a kind by its code or its slug, in any case. Raises `UsageError` that suggests the nearest."""
    problem = name_problem(name)
    if problem:
        raise UsageError(f"there is no diagnosis '{name}'", remedy=problem)
    return _NAMED[name.lower()]


def name_problem(name: str) -> str:
    """Return what could have been meant where no kind has this code or slug, "" where one has."""
    if name.lower() in _NAMED:
        return ""
    if _CODE.fullmatch(name):  # as good a code as any: one of similar digits is about something else
        return _ALL
    known = [*CATALOGUE, *(kind.kind for kind in CATALOGUE.values())]
    return did_you_mean(name, known) if nearest(name, known) else _ALL


def silencing(kind: Kind) -> tuple[tuple[str, str], ...]:
    """Return the ways to silence a kind: what each does, and what to write."""
    return (
        ("on one line of your program or recipe", f"# trainwright: ignore[{kind.code}]"),
        ("in one run of a program", f"trainwright run --ignore {kind.code} train.py"),
        ("in a `with` block", f'tw.watch(ignore=("{kind.code}",))'),
        ("in every run of a recipe", f'[doctor]\nignore = ["{kind.code}"]'),
    )


def explain(name: str) -> str:
    """Return the page of a diagnosis as text: what it is, why it hurts, the fix, its errors, and how to silence it.

    `name` is a code ("TW301") or a kind ("dead-relu"), in any case. Raises `UsageError` where there is none of that
    name, with the nearest one that there is.
    """
    kind = find_kind(name)
    return "\n\n".join(
        (
            f"{kind.code}  {kind.kind}  ({kind.severity})\n{kind.title}",
            kind.what,
            f"Why it hurts\n{kind.hurts}",
            f"How to fix it\n{kind.fix}",
            f"When the doctor is wrong\n{kind.wrong_when}",
            f"How to silence it\n{_ways(kind)}",
        )
    )


def _ways(kind: Kind) -> str:
    ways = [(what, written.splitlines()) for what, written in silencing(kind)]
    return "\n".join(line for what, lines in ways for line in (f"  {what}:", *(f"    {line}" for line in lines)))
