"""What a simulation is, takes and gives: the page's controls, the command line, docs and tests all come from here.

Everything but `Simulation`, `Claim` and `Misconception` (which hold functions) goes through `to_plain(strict=True)`:
numbers that JSON lacks become "NaN", "Infinity" and "-Infinity", which JavaScript's `Number` reads back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainwright.records import Evidence, to_plain

Value = float | int | str | bool
"""What a parameter may hold."""
Values = Mapping[str, Value]
Cell = float | int | str | bool | None
Kind = Literal["number", "integer", "choice", "switch", "seed", "text"]
"""`seed` is a whole number with a button that draws another; `text` is free (the folder of a run), "" for none."""
Sign = Literal["healthy", "note", "warning", "error"]
"""The four signs of all findings, each with a colour and a shape of its own."""
Style = Literal["line", "points", "band", "bars", "steps", "stems"]
"""`band` fills between `low` and `high`, with a line at `y`; `steps` holds each value up to the next x."""
Dash = Literal["solid", "dashed", "dotted", "dashdot"]
Role = Literal[
    "sgd",  # orange, in the guides' own colours
    "momentum",  # bluish green
    "adam",  # reddish purple
    "other",  # sky blue
    "fifth",  # yellow, darkened on paper
    "sixth",  # vermilion
    "train",  # blue
    "validation",  # orange
    "reference",  # a baseline or a limit: ink, thin
    "healthy",
    "note",
    "warning",
    "error",
]
"""What a colour is for. Colour is never the only sign: every series has a name, and a dash where lines may cross."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One control. `low` and `high` are included; `log` says that equal ratios are equal distances on the slider.

    `step` is the distance between neighbouring places of the slider (in decades where `log`), and binds nobody else.
    `choices` are pairs (value, label); `tabs` lays them out as tabs. `unit` stands behind the number ("steps"). `needs`
    are pairs (name, values): where another parameter has none of those values, this one changes nothing, and looks so.
    """

    name: str
    label: str
    kind: Kind
    default: Value
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""
    tabs: bool = False
    needs: tuple[tuple[str, tuple[Value, ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis. `low` and `high` are the window that keeps what matters in sight, None where the values may decide."""

    label: str
    unit: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """Numbers over numbers, all of one length. `played` says that frame k of an animation shows points 0 to k alone."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    role: Role
    style: Style = "line"
    dash: Dash = "solid"
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    played: bool = False


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A telling place: a point, or a vertical line where `y` is None, or a horizontal one where `x` is None."""

    x: float | None
    y: float | None = None
    text: str = ""
    sign: Sign | None = None


@dataclass(frozen=True, kw_only=True)
class Span:
    """An interval of x that evidence covers."""

    x0: float
    x1: float
    text: str
    sign: Sign | None = None


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Series on common axes. `off_scale` counts the points that the axes' windows leave out, so that it can be said."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    markers: tuple[Marker, ...] = ()
    spans: tuple[Span, ...] = ()
    off_scale: int = 0


@dataclass(frozen=True, kw_only=True)
class Path:
    """A way over a field, one point for each step, the start first; with the style "points", places without a way."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    role: Role
    dash: Dash = "solid"
    style: Literal["line", "points"] = "line"
    played: bool = True


@dataclass(frozen=True, kw_only=True)
class Field:
    """A surface: `values[row][column]` at (`x[column]`, `y[row]`); low is dark blue, high is warm.

    `log` colours (and spaces the contours) by the logarithm of the values above their least; `arrows` are gradients or
    directions as (x, y, dx, dy), in the units of the axes.
    """

    title: str
    x_axis: Axis
    y_axis: Axis
    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    log: bool = False
    paths: tuple[Path, ...] = ()
    markers: tuple[Marker, ...] = ()
    arrows: tuple[tuple[float, float, float, float], ...] = ()
    caveat: str = ""
    off_scale: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns. `signs` has one for each row, or is empty."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    signs: tuple[Sign | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Link:
    """A way from here to a simulation at certain values."""

    text: str
    simulation: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a worked example or of a diagram: what happens, its formula, the same with numbers put in.

    `numbers` are what it computed. The steps of a result are played like frames.
    """

    title: str
    text: str = ""
    formula: str = ""
    worked: str = ""
    numbers: tuple[Evidence, ...] = ()
    sign: Sign | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The one sentence in plain words that the learner should take away."""

    sign: Sign
    text: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a simulation gives. `python` does the same with trainwright or torch and runs as it stands.

    `frames` is the number of frames of the animation (0 for none): frame k shows points 0 to k of whatever is
    `played`, or step k of `steps`; `frame_label` says what a frame is ("step", "epoch"); `loops` says how often the
    `steps` come round again, "" where they do not. A live simulation gives
    several results; `progress` runs from 0 to 1, and `done` is true of the last.
    """

    verdict: Verdict
    plots: tuple[Plot, ...] = ()
    fields: tuple[Field, ...] = ()
    tables: tuple[Table, ...] = ()
    steps: tuple[Step, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    python: str = ""
    frames: int = 0
    frame_label: str = "step"
    loops: str = ""
    progress: float = 1.0
    done: bool = True

    def __getitem__(self, name: str) -> Any:
        """Return the value of the evidence called `name`; raises `KeyError`."""
        return {item.name: item.value for item in self.evidence}[name]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Values that show something, by name; what is not named has its default."""

    name: str
    title: str
    values: Values


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the guides that can be run: `holds` is asked about the results at each of `cases`, in order.

    `text` is what is true. Where the guide's own sentence is not, `as_written` quotes it and `text` corrects it.
    """

    text: str
    source: str
    cases: tuple[Values, ...]
    holds: Callable[..., bool]
    as_written: str = ""


Cancelled = Callable[[], bool]
Run = Callable[[Values], Result]
Live = Callable[[Values, Cancelled], Iterator[Result]]
"""Gives results as they come; after `cancelled()` it gives one more, which says so, and ends."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """One simulation. `run` takes checked values (see `values.resolve`); `number` is its row in the docs, 0 for none.

    `seconds` is about what the default run takes on one core; where `live` is there, it streams what `run` gives whole.
    """

    name: str
    number: int
    title: str
    guide: str
    teaches: str
    parameters: tuple[Parameter, ...]
    run: Run
    presets: tuple[Preset, ...] = ()
    claims: tuple[Claim, ...] = ()
    live: Live | None = None
    seconds: float = 0.1

    def describe(self) -> dict[str, Any]:
        """Return everything but the functions, as plain JSON values."""
        facts = {
            "name": self.name,
            "number": self.number,
            "title": self.title,
            "guide": self.guide,
            "teaches": self.teaches,
            "parameters": self.parameters,
            "presets": self.presets,
            "claims": [
                {"text": claim.text, "source": claim.source, "as_written": claim.as_written, "cases": claim.cases}
                for claim in self.claims
            ],
            "live": self.live is not None,
            "seconds": self.seconds,
        }
        return to_plain(facts, strict=True)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One option of a question, what is said to who chose it, and where a wrong one can be seen refuted."""

    text: str
    right: bool
    feedback: str
    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """One quiz question, of which exactly one answer is right."""

    chapter: int
    question: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Misconception:
    """Something that is widely believed, what is true, and the simulation that refutes it; `refuted` is its test."""

    belief: str
    truth: str
    source: str
    link: Link
    refuted: Callable[[Result], bool]


def is_finite(value: Any) -> bool:
    """Say whether `value` is a number that can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)
