"""The catalogue of diagnoses, gathered from their families, and the page of each."""

from __future__ import annotations

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
    kinds_rate,
    kinds_schedule,
    kinds_start,
    kinds_stepping,
    kinds_targets,
    kinds_wiring,
)
from trainwright.doctor.kind import Kind
from trainwright.errors import UsageError, did_you_mean

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
    kinds_rate,
    kinds_schedule,
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


def find_kind(name: str) -> Kind:
    """Return a kind by its code or its slug, in any case. Raises `UsageError` that suggests the nearest."""
    for kind in CATALOGUE.values():
        if name.lower() in (kind.code.lower(), kind.kind):
            return kind
    known = [*CATALOGUE, *(kind.kind for kind in CATALOGUE.values())]
    raise UsageError(f"there is no diagnosis '{name}'", remedy=did_you_mean(name, known))


def explain(name: str) -> str:
    """Return the whole page of a diagnosis as text: what it is, why it hurts, the fix, and when it is wrong."""
    kind = find_kind(name)
    return "\n\n".join(
        (
            f"{kind.code}  {kind.kind}  ({kind.severity})\n{kind.title}",
            kind.what,
            f"Why it hurts\n{kind.hurts}",
            f"How to fix it\n{kind.fix}",
            f"When the doctor is wrong\n{kind.wrong_when}",
        )
    )
