"""What a model started from, as lines for a terminal and a report."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records.loading import Loaded
from trainwright.report.numbers import plural
from trainwright.report.safe import prose

_MOST_NAMED = 6  # names in a line; a longer list helps nobody


def loading_lines(loaded: Loaded) -> list[str]:
    """Return what was loaded, what was not and why, one fact on each line; everything that is there is counted."""
    lines = [
        f"started from {prose(loaded.source)}: {len(loaded.loaded):,} of {plural(loaded.tensors, 'tensor')} loaded, "
        f"{loaded.numbers:,} of {plural(loaded.all_numbers, 'number')}"
    ]
    if loaded.stripped:
        lines.append(f"its names begin with '{prose(loaded.stripped)}', the model's do not: left out")
    if loaded.added:
        lines.append(f"the model's names begin with '{prose(loaded.added)}', its do not: put before them")
    head = set(loaded.head)
    if head:
        shapes = "; ".join(
            f"{_shape(one.source)} there, {_shape(one.model)} here" for one in loaded.reshaped if one.name in head
        )
        lines.append(f"new head, with the weights that it was made with: {_listed(loaded.head)}" + _in(shapes))
    other = [one for one in loaded.reshaped if one.name not in head]
    for one in other[:_MOST_NAMED]:
        told = one.kinds or f"{_shape(one.source)} there, {_shape(one.model)} here"
        lines.append(f"of another shape, not loaded: {prose(one.name)} ({told})")
    if len(other) > _MOST_NAMED:
        lines.append(f"and {len(other) - _MOST_NAMED} more of another shape")
    missing = [
        f"{name} (near: {loaded.near[name]})" if name in loaded.near else name
        for name in loaded.missing
        if name not in head
    ]
    if missing:
        lines.append(f"not found in it, {plural(len(missing), 'tensor')}: {_listed(missing)}")
    if loaded.unexpected:
        lines.append(f"in it and not used, {plural(len(loaded.unexpected), 'tensor')}: {_listed(loaded.unexpected)}")
    return [*lines, *map(prose, loaded.notes)]


def _in(shapes: str) -> str:
    return f" ({shapes})" if shapes else ""


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(prose, names[:_MOST_NAMED])) + more
