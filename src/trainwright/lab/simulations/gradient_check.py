"""Analytic and numeric gradient of one function, and the relative error over the step: a V, in whatever type."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from trainwright.checks.gradcheck_differences import difference, relative
from trainwright.lab.controls import choice, claim, fact, line, number, preset, switch
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Result, Sign, Simulation, Values, Verdict
from trainwright.records.gradcheck import BANDS, band_of

STEPS = tuple(10.0 ** (-place / 10) for place in range(10, 121))
"""From 0.1 to 1e-12, ten to a decade."""
_AROUND = tuple(0.01 * place for place in range(-10, 11))
"""Where smooth functions are checked beside the place itself: at one alone rounding may be lucky; the median is not."""
_KINKED = ("relu", "kink")
FAULT = 1.01
"""By what the planted bug multiplies the gradient: one per cent, which no training curve shows."""
_SIGNS: Mapping[str, Sign] = {"sound": "healthy", "acceptable": "note", "suspect": "warning", "wrong": "error"}


@dataclass(frozen=True, kw_only=True)
class _Function:
    label: str
    code: str
    at: Callable[[torch.Tensor], torch.Tensor]
    place: float


_WEIGHTS = torch.tensor([0.8, -1.3, 0.6], dtype=torch.float64)


def _network(x: torch.Tensor) -> torch.Tensor:
    weights = _WEIGHTS.to(x.dtype)
    return torch.sigmoid(torch.tanh(weights * x[..., None] + 0.3).sum(-1))


_FUNCTIONS: Mapping[str, _Function] = {
    "smooth": _Function(
        label="sin(x) + x²/2", code="x.sin() + x.square() / 2", at=lambda x: x.sin() + x.square() / 2, place=1.0
    ),
    "network": _Function(
        label="a tiny network of tanh and sigmoid",
        code="torch.sigmoid(torch.tanh(torch.tensor([0.8, -1.3, 0.6], dtype=x.dtype) * x[..., None] + 0.3).sum(-1))",
        at=_network,
        place=0.7,
    ),
    "relu": _Function(
        label="ReLU just beside its kink", code="x.relu() * 2 + x", at=lambda x: x.relu() * 2 + x, place=1e-4
    ),
    "kink": _Function(
        label="ReLU exactly at its kink", code="x.relu() * 2 + x", at=lambda x: x.relu() * 2 + x, place=0.0
    ),
}
_TYPES = {"float64": torch.float64, "float32": torch.float32}


class _Wrong(torch.autograd.Function):
    """The identity with a backward that is off by one per cent."""

    @staticmethod
    def forward(context: object, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return x.clone()

    @staticmethod
    def backward(context: object, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return gradient * FAULT


def _errors(values: Values, steps: tuple[float, ...], aside: float = 0.0) -> tuple[float, list[float], list[float]]:
    """Return the analytic derivative, the numeric one at each step, and the relative errors, `aside` of the place.

    The function is computed in the chosen type; the division by h is made in float64, as our gradient check makes it.
    """
    function = _FUNCTIONS[str(values["function"])]
    kind = _TYPES[str(values["dtype"])]
    where = function.place + aside
    at = torch.tensor(where, dtype=kind, requires_grad=True)
    value = function.at(_Wrong.apply(at) if values["bug"] else at)
    analytic = torch.autograd.grad(value, at)[0].detach().double()
    sizes = torch.tensor(steps, dtype=torch.float64)
    with torch.no_grad():
        place = torch.tensor(where, dtype=torch.float64)
        ahead, behind = (function.at((place + sign * sizes).to(kind)).double() for sign in (1, -1))
        base = float(function.at(place.to(kind)))
    pairs = [
        difference(one, two, base, h, rounding=0.0)
        for one, two, h in zip(ahead.split(1), behind.split(1), steps, strict=True)
    ]
    numeric = torch.cat([pair.centred if values["scheme"] == "centred" else pair.right for pair in pairs])
    errors = relative(analytic.expand_as(numeric), numeric)
    return float(analytic), numeric.tolist(), errors.tolist()


def run(values: Values) -> Result:
    """Compare autograd with differences at one step, and at all steps from 0.1 to 1e-12."""
    chosen = 10.0 ** float(values["log_h"])
    analytic, (numeric,), (error,) = _errors(values, (chosen,))
    around = (0.0,) if str(values["function"]) in _KINKED else _AROUND
    errors = [
        statistics.median(each) for each in zip(*(_errors(values, STEPS, aside)[2] for aside in around), strict=True)
    ]
    best = min(range(len(errors)), key=errors.__getitem__)
    band = band_of(error)
    hint = ""
    if band == "wrong" and str(values["function"]) in _KINKED:
        hint = ": the differences straddle the kink, which is the function's fault and not yours"
    elif band != "sound" and values["dtype"] == "float32":
        hint = f": in float32 no step does better than about {errors[best]:.0e}; check gradients in float64"
    elif band != "sound" and not values["bug"]:
        hint = ": the step is too long" if chosen > STEPS[best] else ": the step is so short that rounding drowns it"
    shown = [max(value, 1e-13) for value in errors]
    return Result(
        verdict=Verdict(sign=_SIGNS[band], text=f"relative error {error:.2g}, {band}{hint}"),
        plots=(
            plot(
                "relative error over the step",
                Axis(label="step h", log=True),
                Axis(label="relative error", log=True, low=1e-13, high=10.0),
                (line("relative error", shown, "train", x=STEPS),),
                markers=(
                    Marker(x=chosen, y=max(error, 1e-13), text=f"h = {chosen:.2g}", sign=_SIGNS[band]),
                    *(Marker(x=None, y=most, text=f"{name} up to here") for name, most in BANDS),
                ),
            ),
        ),
        evidence=(
            fact("analytic derivative", analytic),
            fact("numeric derivative", numeric),
            fact("relative error", error, threshold=BANDS[0][1]),
            fact("verdict", band),
            fact("best step", STEPS[best]),
            fact("error at the best step", errors[best]),
        ),
        python=_python(values, chosen),
    )


def _python(values: Values, h: float) -> str:
    function = _FUNCTIONS[str(values["function"])]
    ahead = "(f(x + h) - f(x - h)) / (2 * h)" if values["scheme"] == "centred" else "(f(x + h) - f(x)) / h"
    return f"""import torch

