"""What a grid of as many points would have tested on each axis, beside what was tested (Bergstra and Bengio 2012)."""

from __future__ import annotations

from dataclasses import dataclass

from trainwright.records.findings import Scalar
from trainwright.records.space_grid import grid_levels, grid_points, grid_values
from trainwright.records.study import StudyInfo


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One axis: the distinct values of all trials, and those of a grid over the first round's range."""

    name: str
    tested: tuple[Scalar, ...]
    grid: tuple[Scalar, ...]


def compare(info: StudyInfo) -> tuple[int, tuple[Comparison, ...]]:
    """Return how many points the grid has, no more than there are configurations, and each axis of the first round."""
    count = len({trial.configuration for trial in info.trials})
    if not info.rounds or not count:
        return 0, ()
    space = info.rounds[0].space
    levels = grid_levels(space, count)
    rows = []
    for name, axis in space.items():
        tested = dict.fromkeys(trial.values[name] for trial in info.trials if name in trial.values)
        rows.append(Comparison(name=name, tested=tuple(tested), grid=grid_values(axis, levels[name])))
    return grid_points(space, levels), tuple(rows)
