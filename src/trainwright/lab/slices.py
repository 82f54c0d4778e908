"""A flat cut through the loss of a real run: two directions of as many as the model has weights.

Without a way of its own the cut lies along two random directions, filter by filter as long as the weights (Li et al.
2018), so that what it shows does not depend on how the weights are scaled. Where the run kept its weights, the first
direction leads from the untrained weights to the last ones, and the run's way is drawn on the map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as Folder

import torch
from torch import nn
from torch.func import functional_call

from trainwright.errors import RunError, TrainwrightError
from trainwright.lab.controls import fact
from trainwright.lab.framing import finite, linspace
from trainwright.lab.schema import Axis, Field, Marker, Path, Result, Verdict
from trainwright.randomness import generator, isolated
from trainwright.runs.layout import CHECKPOINTS, RECIPE
from trainwright.runs.reader import read_run
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.training import checkpoint

CELLS = 17
"""Places along each side of the map: 289 passes over the samples."""
SAMPLES = 128
"""Samples of the training data that the loss is computed on: a few per cent of error on each height."""
LARGEST = 2_000_000
"""Weights above which no map is drawn: each place is a pass with weights of its own."""
_SPAN = 1.0
"""How far a random direction is followed, in lengths of the weights themselves."""

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The plane: its origin, two directions at right angles of the unit that the axes count in, and the way on it."""

    origin: Weights
    first: Weights
    second: Weights
    names: tuple[str, ...]
    places: tuple[tuple[float, float], ...]
    labels: tuple[str, str]
    explained: float
    """Share of the squared lengths of the way, from the origin to each of its weights, that lies in the plane."""


def slice_of(folder: str, *, seed: int) -> Result:
    """Return the map of the loss around the weights of the run in `folder`, on some of its own training samples.

    Raises `RunError` where the run cannot be rebuilt: it was made in Python, its data are gone, or it is too large.
    """
    place = Folder(folder)
    stored = read_run(place, curves=False)
    title = place.name or stored.info.name
    setup = rebuilt(place, stored.recipe)
    model = setup.model
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > LARGEST:
        raise RunError(
            "the model is too large for a map of its loss",
            evidence=f"{count:,} weights, and at most {LARGEST:,} are mapped",
            remedy="map a smaller model of the same kind",
        )
    begin = _copy(model.state_dict())
    kept = _checkpoints(place, begin)
    cut = _cut(model, begin, kept, seed)
    x, y = setup.splits["train"].take(SAMPLES)
    spans = _spans(cut)
    axes = linspace(*spans[0], CELLS), linspace(*spans[1], CELLS)
    with isolated(0), torch.no_grad():
        model.eval()
        values = tuple(tuple(_loss(setup, cut, a, b, x, y) for a in axes[0]) for b in axes[1])
        heights = [_loss(setup, cut, a, b, x, y) for a, b in cut.places]
    shown = finite(value for row in values for value in row)
    caveat = (
        f"2 of {count:,} dimensions, on {len(x):,} training samples: what looks like a wall may have a way around it"
    )
    if len(cut.places) > 1:
        caveat += (
            f". The way has the {len(cut.places)} weights that the run kept; {cut.explained:.1%} of its variance lies "
            "in this plane, and what came between them is not known"
        )
    way = Path(
        name=" → ".join(cut.names), x=tuple(a for a, _ in cut.places), y=tuple(b for _, b in cut.places), role="train"
    )
    return Result(
        verdict=Verdict(
            sign="note",
            text=f"2 of {count:,} dimensions of {title}: the loss went from {heights[0]:.4g} to "
            f"{heights[-1]:.4g} on this plane"
            if len(heights) > 1
            else f"2 of {count:,} dimensions of {title}, around weights with a loss of {heights[0]:.4g}",
        ),
        fields=(
            Field(
                title=f"the loss of {title} around its weights",
                x_axis=Axis(label=cut.labels[0], low=spans[0][0], high=spans[0][1]),
                y_axis=Axis(label=cut.labels[1], low=spans[1][0], high=spans[1][1]),
                x=axes[0],
                y=axes[1],
                values=values,
                log=bool(shown) and max(shown) > 20 * max(min(shown), 1e-12),
                paths=(way,),
                markers=tuple(
                    Marker(x=a, y=b, text=f"{name}: {height:.4g}")
                    for (a, b), name, height in zip(cut.places, cut.names, heights, strict=True)
                ),
                caveat=caveat,
            ),
        ),
        evidence=(
            fact("dimensions shown", 2),
            fact("dimensions of the model", count),
            fact("samples", len(x)),
            fact("share of the way's variance in the plane", cut.explained),
            fact("loss at the run's last weights", heights[-1]),
            fact("least loss on the map", min(shown) if shown else math.nan),
        ),
        python=f"""from trainwright.lab.slices import slice_of

result = slice_of({folder!r}, seed={seed})
print(result.verdict.text)
""",
        frames=len(cut.places),
        frame_label="checkpoint",
    )


