"""The recorded curves of the gallery in the order of how much a run on the shelf looks like them."""

from __future__ import annotations

import functools
from typing import Any

from trainwright.errors import RunError
from trainwright.lab.gallery import SCENARIOS, records
from trainwright.lab.resemblance import ALIKE, FEWEST, MOMENTS, TIE, Shape, distance, shape_of
from trainwright.records import Chart, column
from trainwright.runs.reader import read_run

_DRAWN = 2
"""Recorded curves that are drawn beside the run's own."""


def nearest_of(folder: str) -> dict[str, Any]:
    """Return the recorded curves by their distance from the run in `folder`, as plain values.

    `alike` says whether the nearest is near at all, `tied` which others are as near as makes no difference, and
    `curves` hold the run's shape and those of the nearest, in multiples of the loss of a guess, at `moments`.
    Raises `RunError` where the run is too short to have a shape.
    """
    stored = read_run(folder)
    shape = _shape(stored.chart)
    if shape is None:
        raise RunError("the run has no shape yet", evidence=f"fewer than {FEWEST} steps, or no finite loss")
    found = sorted((distance(shape, other), name) for name, other in _recorded().items())
    nearest = found[0][0]
    drawn = [("", shape), *((name, _recorded()[name]) for _, name in found[:_DRAWN])]
    return {
        "alike": nearest <= ALIKE,
        "threshold": ALIKE,
        "tied": [name for off, name in found[1:] if off - nearest <= TIE],
        "nearest": [
            {
                "name": name,
                "title": SCENARIOS[name].title,
                "story": SCENARIOS[name].story,
                "expected": SCENARIOS[name].expected,
                "distance": off,
            }
            for off, name in found
        ],
        "moments": [(place + 0.5) / MOMENTS for place in range(MOMENTS)],
        "curves": [{"name": name, **_plain(each)} for name, each in drawn],
        "guess": stored.info.constant_loss is not None,
    }


@functools.cache
def _recorded() -> dict[str, Shape]:
    made = {
        name: shape_of(each.steps, each.losses, each.evaluated, each.validation, each.constant)
        for name, each in records().items()
    }
    return {name: shape for name, shape in made.items() if shape is not None}


def _shape(chart: Chart) -> Shape | None:
    held = chart.evaluations("validation")
    return shape_of(
        column(chart.steps, "step"),
        column(chart.steps, "loss"),
        [each.step for each in held],
        [each.loss for each in held],
        chart.info.constant_loss,
    )


def _plain(shape: Shape) -> dict[str, Any]:
    held = shape.validation
    return {"train": (2.0**shape.train).tolist(), "validation": [] if held is None else (2.0**held).tolist()}
