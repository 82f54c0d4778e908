"""A flat cut through the loss of a real run: two directions of as many as the model has weights.

Without a way of its own the cut lies along two random directions, filter by filter as long as the weights (Li et al.
2018), so that what it shows does not depend on how the weights are scaled. Where the run kept its weights, the cut lies
along the two principal directions of its way, which is drawn on the map with the share of it that they explain; a run
that kept one set alone has the direction from the untrained weights to those, and a random one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as Folder

import torch
from torch import nn
from torch.func import functional_call

from trainwright.errors import RunError, TrainwrightError
from trainwright.lab.controls import fact
from trainwright.lab.framing import finite, linspace
from trainwright.lab.kept import Kept, Weights, kept_weights
from trainwright.lab.schema import Axis, Field, Marker, Path, Result, Verdict
from trainwright.randomness import generator, isolated
from trainwright.runs.layout import RECIPE
from trainwright.runs.reader import read_run
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup, load_data, prepare

CELLS = 17
"""Places along each side of the map: 289 passes over the samples."""
SAMPLES = 128
"""Samples of the training data that the loss is computed on: a few per cent of error on each height."""
LARGEST = 2_000_000
"""Weights above which no map is drawn: each place is a pass with weights of its own."""
MOST_NAMED = 5
"""Weights on the way that are all named; of more, only the first, the best and the last."""
_SPAN = 1.0
"""How far a random direction is followed, in lengths of the weights themselves."""


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
    kept = _kept(place, begin)
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
        name=" → ".join(cut.names if len(cut.names) <= MOST_NAMED else (cut.names[0], "…", cut.names[-1])),
        x=tuple(a for a, _ in cut.places),
        y=tuple(b for _, b in cut.places),
        role="train",
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
                    Marker(x=a, y=b, text=f"{name}: {height:.4g}" if _is_told(name, cut.names) else "")
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


def _is_told(name: str, names: Sequence[str]) -> bool:
    return len(names) <= MOST_NAMED or not name.startswith("step ")


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


def _kept(folder: Folder, like: Weights) -> list[Kept]:
    """Return the weights that the run kept, the last one last; those that do not fit are left out."""
    return [
        each
        for each in kept_weights(folder)
        if all(key in each.weights and each.weights[key].shape == value.shape for key, value in like.items())
    ]


def _cut(model: nn.Module, begin: Weights, kept: Sequence[Kept], seed: int) -> Cut:
    floating = {name for name, _ in model.named_parameters()}
    last = {name: kept[-1].weights[name] for name in begin} if kept else begin
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
    weights = (begin, *(each.weights for each in kept))
    gaps = [{name: each[name].double() - last[name].double() for name in floating} for each in weights]
    axes = _principal(gaps)
    whole = sum(share for _, share in axes)
    if not axes:  # it never moved
        axes = [({name: value.double() for name, value in second.items() if name in floating}, 0.0)]
    first = _from(axes[0][0], gaps[0])
    label = "along the run's way: -1 untrained, 0 last"
    if len(axes) > 1:
        # Both directions count in the same unit: the map shows lengths as they are.
        length = math.sqrt(_dot(first, first) / max(_dot(axes[1][0], axes[1][0]), 1e-300))
        other = {name: value * length for name, value in axes[1][0].items()}
        shares = [share / whole for _, share in axes]
        label = f"principal direction 1, {shares[0]:.1%} of the way: -1 untrained, 0 last"
        beside = f"principal direction 2, {shares[1]:.1%}"
    else:
        other, beside = _beside(second, first), "random direction, in weights' lengths"
    places = tuple(
        tuple(_dot(gap, direction) / max(_dot(direction, direction), 1e-300) for direction in (first, other))
        for gap in gaps
    )
    return Cut(
        origin=last,
        first=_whole(first, last),
        second=_whole(other, last),
        explained=min(sum(share for _, share in axes[:2]) / whole, 1.0) if whole else 1.0,
        names=("untrained", *(each.name for each in kept)),
        places=places,  # type: ignore[arg-type]
        labels=(label, beside),
    )


def _principal(gaps: Sequence[Weights]) -> list[tuple[Weights, float]]:
    """Return the principal directions of the way, seen from its end, each with the squared lengths that lie along it.

    Through the matrix of the products of the gaps (Li et al. 2018, section 7): as many rows as weights were kept, not
    as the model has.
    """
    products = torch.tensor([[_dot(one, two) for two in gaps] for one in gaps], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(products)
    found = []
    for place in reversed(range(len(gaps))):
        share = float(values[place])
        if share <= 1e-9 * max(float(values[-1]), 1e-300):
            break
        row = vectors[:, place].tolist()
        found.append((_sum(row, gaps), share))
    return found


def _sum(shares: Sequence[float], gaps: Sequence[Weights]) -> Weights:
    return {name: sum(share * gap[name] for share, gap in zip(shares, gaps, strict=True)) for name in gaps[0]}  # type: ignore[misc]


def _from(direction: Weights, begin: Weights) -> Weights:
    """Return `direction` so long, and so turned, that the untrained weights lie at -1 on it."""
    at = _dot(begin, direction) / max(_dot(direction, direction), 1e-300)
    return {name: value * -at for name, value in direction.items()} if at else direction


def _whole(direction: Weights, like: Weights) -> Weights:
    """Return a direction for every tensor, as `like` has them: what it does not name stays where it is."""
    return {
        name: direction[name].to(value.dtype) if name in direction else torch.zeros_like(value)
        for name, value in like.items()
    }


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