def f(x):
    return {function.code}

h = {h!r}
x = torch.tensor({function.place!r}, dtype=torch.{values["dtype"]}, requires_grad=True)
(analytic,) = torch.autograd.grad(f(x), x)
x = x.detach()
numeric = {ahead}
size = max(abs(analytic.item()), abs(numeric.item()), 1e-300)
print(analytic.item(), numeric.item(), abs(analytic - numeric).item() / size)
"""


SIMULATION = Simulation(
    name="gradient-check",
    number=5,
    title="Gradient check",
    guide="G2, chapter 1",
    teaches="The error of a numeric gradient over its step is a V: too long a step cuts corners, too short a "
    "one drowns "
    "in rounding. In float32 the pass mark of 1e-7 cannot be reached at all.",
    parameters=(
        number("log_h", "log₁₀(h)", -5, -12, -1, step=0.1, help="The step of the differences, as a power of ten."),
        choice("function", "Function", "network", {name: each.label for name, each in _FUNCTIONS.items()}),
        choice("scheme", "Differences", "centred", {"centred": "centred, from both sides", "one-sided": "one-sided"}),
        choice("dtype", "Precision", "float64", {"float64": "float64", "float32": "float32"}),
        switch("bug", "Plant a bug of 1 % in the backward pass"),
    ),
    run=run,
    presets=(
        preset("golden", "As it should be"),
        preset("bug", "A bug of one per cent", bug=True),
        preset("one-sided", "One-sided differences", scheme="one-sided"),
        preset("float32", "In float32", dtype="float32"),
        preset("too-short", "Too short a step", log_h=-11.5),
        preset("kink", "Across a kink", function="relu", log_h=-3.0),
        preset("at-kink", "Exactly at a kink", function="kink"),
    ),
    claims=(
        claim(
            "Centred differences at h = 1e-5 in float64 pass below 1e-7, for correct code.",
            "G2, chapter 1",
            lambda one, two: max(one["relative error"], two["relative error"]) < 1e-7,
            {},
            {"function": "smooth"},
        ),
        claim(
            "The error of the centred formula is O(h²), of the one-sided one O(h): ten times the step makes a hundred "
            "times the error, and ten times.",
            "G2, chapter 1",
            lambda c1, c2, o1, o2: (
                math.isclose(c1["relative error"] / c2["relative error"], 100, rel_tol=0.05)
                and math.isclose(o1["relative error"] / o2["relative error"], 10, rel_tol=0.05)
            ),
            {"log_h": -2.0},
            {"log_h": -3.0},
            {"log_h": -2.0, "scheme": "one-sided"},
            {"log_h": -3.0, "scheme": "one-sided"},
        ),
        claim(
            "About 1e-5 is the best step for centred differences in float64, with an error of 1e-10 and less; "
            "in float32 "
            "it is near 1e-2, and not even there does a correct gradient pass 1e-7.",
            "G2, chapter 1",
            lambda double, single: (
                1e-6 < double["best step"] < 1e-4
                and double["error at the best step"] < 1e-9
                and single["best step"] > 1e-3
                and single["error at the best step"] > 1e-7
            ),
            {"function": "smooth"},
            {"function": "smooth", "dtype": "float32"},
            as_written="Relative error < 1e-7 means you're golden.",
        ),
        claim(
            "A check in float32 at h = 1e-5 condemns correct code: use double precision.",
            "G2, chapter 1",
            lambda result: result["relative error"] > 1e-3,
            {"dtype": "float32"},
        ),
        claim(
            "Above 1e-3 a gradient is almost certainly wrong, and a bug of one per cent shows there; between 1e-5 and "
            "1e-3, of which the guide says nothing, a gradient is suspect.",
            "G2, chapter 1",
            lambda bug: bug["verdict"] == "wrong" and math.isclose(bug["relative error"], 0.0099, rel_tol=0.01),
            {"bug": True},
            as_written="Between 1e-5 and 1e-7 is okay but suspicious. Above 1e-3 means your gradient is "
            "almost certainly wrong.",
        ),
        claim(
            "Differences that straddle a ReLU's kink are wrong, though the gradient is right; a shorter step is fine.",
            "G2, chapter 1",
            lambda across, beside: across["verdict"] == "wrong" and beside["verdict"] == "sound",
            {"function": "relu", "log_h": -3.0},
            {"function": "relu", "log_h": -5.0},
        ),
    ),
)
