"""Surfaces over two weights, as functions in torch: autograd gives their slopes, and nothing here differentiates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch

from trainwright.lab.descent import Descent
from trainwright.lab.framing import linspace
from trainwright.lab.schema import Axis, Field, Marker, Path, Role

CELLS = 61
"""Places along each side of a map."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A loss over two weights. `function` takes points `(..., 2)` and how elongated the bowl is (others ignore that).

    `window` is (x low, x high, y low, y high), `minima` all global minima, `least` the loss there.
    """

    name: str
    title: str
    function: Callable[[torch.Tensor, float], torch.Tensor]
    start: tuple[float, float]
    window: tuple[float, float, float, float]
    minima: tuple[tuple[float, float], ...]
    least: float = 0.0
    log: bool = True

    def at(self, ratio: float) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the surface as a function of the points alone."""
        return lambda points: self.function(points, ratio)

    def distance(self, point: Sequence[float]) -> float:
        """Return how far a point is from the nearest global minimum."""
        return min(math.dist(point, minimum) for minimum in self.minima)


def _bowl(points: torch.Tensor, ratio: float) -> torch.Tensor:
    x, y = points.unbind(-1)
    return 0.5 * (x.square() + ratio * y.square())


def _rosenbrock(points: torch.Tensor, ratio: float) -> torch.Tensor:
    x, y = points.unbind(-1)
    return (1 - x).square() + 100 * (y - x.square()).square()


def _beale(points: torch.Tensor, ratio: float) -> torch.Tensor:
    x, y = points.unbind(-1)
    terms = ((1.5, y), (2.25, y.square()), (2.625, y.pow(3)))
    return sum(((number - x + x * power).square() for number, power in terms), torch.zeros_like(x))


def _himmelblau(points: torch.Tensor, ratio: float) -> torch.Tensor:
    x, y = points.unbind(-1)
    return (x.square() + y - 11).square() + (x + y.square() - 7).square()


def _saddle(points: torch.Tensor, ratio: float) -> torch.Tensor:
    x, y = points.unbind(-1)
    return 0.5 * x.square() - 0.5 * y.square() + 0.25 * y.pow(4) + 0.25


def _hills(points: torch.Tensor, ratio: float) -> torch.Tensor:
    x, y = points.unbind(-1)
    return 0.1 * (x.square() + y.square()) + 0.5 * (2 - torch.cos(2 * x) - torch.cos(2 * y))


SURFACES: Mapping[str, Surface] = MappingProxyType(
    {
        surface.name: surface
        for surface in (
            Surface(
                name="hills",
                title="hills and valleys",
                function=_hills,
                start=(1.3, -2.2),
                window=(-4.0, 4.0, -4.0, 4.0),
                minima=((0.0, 0.0),),
                log=False,
            ),
            Surface(
                name="bowl",
                title="elongated bowl",
                function=_bowl,
                start=(-4.0, 1.5),
                window=(-5.0, 5.0, -2.5, 2.5),
                minima=((0.0, 0.0),),
            ),
            Surface(
                name="rosenbrock",
                title="Rosenbrock's valley",
                function=_rosenbrock,
                start=(-1.2, 1.0),
                window=(-2.0, 2.0, -1.0, 3.0),
                minima=((1.0, 1.0),),
            ),
            Surface(
                name="beale",
                title="Beale's function",
                function=_beale,
                start=(1.0, 1.2),
                window=(-1.0, 4.5, -1.5, 2.0),
                minima=((3.0, 0.5),),
            ),
            Surface(
                name="himmelblau",
                title="Himmelblau's four minima",
                function=_himmelblau,
                start=(-0.5, -1.0),
                window=(-6.0, 6.0, -6.0, 6.0),
                minima=(
                    (3.0, 2.0),
                    (-2.805118086952745, 3.131312518250573),
                    (-3.779310253377747, -3.283185991286170),
                    (3.584428340330492, -1.848126526964404),
                ),
            ),
            Surface(
                name="saddle",
                title="saddle between two minima",
                function=_saddle,
                start=(-2.0, 0.001),
                window=(-2.5, 2.5, -2.0, 2.0),
                minima=((0.0, 1.0), (0.0, -1.0)),
                log=False,
            ),
        )
    }
)


def field(
    title: str,
    function: Callable[[torch.Tensor], torch.Tensor],
    window: tuple[float, float, float, float],
    *,
    log: bool = True,
    paths: Sequence[Path] = (),
    markers: Sequence[Marker] = (),
    labels: tuple[str, str] = ("weight 1", "weight 2"),
    cells: int = CELLS,
) -> Field:
    """Return the map of a function over a window, with paths on it."""
    xs, ys = linspace(window[0], window[1], cells), linspace(window[2], window[3], cells)
    grid = torch.stack(
        torch.meshgrid(torch.tensor(xs, dtype=torch.float64), torch.tensor(ys, dtype=torch.float64), indexing="xy"), -1
    )
    with torch.no_grad():
        values = function(grid)
    off = sum(
        not (window[0] <= x <= window[1] and window[2] <= y <= window[3])
        for path in paths
        for x, y in zip(path.x, path.y, strict=True)
    )
    return Field(
        title=title,
        x_axis=Axis(label=labels[0], low=window[0], high=window[1]),
        y_axis=Axis(label=labels[1], low=window[2], high=window[3]),
        x=xs,
        y=ys,
        values=tuple(map(tuple, values.tolist())),
        log=log,
        paths=tuple(paths),
        markers=tuple(markers),
        off_scale=off,
    )


def path(descent: Descent, name: str, role: Role, **more: str) -> Path:
    """Return a descent as a path over its surface."""
    return Path(name=name, x=descent.column(0), y=descent.column(1), role=role, **more)  # type: ignore[arg-type]


def minima(surface: Surface) -> tuple[Marker, ...]:
    """Return the marks of the global minima."""
    return tuple(Marker(x=x, y=y, text="global minimum", sign="healthy") for x, y in surface.minima)
