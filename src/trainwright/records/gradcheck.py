"""What a gradient check found: for each parameter how far the gradient is from the numeric one, and how bad that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainwright.records.jsonable import to_plain

Verdict = Literal["sound", "acceptable", "suspect", "wrong"]

BANDS: tuple[tuple[Verdict, float], ...] = (("sound", 1e-7), ("acceptable", 1e-5), ("suspect", 1e-3))
"""From best to worst: each verdict with the largest relative error that still gets it; above the last it is wrong."""
ORDER: tuple[Verdict, ...] = ("sound", "acceptable", "suspect", "wrong")
MOST_SET_ASIDE = 0.5
"""Share of a tensor's entries at kinks above which it counts as not judged: what is left is no longer a sample of it.
In ReLU networks with tens of thousands of units some per cent of the entries lie at kinks."""


def band_of(error: float, scale: float = 1.0) -> Verdict:
    """Return the verdict on a relative error; `scale` widens every band, for a forward pass in lower precision."""
    for verdict, most in BANDS:
        if error <= most * scale:
            return verdict
    return "wrong"


@dataclass(frozen=True, kw_only=True)
class ParameterCheck:
    """The check of one tensor. `entry` is where the error is greatest, `analytic` and `numeric` what is there.

    `entry` is None where nothing could be compared, or a random direction is off and no entry of the sample. `part` is
    "real" or "imaginary" for complex tensors. Of `total` entries `entries` were compared, of which `kinks` were set
    aside (`unconfirmed` of them agree at no finer step either), and `below_rounding` have both gradients too close to
    zero to tell from rounding; `directions` were compared across the whole tensor.
    """

    name: str
    shape: tuple[int, ...]
    relative_error: float
    band: Verdict
    entry: tuple[int, ...] | None
    analytic: float
    numeric: float
    entries: int
    total: int
    kinks: int = 0
    unconfirmed: int = 0
    below_rounding: int = 0
    directions: int = 0
    part: str = ""

    @property
    def undecided(self) -> bool:
        """Whether so many entries were set aside that the rest proves nothing."""
        return self.unconfirmed > MOST_SET_ASIDE * max(self.entries, 1)


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """The relative error of the whole gradient, |a - n| over the larger norm, at one step size `h`."""

    h: float
    relative_error: float


@dataclass(frozen=True, kw_only=True)
class GradientCheck:
    """The gradient of a loss by autograd beside its centred differences, parameter by parameter.

    `method` says how the differences were computed, `precision` in which type. `confidence` is the chance that a fault
    in one entry of twenty of a tensor shows: 1 where every entry was compared. `notes` say what was done otherwise
    than usual, and why. `left_out` names entries and tensors that were not compared, with the reason.
    """

    parameters: Mapping[str, ParameterCheck]
    h: float
    loss: float
    samples: int
    method: str
    precision: str = "float64"
    confidence: float = 1.0
    evaluations: int = 0
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    sweep: tuple[SweepPoint, ...] = ()
    seconds: float = 0.0

    @property
    def worst(self) -> ParameterCheck:
        """The parameter with the worst band, and among those the greatest error."""
        return max(self.parameters.values(), key=lambda each: (ORDER.index(each.band), each.relative_error))

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any parameter."""
        return self.worst.band

    @property
    def ok(self) -> bool:
        """Whether every parameter is sound or acceptable."""
        return self.verdict in ("sound", "acceptable")

    @property
    def max_relative_error(self) -> float:
        """The greatest relative error of any parameter."""
        return max(each.relative_error for each in self.parameters.values())

    @property
    def kink_share(self) -> float:
        """The share of the compared entries that was set aside."""
        compared = sum(each.entries for each in self.parameters.values())
        return sum(each.kinks for each in self.parameters.values()) / max(compared, 1)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values that every JSON parser reads back, the verdict included."""
        derived = {
            "ok": self.ok,
            "verdict": self.verdict,
            "max_relative_error": self.max_relative_error,
            "kink_share": self.kink_share,
        }
        return to_plain({"schema": 1, "findings": [], **derived, **vars(self)}, strict=True)