def rebuilt(folder: Folder, recipe: str) -> Setup:
    """Return the run's model, untrained, with its loss and its data, as its recipe describes them.

    Raises `RunError` where it kept none, or its model or data cannot be had.
    """
    try:
        found = Recipe.read(folder / RECIPE).changed({"doctor.level": "off"}) if recipe else None
        if found is None:
            raise RunError("it kept no recipe")
        return prepare(found, load_data(found))
    except TrainwrightError as problem:
        raise RunError(
            f"the run in {folder} cannot be built again",
            evidence=problem.what,
            remedy="this needs a run of `trainwright train`, with its data where they were",
        ) from problem


def _checkpoints(folder: Folder, like: Weights) -> dict[str, Weights]:
    """Return the weights that the run kept, by name, the last one last; those that do not fit are left out."""
    found: dict[str, Weights] = {}
    for name in ("best", "last"):
        try:
            tensors, _ = checkpoint.load(folder / CHECKPOINTS, name)
        except RunError:
            continue
        if all(key in tensors and tensors[key].shape == value.shape for key, value in like.items()):
            found[name] = {key: tensors[key] for key in like}
    return found


def _cut(model: nn.Module, begin: Weights, kept: Mapping[str, Weights], seed: int) -> Cut:
    floating = {name for name, _ in model.named_parameters()}
    last = kept.get("last", kept.get("best", begin))
    second = _filter_normalised(last, floating, seed, 1)
    if not kept:
        first = _filter_normalised(last, floating, seed, 0)
        labels = ("random direction 1, in weights' lengths", "random direction 2, in weights' lengths")
        return Cut(
            origin=last,
            first=first,
            second=second,
            names=("untrained",),
            places=((0.0, 0.0),),
            labels=labels,
            explained=1.0,
        )
    first = {name: last[name] - begin[name] if name in floating else torch.zeros_like(last[name]) for name in last}
    if _dot(first, first) == 0:
        first = _filter_normalised(last, floating, seed, 0)
    other, label = second, "random direction, in weights' lengths"
    if len(kept) == 2:
        aside = {name: kept["best"][name] - last[name] if name in floating else first[name] * 0 for name in last}
        aside = _beside(aside, first)
        if _dot(aside, aside) > 1e-6 * _dot(first, first):
            other, label = aside, "from the run's way to its best weights"
    other = _beside(other, first)
    names = ("untrained", *kept)
    weights = (begin, *kept.values())
    places = tuple(
        tuple(
            _dot({n: each[n] - last[n] for n in floating}, direction) / max(_dot(direction, direction), 1e-300)
            for direction in (first, other)
        )
        for each in weights
    )
    gaps = [{name: each[name] - last[name] for name in floating} for each in weights]
    whole = sum(_dot(gap, gap) for gap in gaps)
    within = sum(
        a * a * _dot(first, first) + b * b * _dot(other, other)  # the directions are at right angles
        for a, b in places
    )
    return Cut(
        origin=last,
        first=first,
        second=other,
        explained=min(within / whole, 1.0) if whole else 1.0,
        names=names,
        places=places,  # type: ignore[arg-type]
        labels=("along the run's way: -1 untrained, 0 last", label),
    )


def _filter_normalised(weights: Weights, floating: set[str], seed: int, number: int) -> dict[str, torch.Tensor]:
    """Return a random direction, each row as long as the weights' own; biases and statistics stay where they are."""
    draws = generator(seed, "slice", number)
    found = {}
    for name, weight in weights.items():
        if name not in floating or weight.dim() < 2:
            found[name] = torch.zeros_like(weight)
            continue
        random = torch.randn(weight.shape, generator=draws)
        rows = random.flatten(1)
        sizes = weight.float().flatten(1).norm(dim=1) / rows.norm(dim=1).clamp(min=1e-12)
        found[name] = (rows * sizes[:, None]).view_as(weight).to(weight.dtype)
    return found


def _beside(direction: Weights, other: Weights) -> dict[str, torch.Tensor]:
    """Return `direction` without its part along `other`."""
    share = _dot(direction, other) / max(_dot(other, other), 1e-300)
    return {name: value - share * other[name] for name, value in direction.items()}


def _dot(one: Weights, two: Weights) -> float:
    return sum(float((value.double() * two[name].double()).sum()) for name, value in one.items())


def _spans(cut: Cut) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of both axes: all of the way, and as much again beside it."""

    def span(values: Sequence[float]) -> tuple[float, float]:
        low, high = min(values), max(values)
        room = max((high - low) / 2, _SPAN / 2)
        return low - room, high + room

    return span([a for a, _ in cut.places]), span([b for _, b in cut.places])


def _loss(setup: Setup, cut: Cut, a: float, b: float, x: torch.Tensor, y: torch.Tensor) -> float:
    moved = {
        name: value + a * cut.first[name] + b * cut.second[name] if value.is_floating_point() else value
        for name, value in cut.origin.items()
    }
    return float(setup.evaluation_loss(functional_call(setup.model, moved, (x,)), y))


def _copy(state: Weights) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
