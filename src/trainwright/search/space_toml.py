"""How a recipe writes an axis, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.errors import UsageError, did_you_mean
from trainwright.records.space import Axis
from trainwright.search.space import FORMS, choice, integers, log_uniform, uniform


def from_toml(name: str, plain: Any) -> Axis:
    """Return the axis that a recipe states: `{ log_uniform = [1e-5, 1e-1] }`, with `limits` and `when` beside it.

    `when = { "optimizer.name" = ["sgd"] }`; `{ integers = [16, 256], log = true }`; `{ choice = ["sgd", "adamw"] }`.
    Raises `UsageError` that names the field.
    """
    forms = [key for key in FORMS if isinstance(plain, Mapping) and key in plain]
    if len(forms) > 1:
        raise UsageError(f"'{name}' has two kinds of range: {' and '.join(forms)}", remedy="leave one of them")
    form = forms[0] if forms else None
    if form is None:
        raise UsageError(
            f"'{name}' is {plain!r}, which is no range",
            remedy=f"write one of {', '.join(FORMS)}: {{ log_uniform = [1e-5, 1e-1] }}",
        )
    for key in plain:
        if key not in (form, "limits", "when", "log"):
            raise UsageError(f"'{name}' has an unknown key '{key}'", remedy=did_you_mean(key, [form, "limits", "when"]))
    bounds = plain[form]
    if not isinstance(bounds, Sequence) or isinstance(bounds, str) or (form != "choice" and len(bounds) != 2):
        raise UsageError(f"'{name}': {form} is {bounds!r}", remedy=f"write {form} = [lowest, highest]")
    when = plain.get("when")
    options: dict[str, Any] = {"when": next(iter(when.items())) if when else None}
    if form != "choice" and "limits" in plain:
        options["limits"] = tuple(plain["limits"])
    if form == "integers":
        options["log"] = bool(plain.get("log", False))
    try:
        made = {"uniform": uniform, "log_uniform": log_uniform, "integers": integers, "choice": choice}[form]
        return made(*bounds, **options)
    except UsageError as problem:
        raise UsageError(f"'{name}': {problem.what}", evidence=problem.evidence, remedy=problem.remedy) from None


def to_toml(axis: Axis) -> dict[str, Any]:
    """Return what `from_toml` makes this axis of."""
    if axis.scale == "choice":
        plain: dict[str, Any] = {"choice": list(axis.choices)}
    elif axis.whole:
        plain = {"integers": [int(axis.low), int(axis.high)], **({"log": True} if axis.scale == "log" else {})}
    else:
        plain = {"log_uniform" if axis.scale == "log" else "uniform": [axis.low, axis.high]}
    if (axis.lowest, axis.highest) != (-math.inf, math.inf):
        plain["limits"] = [axis.lowest, axis.highest]
    return plain | ({"when": {axis.when: list(axis.when_in)}} if axis.when else {})
